package buffer

import (
	"fmt"
	"math"
	"reflect"
	"testing"
)

// model is what a log must be equal to.
type model struct {
	records []string // of sequence 1, 2, …
	entries []*entry
	trimmed uint64
}

func (m *model) received(after uint64) (total, pending int64) {
	for i, e := range m.entries {
		total += e.n
		if uint64(i) >= after {
			pending += e.n
		}
	}
	return total, pending
}

func (m *model) hours(after uint64, from, to int64) (received, pending hourCounts) {
	received, pending = hourCounts{}, hourCounts{}
	for i, e := range m.entries {
		if e.n == 0 || e.hour < from || e.hour >= to {
			continue
		}
		received.add(e.hour, e.owner, e.n)
		if uint64(i) >= after {
			pending.add(e.hour, e.owner, e.n)
		}
	}
	return received, pending
}

func (m *model) check(l *Log, after uint64) error {
	if a, h := l.Bounds(); a != m.trimmed || h != uint64(len(m.records)) {
		return fmt.Errorf("bounds %d, %d; want %d, %d", a, h, m.trimmed, len(m.records))
	}
	total, pending, err := l.Received(after)
	if err != nil {
		return err
	}
	if wt, wp := m.received(after); total != wt || pending != wp {
		return fmt.Errorf("received %d, pending %d behind %d; want %d, %d", total, pending, after, wt, wp)
	}
	for _, span := range [][2]int64{{math.MinInt64, math.MaxInt64}, {480_001, 480_003}} {
		got, gotPending := hourCounts{}, hourCounts{}
		if err := l.ReceivedHours(after, span[0], span[1], got.add, gotPending.add); err != nil {
			return err
		}
		want, wantPending := m.hours(after, span[0], span[1])
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(gotPending, wantPending) {
			return fmt.Errorf("hours %v behind %d: %v, %v; want %v, %v", span, after, got, gotPending, want, wantPending)
		}
	}
	next := m.trimmed
	err = l.Scan(m.trimmed, func(seq uint64, record []byte) error {
		if seq != next+1 || string(record) != m.records[seq-1] {
			return fmt.Errorf("record %d after %d differs", seq, next)
		}
		next = seq
		return nil
	})
	if err == nil && next != uint64(len(m.records)) {
		err = fmt.Errorf("scan ended at %d of %d", next, len(m.records))
	}
	return err
}

// TestModel appends, trims, reopens and reads at random, and compares with a
// slice.
func TestModel(t *testing.T) {
	r := newRand(t)
	o := testOptions(t)
	l := open(t, o)
	id := l.ID()
	m := &model{}
	for step := range 150 {
		switch r.IntN(8) {
		default:
			n := 1 + r.IntN(60)
			if r.IntN(4) == 0 {
				n = 1 + r.IntN(1500)
			}
			batch := make([]*entry, n)
			for i := range batch {
				batch[i] = randomEntry(r)
			}
			appendAll(t, l, batch...)
			for i, e := range batch {
				if want := uint64(len(m.records) + 1); e.seq.Load() != want {
					t.Fatalf("entry %d got position %d, want %d", i, e.seq.Load(), want)
				}
				m.records = append(m.records, string(e.AppendRecord(nil)))
				m.entries = append(m.entries, e)
			}
		case 0, 1:
			m.trimmed += uint64(r.Int64N(int64(len(m.records)) - int64(m.trimmed) + 1))
			if err := l.Trim(m.trimmed); err != nil {
				t.Fatal(err)
			}
		case 2:
			closeLog(t, l)
			l = open(t, o)
			if l.ID() != id {
				t.Fatal("another id after reopening")
			}
		}
		after := m.trimmed + uint64(r.Int64N(int64(len(m.records))-int64(m.trimmed)+1))
		if err := m.check(l, after); err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		v, err := l.Verify(t.Context())
		if err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		if v.Last != uint64(len(m.records)) {
			t.Fatalf("step %d: verified through %d of %d", step, v.Last, len(m.records))
		}
	}
	if err := l.Trim(uint64(len(m.records))); err != nil {
		t.Fatal(err)
	}
	if d := l.Depth(); d.Records != 0 || d.Bytes != 0 || d.Unacked != 0 {
		t.Fatalf("a log that was trimmed wholly holds %+v", d)
	}
	if _, _, err := l.Received(0); err == nil {
		t.Fatal("a position that was trimmed away was counted")
	}
}

// TestMarks thins the marks and still counts exactly.
func TestMarks(t *testing.T) {
	c := counts{hours: map[int64]map[uint32]int64{}}
	c.mark(0)
	for seq := uint64(1); seq <= 5*maxMarks; seq++ {
		c.add(1, 1, 2)
		c.mark(seq)
	}
	if len(c.marks) > maxMarks {
		t.Fatalf("%d marks", len(c.marks))
	}
	for _, seq := range []uint64{0, 1, 77, 3 * maxMarks, 5 * maxMarks} {
		m, ok := c.before(seq)
		if !ok || m.seq > seq || m.total != int64(2*m.seq) {
			t.Fatalf("mark before %d: %+v, %v", seq, m, ok)
		}
	}
	if m, _ := c.before(5 * maxMarks); m.seq != 5*maxMarks {
		t.Fatalf("the newest mark is %d", m.seq)
	}
	c.trim(mark{4 * maxMarks, 8 * maxMarks}, map[int64]map[uint32]int64{1: {1: 8 * maxMarks}})
	if c.hours[1][1] != 2*maxMarks {
		t.Fatalf("left %d", c.hours[1][1])
	}
	if _, ok := c.before(4*maxMarks - 1); ok {
		t.Fatal("a mark from before the trim is left")
	}
}
