package embedded

import (
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"sort"

	"go.etcd.io/bbolt"
)

// verdict says that readings first to first+count-1 of the record at seq were
// not stored.
type verdict struct {
	seq          uint64 // position in the log
	first, count uint32
}

const verdictsPerBlob = 4096

// joinVerdicts sorts the verdicts of w from the index on and joins what
// touches. Those before it are of earlier records.
func joinVerdicts(w *wave, from int) {
	v := w.verdicts[from:]
	slices.SortFunc(v, func(a, b verdict) int {
		return cmp.Or(cmp.Compare(a.seq, b.seq), cmp.Compare(a.first, b.first))
	})
	out := v[:0]
	for _, x := range v {
		if n := len(out); n > 0 && out[n-1].seq == x.seq && uint64(x.first) <= uint64(out[n-1].first)+uint64(out[n-1].count) {
			end := max(uint64(out[n-1].first)+uint64(out[n-1].count), uint64(x.first)+uint64(x.count))
			out[n-1].count = uint32(end - uint64(out[n-1].first))
			continue
		}
		out = append(out, x)
	}
	w.verdicts = w.verdicts[:from+len(out)]
}

// hasVerdict searches sorted verdicts.
func hasVerdict(v []verdict, seq uint64, index uint32) bool {
	i := sort.Search(len(v), func(i int) bool {
		return v[i].seq > seq || v[i].seq == seq && v[i].first > index
	}) - 1
	return i >= 0 && v[i].seq == seq && index-v[i].first < v[i].count
}

// appendVerdicts encodes sorted verdicts as varints: the difference of the
// positions, the first index, the count.
func appendVerdicts(dst []byte, v []verdict) []byte {
	prev := uint64(0)
	for _, x := range v {
		dst = binary.AppendUvarint(dst, x.seq-prev)
		dst = binary.AppendUvarint(dst, uint64(x.first))
		dst = binary.AppendUvarint(dst, uint64(x.count))
		prev = x.seq
	}
	return dst
}

var errVerdicts = errors.New("remembered verdicts are damaged")

func decodeVerdicts(b []byte) (out []verdict, err error) {
	seq := uint64(0)
	for len(b) > 0 {
		var f [3]uint64
		for i := range f {
			v, n := binary.Uvarint(b)
			if n <= 0 || i > 0 && v > 1<<32-1 {
				return nil, errVerdicts
			}
			f[i], b = v, b[n:]
		}
		seq += f[0]
		out = append(out, verdict{seq, uint32(f[1]), uint32(f[2])})
	}
	return out, nil
}

// putVerdicts keeps those above forget, in values under the last position of
// each. A record's verdicts stay together: they are told in one call.
func putVerdicts(tx *bbolt.Tx, v []verdict, forget uint64) error {
	b := tx.Bucket(verdictBucket)
	i := sort.Search(len(v), func(i int) bool { return v[i].seq > forget })
	for v = v[i:]; len(v) > 0; {
		n := min(verdictsPerBlob, len(v))
		for n < len(v) && v[n].seq == v[n-1].seq {
			n++
		}
		if err := b.Put(beKey(v[n-1].seq), appendVerdicts(nil, v[:n])); err != nil {
			return err
		}
		v = v[n:]
	}
	return nil
}

// forgetVerdicts deletes the values that lie wholly at or below forget.
func forgetVerdicts(tx *bbolt.Tx, forget uint64) error {
	b := tx.Bucket(verdictBucket)
	for {
		k, _ := b.Cursor().First()
		if len(k) != 8 || binary.BigEndian.Uint64(k) > forget {
			return nil
		}
		if err := b.Delete(k); err != nil {
			return err
		}
	}
}

// verdictCache is the value that answers for positions from..to: a replay asks
// in order.
type verdictCache struct {
	valid    bool
	from, to uint64
	verdicts []verdict
}

// Rejected implements store.State. Should the file be unreadable, it says no,
// and every later Reject and Flush fails: nothing that rests on the wrong
// answer becomes durable.
func (s *State) Rejected(seq uint64, index uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rejected(seq, index)
}

func (s *State) rejected(seq uint64, index uint32) bool {
	if s.usable() != nil {
		return false
	}
	if hasVerdict(s.wait.verdicts, seq, index) {
		return true
	}
	if seq > s.meta.Applied {
		return false
	}
	if c := &s.cache; !c.valid || seq < c.from || seq > c.to {
		err := view(s.db, func(tx *bbolt.Tx) error {
			*c = verdictCache{valid: true, from: seq, to: s.meta.Applied}
			k, v := tx.Bucket(verdictBucket).Cursor().Seek(beKey(seq))
			if len(k) != 8 {
				return nil
			}
			var err error
			c.to = binary.BigEndian.Uint64(k)
			c.verdicts, err = decodeVerdicts(v)
			return err
		})
		if err != nil {
			*c = verdictCache{}
			s.broken = err
			s.o.Logger.Error("remembered verdicts are unreadable", "path", s.db.Path(), "error", err)
			return false
		}
	}
	return hasVerdict(s.cache.verdicts, seq, index)
}

func beKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
