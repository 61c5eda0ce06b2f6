package cli

import "io"

// shownFaults is how many faulty rows are told one by one.
const shownFaults = 20

// rowFaults tells the first faulty rows of a file and counts the others.
type rowFaults struct {
	p *program
	n int
}

func newRowFaults(p *program) *rowFaults { return &rowFaults{p: p} }

func (f *rowFaults) add(line uint64, reason, detail string) {
	f.n++
	if f.n <= shownFaults {
		f.p.warn("line %d: %s: %s", line, reason, detail)
	}
}

func (f *rowFaults) end() {
	if f.n > shownFaults {
		f.p.warn("and more; all that were rejected: tidegate deadletter ls")
	}
}

// meter counts what passes.
type meter struct {
	w    io.Writer
	n    int64
	told func(n int64)
}

func (m *meter) Write(b []byte) (int, error) {
	n, err := m.w.Write(b)
	m.n += int64(n)
	m.told(m.n)
	return n, err
}
