package embedded

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// The buckets of a month's file.
var (
	blocksBucket = []byte("blocks") // blockKey → block
	hoursBucket  = []byte("hours")  // hourKey → encodeHour
	stateBucket  = []byte("state")
	stateKey     = []byte("state") // monthState
)

// monthState is what a month's file says of itself, in the transaction of its
// data.
type monthState struct {
	log       store.LogID
	applied   uint64 // log position up to which every reading of this month is here
	stored    uint64 // readings ever stored
	duplicate uint64 // readings found again
	samples   uint64
	blocks    uint64
	bytes     uint64 // of the blocks
	settled   uint64 // size of the file when it was last rewritten
	firstHour int64  // of receipt, of all that is tallied; above lastHour: nothing is
	lastHour  int64
}

const monthStateBytes = 16 + 9*8

// tally adds what a transaction adds to the bucket of hours.
func (s *monthState) tally(stored, duplicate store.HourCounts) {
	s.stored += uint64(stored.Sum())
	s.duplicate += uint64(duplicate.Sum())
	for _, hours := range [...]store.HourCounts{stored, duplicate} {
		for hour := range hours {
			s.firstHour, s.lastHour = min(s.firstHour, hour), max(s.lastHour, hour)
		}
	}
}

func (s *monthState) encode() []byte {
	b := append(make([]byte, 0, monthStateBytes), s.log[:]...)
	for _, v := range [...]uint64{s.applied, s.stored, s.duplicate, s.samples, s.blocks, s.bytes, s.settled, uint64(s.firstHour), uint64(s.lastHour)} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return b
}

func (s *monthState) decode(b []byte) error {
	if len(b) != monthStateBytes {
		return fmt.Errorf("state has %d bytes", len(b))
	}
	copy(s.log[:], b)
	for i, p := range [...]*uint64{&s.applied, &s.stored, &s.duplicate, &s.samples, &s.blocks, &s.bytes, &s.settled} {
		*p = binary.BigEndian.Uint64(b[16+8*i:])
	}
	s.firstHour = int64(binary.BigEndian.Uint64(b[monthStateBytes-16:]))
	s.lastHour = int64(binary.BigEndian.Uint64(b[monthStateBytes-8:]))
	return nil
}

// readMonthState answers the state of the month's file; a new one has none.
func readMonthState(tx *bbolt.Tx) (s monthState, err error) {
	b := tx.Bucket(stateBucket)
	if b == nil {
		return monthState{firstHour: maxHour, lastHour: minHour}, nil
	}
	if err := s.decode(b.Get(stateKey)); err != nil {
		return s, fileError(store.ErrInvalid, tx.DB().Path(), "is damaged: %v; %s", err, wayOut)
	}
	return s, nil
}

func writeMonthState(tx *bbolt.Tx, s *monthState) error {
	b, err := tx.CreateBucketIfNotExists(stateBucket)
	if err != nil {
		return err
	}
	return b.Put(stateKey, s.encode())
}

const blockKeyBytes = 4 + 2 + 8

// blockKey orders blocks by series and time, times before 1970 included.
func blockKey(s store.Series, ts int64) []byte {
	b := make([]byte, 0, blockKeyBytes)
	b = binary.BigEndian.AppendUint32(b, s.UID)
	b = binary.BigEndian.AppendUint16(b, s.Port)
	return binary.BigEndian.AppendUint64(b, uint64(ts)^1<<63)
}

// keyOf reports whether k is a block of s, and where that starts.
func keyOf(k []byte, s store.Series) (ts int64, ok bool) {
	if len(k) != blockKeyBytes || binary.BigEndian.Uint32(k) != s.UID || binary.BigEndian.Uint16(k[4:]) != s.Port {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(k[6:]) ^ 1<<63), true
}

// seriesOf answers the series of a block's key.
func seriesOf(k []byte) store.Series {
	return store.Series{UID: binary.BigEndian.Uint32(k), Port: binary.BigEndian.Uint16(k[4:])}
}
