package store

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// Counts is a number of readings per device UID; 0 stands for readings of no
// registered device. Deltas may be negative, what is stored may not.
type Counts map[uint32]int64

// HourCounts is Counts per Unix hour of receipt.
type HourCounts map[int64]Counts

// Add adds n for device uid in hour.
func (h HourCounts) Add(hour int64, uid uint32, n int64) {
	c := h[hour]
	if c == nil {
		c = Counts{}
		h[hour] = c
	}
	c[uid] += n
}

// AddAll adds every count of o.
func (h HourCounts) AddAll(o HourCounts) {
	for hour, c := range o {
		for uid, n := range c {
			h.Add(hour, uid, n)
		}
	}
}

// Sum answers the total over all hours and devices.
func (h HourCounts) Sum() int64 {
	var sum int64
	for _, c := range h {
		for _, n := range c {
			sum += n
		}
	}
	return sum
}

// AppendTo appends the encoding of c: for each uid in ascending order the
// difference to the one before, then the count, both as varints; a zero count
// is left out. About three bytes a device.
func (c Counts) AppendTo(dst []byte) []byte {
	uids := slices.Sorted(maps.Keys(c))
	prev := uint32(0)
	for _, uid := range uids {
		if c[uid] == 0 {
			continue
		}
		dst = binary.AppendUvarint(dst, uint64(uid-prev))
		dst = binary.AppendVarint(dst, c[uid])
		prev = uid
	}
	return dst
}

// Decode adds what AppendTo encoded in b to c.
func (c Counts) Decode(b []byte) error {
	uid := uint64(0)
	for len(b) > 0 {
		d, n := binary.Uvarint(b)
		if n <= 0 {
			return fmt.Errorf("counts: truncated device at %d bytes from the end", len(b))
		}
		b = b[n:]
		v, n := binary.Varint(b)
		if n <= 0 {
			return fmt.Errorf("counts: truncated count at %d bytes from the end", len(b))
		}
		b = b[n:]
		uid += d
		if uid > 1<<32-1 {
			return fmt.Errorf("counts: device number %d is out of range", uid)
		}
		c[uint32(uid)] += v
	}
	return nil
}

// MergeCounts answers the encoding of old (an encoding, or empty) plus delta.
func MergeCounts(old []byte, delta Counts) ([]byte, error) {
	c := make(Counts, len(delta)+len(old)/3)
	if err := c.Decode(old); err != nil {
		return nil, err
	}
	for uid, n := range delta {
		c[uid] += n
	}
	return c.AppendTo(nil), nil
}
