package buffer

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// chunk is a run of records as it is stored under the big-endian number of its
// first:
//
//	1 byte   format, 1
//	1 byte   flags
//	4 bytes  CRC-32C of key, format, flags and all that follows, little-endian
//	uvarint  number of the first record, as in the key
//	uvarint  count of records
//	uvarint  length of the tallies
//	uvarint  length of the body before compression
//	32 bytes SHA-256 of the group before; only in a group's first chunk
//	tallies  see tally.go; never compressed, so that counting is cheap
//	body     a uvarint length for each record, then the records
type chunk struct {
	first, last uint64
	opens       bool // first of its group
	prev        [sha256.Size]byte
	tallies     []byte
	body        []byte
	bodyLen     int
	packed      bool
}

const (
	chunkFormat = 1

	flagOpens  = 1 << 0 // first of its group
	flagPacked = 1 << 1 // body is zstd

	maxChunkRecords = 4096
	maxBodyBytes    = 3 * MaxEntryBytes
	// What a chunk costs in the file beside its value: key, page element and
	// a share of page ends.
	chunkOverhead = 160
)

var errDamaged = errors.New("damaged")

func damaged(first uint64, format string, args ...any) error {
	return fmt.Errorf("chunk at record %d is %w: %s", first, errDamaged, fmt.Sprintf(format, args...))
}

func key(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func parseKey(k []byte) (uint64, error) {
	if len(k) != 8 {
		return 0, fmt.Errorf("key %x of the log is %w: not 8 bytes", k, errDamaged)
	}
	return binary.BigEndian.Uint64(k), nil
}

func chunkSum(first uint64, v []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // made once by the package
	var k [8]byte
	binary.BigEndian.PutUint64(k[:], first)
	return crc32.Update(crc32.Update(crc32.Checksum(k[:], table), table, v[:2]), table, v[6:])
}

// parseChunk checks v, the value under first, as far as it can without
// decompressing it. The chunk refers to v.
func parseChunk(first uint64, v []byte) (chunk, error) {
	c := chunk{first: first}
	if len(v) < 6 {
		return c, damaged(first, "%d bytes", len(v))
	}
	if sum := binary.LittleEndian.Uint32(v[2:]); sum != chunkSum(first, v) {
		return c, damaged(first, "its checksum does not match")
	}
	if v[0] != chunkFormat {
		return c, fmt.Errorf("chunk at record %d has format %d, this version reads %d", first, v[0], chunkFormat)
	}
	c.opens, c.packed = v[1]&flagOpens != 0, v[1]&flagPacked != 0
	b := v[6:]
	var head [4]uint64
	for i := range head {
		n := 0
		if head[i], n = binary.Uvarint(b); n <= 0 {
			return c, damaged(first, "its header is cut off")
		}
		b = b[n:]
	}
	switch {
	case head[0] != first:
		return c, damaged(first, "it says that it begins at %d", head[0])
	case head[1] == 0 || head[1] > maxChunkRecords || first+head[1] < first:
		return c, damaged(first, "%d records", head[1])
	case head[3] > maxBodyBytes:
		return c, damaged(first, "a body of %d bytes", head[3])
	}
	c.last = first + head[1] - 1
	c.bodyLen = int(head[3])
	if c.opens {
		if len(b) < sha256.Size {
			return c, damaged(first, "its link is cut off")
		}
		b = b[copy(c.prev[:], b):]
	}
	if head[2] > uint64(len(b)) {
		return c, damaged(first, "its tallies are cut off")
	}
	c.tallies, c.body = b[:head[2]], b[head[2]:]
	if !c.packed && len(c.body) != c.bodyLen {
		return c, damaged(first, "%d bytes of %d", len(c.body), c.bodyLen)
	}
	return c, nil
}

// items appends the records to dst. They do not refer to the stored value when
// it is packed, and do otherwise.
func (c *chunk) items(zr *zstd.Decoder, dst []Item) ([]Item, error) {
	body := c.body
	if c.packed {
		var err error
		if body, err = zr.DecodeAll(c.body, make([]byte, 0, c.bodyLen)); err != nil {
			return dst, damaged(c.first, "%v", err)
		}
		if len(body) != c.bodyLen {
			return dst, damaged(c.first, "%d bytes of %d", len(body), c.bodyLen)
		}
	}
	n := int(c.last - c.first + 1)
	lengths, at := body, 0
	for range n {
		_, w := binary.Uvarint(body[at:])
		if w <= 0 {
			return dst, damaged(c.first, "its lengths are cut off")
		}
		at += w
	}
	records := body[at:]
	for i := range n {
		size, w := binary.Uvarint(lengths)
		lengths = lengths[w:]
		if size > uint64(len(records)) {
			return dst, damaged(c.first, "record %d is cut off", c.first+uint64(i))
		}
		dst = append(dst, Item{Seq: c.first + uint64(i), Record: records[:size:size]})
		records = records[size:]
	}
	if len(records) != 0 {
		return dst, damaged(c.first, "%d bytes behind the last record", len(records))
	}
	return dst, nil
}
