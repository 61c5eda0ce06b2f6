package buffer

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"github.com/klauspost/compress/zstd"
)

const (
	// Values are cut so that about so much is stored. Two fit into four pages;
	// larger ones make each commit rewrite more of the last leaf, smaller ones
	// compress less. Figures: docs/adr/0002-log-format.md.
	chunkTarget = 2000
	// Bounds of what goes into a chunk before compression, a single larger
	// record excepted.
	chunkLeast = 2 << 10
	chunkMost  = 64 << 10
)

// codec makes groups of chunks from entries. Its decoder may be used
// concurrently, the rest by the committer alone.
type codec struct {
	zw *zstd.Encoder
	zr *zstd.Decoder

	ratio   float64 // of recent chunks, raw to stored
	body    []byte
	records []byte
	values  []byte
	chunks  []value
	hash    hash.Hash
}

// value is a chunk on its way into the file.
type value struct {
	first uint64
	value []byte
}

// group is what one commit writes.
type group struct {
	chunks []value // valid until the next encode
	hash   [sha256.Size]byte
	stored int64 // bytes of all values
	raw    int   // bytes of all records
}

func newCodec() (*codec, error) {
	zw, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(chunkMost), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, err
	}
	zr, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxBodyBytes))
	if err != nil {
		return nil, err
	}
	return &codec{zw: zw, zr: zr, ratio: 4, hash: sha256.New()}, nil
}

func (c *codec) close() {
	_ = c.zw.Close() // holds memory alone
	c.zr.Close()
}

// encode packs items, numbered from first, into the chunks of one group.
func (c *codec) encode(first uint64, prev [sha256.Size]byte, items []Item) *group {
	c.values, c.chunks = c.values[:0], c.chunks[:0]
	g := &group{}
	for opens := true; len(items) > 0; opens = false {
		limit := min(max(int(chunkTarget*c.ratio), chunkLeast), chunkMost)
		c.records, c.body = c.records[:0], c.body[:0]
		n := 0
		for n < len(items) && n < maxChunkRecords && len(c.records) < limit {
			at := len(c.records)
			c.records = items[n].Entry.AppendRecord(c.records)
			c.body = binary.AppendUvarint(c.body, uint64(len(c.records)-at))
			n++
		}
		c.body = append(c.body, c.records...)
		g.raw += len(c.records)
		v := c.chunk(first, prev, opens, items[:n])
		c.chunks = append(c.chunks, value{first, v})
		g.stored += int64(len(v))
		if len(c.records) >= chunkLeast {
			c.ratio += (float64(len(c.records))/float64(len(v)) - c.ratio) / 4
		}
		first += uint64(n)
		items = items[n:]
	}
	g.chunks = c.chunks
	g.hash = c.link(c.chunks)
	c.shrink()
	return g
}

// chunk appends one chunk to the values. Earlier ones stay valid when they
// grow: they refer to the memory they were made in.
func (c *codec) chunk(first uint64, prev [sha256.Size]byte, opens bool, items []Item) []byte {
	at := len(c.values)
	v := append(c.values, chunkFormat, 0, 0, 0, 0, 0)
	tallies := appendTallies(nil, items)
	v = binary.AppendUvarint(v, first)
	v = binary.AppendUvarint(v, uint64(len(items)))
	v = binary.AppendUvarint(v, uint64(len(tallies)))
	v = binary.AppendUvarint(v, uint64(len(c.body)))
	flags := byte(0)
	if opens {
		flags |= flagOpens
		v = append(v, prev[:]...)
	}
	v = append(v, tallies...)
	head := len(v)
	v = c.zw.EncodeAll(c.body, v)
	if len(v)-head < len(c.body) {
		flags |= flagPacked
	} else {
		v = append(v[:head], c.body...)
	}
	c.values = v
	v = v[at:]
	v[1] = flags
	binary.LittleEndian.PutUint32(v[2:], chunkSum(first, v))
	return v[:len(v):len(v)]
}

// link answers the hash of a group: of its values in order. Each says where it
// begins and how long it is.
func (c *codec) link(chunks []value) (sum [sha256.Size]byte) {
	c.hash.Reset()
	for i := range chunks {
		c.hash.Write(chunks[i].value)
	}
	c.hash.Sum(sum[:0])
	return sum
}

// shrink gives back what one large record made grow. The values stay: the
// transaction refers to them.
func (c *codec) shrink() {
	if cap(c.records) > 1<<20 {
		c.records, c.body = nil, nil
	}
	if cap(c.values) > commitBytes {
		c.values = nil
	}
}
