package buffer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// Layout of bbolt's branch and leaf pages. Source: bbolt internal/common,
// page.go and bucket.go.
const (
	flagBranch = 1
	flagLeaf   = 2

	elementBytes  = 16 // branch: pos, ksize, pgid; leaf: flags, pos, ksize, vsize
	elementBucket = 1
	bucketBytes   = 16 // root page, sequence; an inline page follows when root is 0
	maxTreeDepth  = 32
)

// tree checks the structure of a bbolt file: every page is what it says,
// within the file, reached once, and its keys ascend. bbolt takes all that for
// granted and panics in a goroutine of its own, faults or allocates without
// end where it does not hold.
type tree struct {
	f        io.ReaderAt
	pageSize int64
	pages    uint64
	seen     []uint64 // a bit a page
}

func (t *tree) check(root uint64) error {
	t.seen = make([]uint64, t.pages/64+1)
	return t.walk(root, 0, nil, nil)
}

// walk checks the subtree at id, whose keys are at least low and below high.
func (t *tree) walk(id uint64, depth int, low, high []byte) error {
	p, err := t.read(id)
	if err != nil {
		return err
	}
	if depth > maxTreeDepth {
		return fmt.Errorf("page %d lies too deep", id)
	}
	e := binary.NativeEndian
	if e.Uint16(p[8:])&flagBranch == 0 {
		return t.leaf(id, p, depth, low, high, false)
	}
	n := int(e.Uint16(p[10:]))
	keys := make([][]byte, n, n+1)
	for i := range n {
		at := pageHeaderBytes + elementBytes*i
		if keys[i], err = cutOut(p, at, e.Uint32, 0, 4); err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
	}
	if n == 0 {
		return fmt.Errorf("page %d is empty", id)
	}
	if err := ascend(keys, low, high); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	keys = append(keys, high)
	for i := range n {
		child := e.Uint64(p[pageHeaderBytes+elementBytes*i+8:])
		if err := t.walk(child, depth+1, keys[i], keys[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// read answers a page with its overflow, and that it was not reached before.
func (t *tree) read(id uint64) ([]byte, error) {
	if id < 2 || id >= t.pages {
		return nil, fmt.Errorf("page %d is outside the file", id)
	}
	var head [pageHeaderBytes]byte
	if _, err := t.f.ReadAt(head[:], int64(id)*t.pageSize); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	e := binary.NativeEndian
	more := uint64(e.Uint32(head[12:]))
	flags := e.Uint16(head[8:])
	switch {
	case e.Uint64(head[:]) != id, flags != flagBranch && flags != flagLeaf:
		return nil, fmt.Errorf("page %d is something else", id)
	case id+more >= t.pages:
		return nil, fmt.Errorf("page %d ends outside the file", id)
	}
	for i := id; i <= id+more; i++ {
		if t.seen[i/64]&(1<<(i%64)) != 0 {
			return nil, fmt.Errorf("page %d is used twice", i)
		}
		t.seen[i/64] |= 1 << (i % 64)
	}
	p := make([]byte, int64(more+1)*t.pageSize)
	if _, err := t.f.ReadAt(p, int64(id)*t.pageSize); err != nil {
		return nil, fmt.Errorf("read page %d: %w", id, err)
	}
	return p, nil
}

// leaf checks a leaf, or the page of an inline bucket, and walks the buckets
// in it.
func (t *tree) leaf(id uint64, p []byte, depth int, low, high []byte, inline bool) error {
	e := binary.NativeEndian
	n := int(e.Uint16(p[10:]))
	keys := make([][]byte, n)
	for i := range n {
		at := pageHeaderBytes + elementBytes*i
		var err error
		if keys[i], err = cutOut(p, at, e.Uint32, 4, 8); err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
		from := uint64(at) + uint64(e.Uint32(p[at+4:])) + uint64(len(keys[i]))
		size := uint64(e.Uint32(p[at+12:]))
		if from+size > uint64(len(p)) {
			return fmt.Errorf("page %d: a value ends outside it", id)
		}
		flags := e.Uint32(p[at:])
		if flags == 0 {
			continue
		}
		value := p[from : from+size]
		if flags != elementBucket || inline || len(value) < bucketBytes {
			return fmt.Errorf("page %d: an element is something else", id)
		}
		if root := e.Uint64(value); root != 0 {
			err = t.walk(root, depth+1, nil, nil)
		} else if value = value[bucketBytes:]; len(value) < pageHeaderBytes || e.Uint16(value[8:]) != flagLeaf {
			err = fmt.Errorf("page %d: an inline bucket is none", id)
		} else {
			err = t.leaf(id, value, depth+1, nil, nil, true)
		}
		if err != nil {
			return err
		}
	}
	if err := ascend(keys, low, high); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

// cutOut answers the key of the element at: pos and length stand at the given
// offsets in it, and pos counts from it.
func cutOut(p []byte, at int, number func([]byte) uint32, pos, length int) ([]byte, error) {
	if at+elementBytes > len(p) {
		return nil, fmt.Errorf("its elements end outside it")
	}
	from := uint64(at) + uint64(number(p[at+pos:]))
	size := uint64(number(p[at+length:]))
	if size == 0 || from+size > uint64(len(p)) {
		return nil, fmt.Errorf("a key ends outside it")
	}
	return p[from : from+size], nil
}

func ascend(keys [][]byte, low, high []byte) error {
	for i, k := range keys {
		if i > 0 && bytes.Compare(keys[i-1], k) >= 0 ||
			i == 0 && low != nil && bytes.Compare(k, low) < 0 ||
			high != nil && bytes.Compare(k, high) >= 0 {
			return fmt.Errorf("key %d is out of order", i)
		}
	}
	return nil
}
