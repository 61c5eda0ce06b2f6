package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// Counts by hour of receipt are kept in buckets of two forms: hourKey →
// store.Counts, and hourKey → encodeHour for stored and duplicate readings
// together.

func hourKey(hour int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(hour)^1<<63) }

// parseHourKey is the inverse of hourKey.
func parseHourKey(k []byte) int64 { return int64(binary.BigEndian.Uint64(k) ^ 1<<63) }

// encodeHour answers uvarint length of stored, stored, duplicate.
func encodeHour(stored, duplicate []byte) []byte {
	b := binary.AppendUvarint(make([]byte, 0, binary.MaxVarintLen32+len(stored)+len(duplicate)), uint64(len(stored)))
	return append(append(b, stored...), duplicate...)
}

// splitHour is the inverse of encodeHour.
func splitHour(v []byte) (stored, duplicate []byte, err error) {
	if len(v) == 0 {
		return nil, nil, nil
	}
	size, n := binary.Uvarint(v)
	if n <= 0 || size > uint64(len(v)-n) {
		return nil, nil, errors.New("tally of an hour is damaged")
	}
	return v[n : n+int(size)], v[n+int(size):], nil
}

// hoursOf answers the hours of all counts, in order.
func hoursOf(counts ...store.HourCounts) []int64 {
	all := map[int64]bool{}
	for _, c := range counts {
		for h := range c {
			all[h] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// addHours adds stored and duplicate to the bucket.
func addHours(b *bbolt.Bucket, stored, duplicate store.HourCounts) error {
	for _, h := range hoursOf(stored, duplicate) {
		k := hourKey(h)
		s, d, err := splitHour(b.Get(k))
		if err != nil {
			return err
		}
		if s, err = store.MergeCounts(s, stored[h]); err != nil {
			return err
		}
		if d, err = store.MergeCounts(d, duplicate[h]); err != nil {
			return err
		}
		if err := b.Put(k, encodeHour(s, d)); err != nil {
			return err
		}
	}
	return nil
}

// readHours adds the counts of fromHour <= hour < toHour in b, which may be
// nil, to stored and duplicate.
func readHours(b *bbolt.Bucket, fromHour, toHour int64, stored, duplicate store.HourCounts) error {
	if b == nil {
		return nil
	}
	c := b.Cursor()
	for k, v := c.Seek(hourKey(fromHour)); len(k) == 8 && parseHourKey(k) < toHour; k, v = c.Next() {
		s, d, err := splitHour(v)
		if err != nil {
			return err
		}
		hour := parseHourKey(k)
		if err := errors.Join(decodeHour(stored, hour, s), decodeHour(duplicate, hour, d)); err != nil {
			return err
		}
	}
	return nil
}

// addCounts adds counts to a bucket that holds one count an hour; an hour with
// none goes.
func addCounts(b *bbolt.Bucket, counts store.HourCounts) error {
	for hour, c := range counts {
		k := hourKey(hour)
		merged, err := store.MergeCounts(b.Get(k), c)
		if err != nil {
			return fmt.Errorf("counts of hour %d: %w", hour, err)
		}
		if len(merged) == 0 {
			err = b.Delete(k)
		} else {
			err = b.Put(k, merged)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readCounts adds the counts of fromHour <= hour < toHour in b to into.
func readCounts(b *bbolt.Bucket, fromHour, toHour int64, into store.HourCounts) error {
	c := b.Cursor()
	for k, v := c.Seek(hourKey(fromHour)); len(k) == 8 && parseHourKey(k) < toHour; k, v = c.Next() {
		if err := decodeHour(into, parseHourKey(k), v); err != nil {
			return err
		}
	}
	return nil
}

// decodeHour adds the encoded store.Counts to those of the hour.
func decodeHour(into store.HourCounts, hour int64, enc []byte) error {
	if len(enc) == 0 {
		return nil
	}
	c := into[hour]
	if c == nil {
		c = store.Counts{}
		into[hour] = c
	}
	return c.Decode(enc)
}
