package buffer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"syscall"
)

// Layout of a bbolt meta page, at the beginning of pages 0 and 1, in the
// machine's byte order. Source: bbolt internal/common, page.go and meta.go.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	pageHeaderBytes = 16
	metaPageSize    = pageHeaderBytes + 8
	metaRoot        = pageHeaderBytes + 16 // page of the root bucket
	metaPages       = pageHeaderBytes + 40 // number of pages in use
	metaTx          = pageHeaderBytes + 48
	metaSum         = pageHeaderBytes + 56
	metaBytes       = metaSum + 8
)

// boltMeta is what matters of a valid meta page.
type boltMeta struct {
	pageSize        uint32
	root, pages, tx uint64
}

// inspect meets what bbolt would meet with a fault or a panic: a file that is
// not its own, that is shorter than its newest meta page says, or whose pages
// do not fit together.
func inspect(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if !info.Mode().IsRegular() {
		return &FileError{Path: path, Kind: ErrForeign, Detail: "not a regular file"}
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		return &FileError{Path: path, Kind: ErrLocked}
	} else if err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	refuse := func(kind error, format string, args ...any) error {
		return &FileError{Path: path, Kind: kind, Detail: fmt.Sprintf(format, args...)}
	}
	var found []boltMeta
	var seen, newer bool
	try := func(at int64) error {
		var b [metaBytes]byte
		if _, err := f.ReadAt(b[:], at); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("read %s: %w", path, err)
		}
		m, kind := parseMeta(b[:])
		seen = seen || kind != ErrForeign
		newer = newer || kind == ErrNewer
		if kind == nil {
			found = append(found, m)
		}
		return nil
	}
	if err := try(0); err != nil {
		return err
	}
	if len(found) == 1 {
		err = try(int64(found[0].pageSize))
	} else {
		for at := int64(1 << 10); at <= 16<<20 && len(found) == 0 && err == nil; at *= 2 {
			err = try(at)
		}
	}
	switch {
	case err != nil:
		return err
	case len(found) > 0:
	case newer:
		return refuse(ErrNewer, "its container has another version")
	case seen:
		return refuse(ErrDamaged, "neither of its meta pages is whole")
	case blank(f):
		return refuse(ErrDamaged, "%d bytes of nothing", size)
	default:
		return refuse(ErrForeign, "it is not a bbolt file")
	}
	newest := found[0]
	for _, m := range found[1:] {
		if m.tx > newest.tx {
			newest = m
		}
	}
	if ps := newest.pageSize; ps < 1<<10 || ps > 1<<16 || ps&(ps-1) != 0 {
		return refuse(ErrDamaged, "pages of %d bytes", ps)
	}
	if want := newest.pages * uint64(newest.pageSize); newest.pages > 1<<44 || uint64(size) < want {
		return refuse(ErrDamaged, "cut off: %d bytes of at least %d", size, want)
	}
	t := tree{f: f, pageSize: int64(newest.pageSize), pages: newest.pages}
	if err := t.check(newest.root); err != nil {
		return refuse(ErrDamaged, "%v", err)
	}
	return nil
}

// parseMeta answers a valid meta page, or why it is none.
func parseMeta(b []byte) (boltMeta, error) {
	e := binary.NativeEndian
	switch {
	case e.Uint32(b[pageHeaderBytes:]) != boltMagic:
		return boltMeta{}, ErrForeign
	case e.Uint32(b[pageHeaderBytes+4:]) != boltVersion:
		return boltMeta{}, ErrNewer
	}
	h := fnv.New64a()
	h.Write(b[pageHeaderBytes:metaSum])
	if h.Sum64() != e.Uint64(b[metaSum:]) {
		return boltMeta{}, ErrDamaged
	}
	return boltMeta{e.Uint32(b[metaPageSize:]), e.Uint64(b[metaRoot:]), e.Uint64(b[metaPages:]), e.Uint64(b[metaTx:])}, nil
}

// blank reports whether the file begins with nothing but zeros.
func blank(f io.ReaderAt) bool {
	b := make([]byte, 4096)
	n, _ := f.ReadAt(b, 0)
	for _, c := range b[:n] {
		if c != 0 {
			return false
		}
	}
	return true
}
