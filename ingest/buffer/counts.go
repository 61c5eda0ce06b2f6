package buffer

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sort"
)

// counts is what memory knows of the received-counters: the total since the
// log was made, the untrimmed part of it by hour and owner, and marks.
type counts struct {
	total int64
	hours map[int64]map[uint32]int64
	marks []mark
}

// mark says how much the records up to and including seq add up to.
type mark struct {
	seq   uint64
	total int64
}

// maxMarks bounds the marks: beyond it every second one of the older half
// goes, so that they are dense where cursors are and sparse far behind.
const maxMarks = 8192

func (c *counts) add(hour int64, owner uint32, n int64) {
	if n == 0 {
		return
	}
	c.total += n
	addCount(c.hours, hour, owner, n)
}

func addCount(hours map[int64]map[uint32]int64, hour int64, owner uint32, n int64) {
	owners := hours[hour]
	if owners == nil {
		owners = map[uint32]int64{}
		hours[hour] = owners
	}
	owners[owner] += n
}

// mark notes that the total is that of the records up to seq.
func (c *counts) mark(seq uint64) {
	c.marks = append(c.marks, mark{seq, c.total})
	if len(c.marks) <= maxMarks {
		return
	}
	kept := c.marks[:1]
	for i := 2; i < len(c.marks); i++ {
		if i >= maxMarks/2 || i%2 == 0 {
			kept = append(kept, c.marks[i])
		}
	}
	c.marks = kept
}

// before answers the last mark at or before seq; ok is false when it has been
// trimmed.
func (c *counts) before(seq uint64) (m mark, ok bool) {
	i := sort.Search(len(c.marks), func(i int) bool { return c.marks[i].seq > seq })
	if i == 0 {
		return mark{}, false
	}
	return c.marks[i-1], true
}

// trim forgets what became durable: everything up to m, which is delta.
func (c *counts) trim(m mark, delta map[int64]map[uint32]int64) {
	i := sort.Search(len(c.marks), func(i int) bool { return c.marks[i].seq > m.seq })
	c.marks = append([]mark{m}, c.marks[i:]...)
	for hour, owners := range delta {
		left := c.hours[hour]
		for owner, n := range owners {
			if left[owner] -= n; left[owner] == 0 {
				delete(left, owner)
			}
		}
		if len(left) == 0 {
			delete(c.hours, hour)
		}
	}
}

// shift adds d to what the trimmed records are counted as.
func (c *counts) shift(d int64) {
	c.total += d
	for i := range c.marks {
		c.marks[i].total += d
	}
}

// appendOwners encodes counts by owner: in ascending order the difference to
// the owner before, then the count, as varints.
func appendOwners(dst []byte, owners map[uint32]int64) []byte {
	prev := uint32(0)
	for _, owner := range slices.Sorted(maps.Keys(owners)) {
		dst = binary.AppendUvarint(dst, uint64(owner-prev))
		dst = binary.AppendVarint(dst, owners[owner])
		prev = owner
	}
	return dst
}

// eachOwner is the inverse of appendOwners.
func eachOwner(b []byte, fn func(owner uint32, n int64)) error {
	owner := uint64(0)
	for len(b) > 0 {
		d, w := binary.Uvarint(b)
		if w <= 0 || owner+d < owner || owner+d > 1<<32-1 {
			return fmt.Errorf("durable counters are %w", errDamaged)
		}
		owner += d
		b = b[w:]
		n, w := binary.Varint(b)
		if w <= 0 {
			return fmt.Errorf("durable counters are %w", errDamaged)
		}
		b = b[w:]
		fn(uint32(owner), n)
	}
	return nil
}
