package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"

	"go.etcd.io/bbolt"
)

// The layout of bbolt's pages, version 2.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	pageHeader  = 16 // id uint64, flags uint16, count uint16, overflow uint32
	pageElement = 16 // branch: pos, ksize uint32, child uint64; leaf: flags, pos, ksize, vsize uint32
	metaBytes   = 64 // magic, version, page size, flags uint32; root, sequence, freelist, pages, txid, sum uint64

	branchPage = 1
	leafPage   = 2
)

// checkPages verifies what bbolt takes for granted: a valid meta page, a file
// as long as it says and, when tree is set, that every page of the tree stays
// within its bounds and is reached once.
func checkPages(f *os.File, tree bool) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return errors.New("is empty: its content is lost")
	}
	best, found := meta{}, false
	for i := range int64(2) {
		b := make([]byte, pageHeader+metaBytes)
		if _, err := f.ReadAt(b, i*pageSize); err != nil {
			continue
		}
		if m, ok := parseMeta(b[pageHeader:]); ok && (!found || m.txid > best.txid) {
			best, found = m, true
		}
	}
	if !found {
		return errors.New("is torn, or not a file of tidegate's")
	}
	if best.pageSize != pageSize {
		return fmt.Errorf("is not a file of tidegate's: its pages have %d bytes", best.pageSize)
	}
	if best.pages > uint64(info.Size())/pageSize {
		return fmt.Errorf("is truncated: it has %d bytes of %d", info.Size(), best.pages*pageSize)
	}
	if !tree {
		return nil
	}
	w := treeWalk{f: f, pages: best.pages, seen: make([]uint64, best.pages/64+1)}
	_, err = w.page(best.root, nil, nil, 0)
	return err
}

type meta struct {
	pageSize          uint32
	root, pages, txid uint64
}

func parseMeta(b []byte) (meta, bool) {
	le := binary.LittleEndian
	h := fnv.New64a()
	_, _ = h.Write(b[:metaBytes-8])
	if le.Uint32(b) != boltMagic || le.Uint32(b[4:]) != boltVersion || h.Sum64() != le.Uint64(b[56:]) {
		return meta{}, false
	}
	return meta{pageSize: le.Uint32(b[8:]), root: le.Uint64(b[16:]), pages: le.Uint64(b[40:]), txid: le.Uint64(b[48:])}, true
}

// treeWalk visits the pages of a tree without trusting them. It finds all that
// bbolt's own walk would stumble over, and needs no more than two pages of
// memory.
type treeWalk struct {
	f     *os.File
	pages uint64
	seen  []uint64
}

// page checks the subtree of page id, whose keys are at least min and below
// end (nil: unbounded), and answers its last key.
func (w *treeWalk) page(id uint64, min, end []byte, depth int) ([]byte, error) {
	if depth > 64 {
		return nil, fmt.Errorf("is damaged: page %d lies too deep", id)
	}
	if id < 2 || id >= w.pages {
		return nil, fmt.Errorf("is damaged: page %d of %d is out of range", id, w.pages)
	}
	b := make([]byte, pageSize)
	if _, err := w.f.ReadAt(b, int64(id)*pageSize); err != nil {
		return nil, fmt.Errorf("cannot be read at page %d: %w", id, err)
	}
	le := binary.LittleEndian
	overflow := uint64(le.Uint32(b[12:]))
	if le.Uint64(b) != id || id+overflow >= w.pages {
		return nil, fmt.Errorf("is damaged at page %d", id)
	}
	for p := id; p <= id+overflow; p++ {
		if w.seen[p/64]&(1<<(p%64)) != 0 {
			return nil, fmt.Errorf("is damaged: page %d is used twice", p)
		}
		w.seen[p/64] |= 1 << (p % 64)
	}
	at := func(off, n int) ([]byte, error) {
		if off+n <= len(b) {
			return b[off : off+n], nil
		}
		buf := make([]byte, n)
		_, err := w.f.ReadAt(buf, int64(id)*pageSize+int64(off))
		return buf, err
	}
	p := elements{id: id, flags: le.Uint16(b[8:]), count: int(le.Uint16(b[10:])), size: int(overflow+1) * pageSize, at: at}
	return w.elements(p, min, end, depth)
}

