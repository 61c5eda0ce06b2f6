package embedded

import (
	"context"
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// The bounds of the refusals that are kept. The oldest are dropped beyond them.
const (
	mostRefusals     = 10_000
	mostRefusedBytes = 16 << 20
)

// refuse counts and keeps what the server refused, and answers how many older
// refusals were dropped for it.
func (m *journalMeta) refuse(tx *bbolt.Tx, refused []store.Refusal) (dropped int, err error) {
	if len(refused) == 0 {
		return 0, nil
	}
	counts := store.HourCounts{}
	b := tx.Bucket(refusalBucket)
	for i := range refused {
		r := &refused[i]
		counts.Add(r.Hour, r.UID, 1)
		v := encodeRefusal(r)
		m.Refused++
		m.Kept++
		m.KeptBytes += int64(len(v))
		if err := b.Put(beKey(m.Refused), v); err != nil {
			return 0, err
		}
	}
	for ; m.Kept > mostRefusals || m.Kept > 0 && m.KeptBytes > mostRefusedBytes; dropped++ {
		oldest := beKey(m.Refused - m.Kept + 1)
		m.KeptBytes -= int64(len(b.Get(oldest)))
		m.Kept--
		if err := b.Delete(oldest); err != nil {
			return 0, err
		}
	}
	if err := addCounts(tx.Bucket(refusedHoursBucket), counts); err != nil {
		return 0, fileError(store.ErrInvalid, tx.DB().Path(), "is damaged: %v; %s", err, wayOut)
	}
	return dropped, nil
}

// ListRefused implements store.Journal.
func (j *Journal) ListRefused(ctx context.Context, limit int) ([]store.Refusal, error) {
	if limit < 1 {
		return nil, store.Invalid("refused readings", "limit", "must be at least 1")
	}
	if _, err := j.read(ctx); err != nil {
		return nil, err
	}
	var out []store.Refusal
	err := view(j.db, func(tx *bbolt.Tx) error {
		c := tx.Bucket(refusalBucket).Cursor()
		for k, v := c.Last(); k != nil && len(out) < limit; k, v = c.Prev() {
			r, ok := decodeRefusal(v)
			if !ok {
				return fileError(store.ErrInvalid, j.db.Path(), "is damaged: refused reading %x; %s", k, wayOut)
			}
			out = append(out, r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list refused readings: %w", err)
	}
	return out, nil
}

// encodeRefusal writes hour, device, time, and the texts behind their lengths.
func encodeRefusal(r *store.Refusal) []byte {
	b := make([]byte, 0, len(r.Document)+len(r.Reason)+3*binary.MaxVarintLen64)
	b = binary.AppendVarint(b, r.Hour)
	b = binary.AppendUvarint(b, uint64(r.UID))
	b = binary.AppendVarint(b, int64(r.At))
	return appendText(appendText(b, r.Document), r.Reason)
}

func decodeRefusal(b []byte) (r store.Refusal, ok bool) {
	f := fields{b: b}
	r = store.Refusal{Hour: f.signed(), UID: uint32(f.number()), At: store.Time(f.signed()), Document: string(f.text()), Reason: string(f.text())}
	return r, !f.bad
}
