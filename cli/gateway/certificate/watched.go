package certificate

import (
	"crypto/sha256"
	"fmt"
)

// watched are files whose content is compared.
type watched struct {
	paths  []string
	judged [sha256.Size]byte // what was taken, or refused, last
	seen   [sha256.Size]byte // at the look before
}

func newWatched(paths ...string) *watched { return &watched{paths: paths} }

// read answers the files, an error for each that cannot be read, and a sum of
// both.
func (w *watched) read() (contents [][]byte, faults []error, sum [sha256.Size]byte) {
	h := sha256.New()
	for _, p := range w.paths {
		b, err := readFile(p)
		contents, faults = append(contents, b), append(faults, err)
		one := sha256.Sum256(b)
		h.Write(one[:])
		fmt.Fprintln(h, err)
	}
	h.Sum(sum[:0])
	return contents, faults, sum
}

// first judges the files as they are.
func first[T any](w *watched, parse func([][]byte, []error) (T, error)) (T, error) {
	contents, faults, sum := w.read()
	w.judged, w.seen = sum, sum
	return parse(contents, faults)
}

// changed judges the files when they are others than those that were judged
// last. What may be half written waits until two looks have seen the same.
func changed[T any](w *watched, now bool, parse func([][]byte, []error) (T, error)) (v T, ok bool, err error) {
	contents, faults, sum := w.read()
	settled := sum == w.seen
	w.seen = sum
	if sum == w.judged || !settled && !now {
		return v, false, nil
	}
	w.judged = sum
	v, err = parse(contents, faults)
	return v, true, err
}