// elements are those of a page, or of a bucket that is kept inline in a leaf.
type elements struct {
	id    uint64 // the page
	flags uint16
	count int
	size  int // bytes
	at    func(off, n int) ([]byte, error)
}

func (e elements) bad(i int) error {
	return fmt.Errorf("is damaged at page %d, element %d", e.id, i)
}

// key answers the key of element i, and where its value begins and how long it
// is.
func (e elements) key(i int) (key []byte, value, size int, err error) {
	off := pageHeader + i*pageElement
	h, err := e.at(off, pageElement)
	if err != nil {
		return nil, 0, 0, err
	}
	le := binary.LittleEndian
	var pos, ksize, vsize uint64
	if e.flags == branchPage {
		pos, ksize = uint64(le.Uint32(h)), uint64(le.Uint32(h[4:]))
	} else {
		pos, ksize, vsize = uint64(le.Uint32(h[4:])), uint64(le.Uint32(h[8:])), uint64(le.Uint32(h[12:]))
	}
	if pos < pageElement || ksize > bbolt.MaxKeySize || uint64(off)+pos+ksize+vsize > uint64(e.size) {
		return nil, 0, 0, e.bad(i)
	}
	key, err = e.at(off+int(pos), int(ksize))
	return key, off + int(pos+ksize), int(vsize), err
}

func (w *treeWalk) elements(e elements, min, end []byte, depth int) ([]byte, error) {
	if e.flags != branchPage && e.flags != leafPage || e.flags == branchPage && e.count == 0 || pageHeader+e.count*pageElement > e.size {
		return nil, fmt.Errorf("is damaged at page %d", e.id)
	}
	last := min
	for i := range e.count {
		key, value, size, err := e.key(i)
		if err != nil {
			return nil, err
		}
		if c := bytes.Compare(last, key); last != nil && (c > 0 || c == 0 && i > 0) || end != nil && bytes.Compare(key, end) >= 0 {
			return nil, e.bad(i)
		}
		last = key
		h, err := e.at(pageHeader+i*pageElement, pageElement)
		if err != nil {
			return nil, err
		}
		switch {
		case e.flags == branchPage:
			next := end
			if i+1 < e.count {
				if next, _, _, err = e.key(i + 1); err != nil {
					return nil, err
				}
			}
			if last, err = w.page(binary.LittleEndian.Uint64(h[8:]), key, next, depth+1); err != nil {
				return nil, err
			}
		case binary.LittleEndian.Uint32(h)&1 != 0:
			if err := w.bucket(e, i, value, size, depth); err != nil {
				return nil, err
			}
		}
	}
	return last, nil
}

// bucket checks the bucket whose header is the value of element i of e.
func (w *treeWalk) bucket(e elements, i, value, size, depth int) error {
	if size < 16 || depth > 64 {
		return e.bad(i)
	}
	h, err := e.at(value, 16)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	if root := le.Uint64(h); root != 0 {
		_, err = w.page(root, nil, nil, depth+1)
		return err
	}
	if size < 16+pageHeader {
		return e.bad(i)
	}
	p, err := e.at(value+16, pageHeader)
	if err != nil {
		return err
	}
	inline := elements{
		id: e.id, flags: le.Uint16(p[8:]), count: int(le.Uint16(p[10:])), size: size - 16,
		at: func(off, n int) ([]byte, error) { return e.at(value+16+off, n) },
	}
	if inline.flags != leafPage {
		return e.bad(i)
	}
	_, err = w.elements(inline, nil, nil, depth+1)
	return err
}
