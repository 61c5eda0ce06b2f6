package mongo

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"tidegate/store"
)

const (
	commandDocs  = 5_000   // readings of a command; mongod's cost per command is small from here on
	commandBytes = 8 << 20 // of a command, about; the server takes 48 MB, and a document 16
	documentSize = 200     // bytes of a document without its message, about
)

// plan is one flush: the readings of some batches, cut into commands.
//
// It is kept in the journal before the first command leaves, and until the last
// one is answered. Each lane sends its commands one after the other, with a
// session of its own; lanes run side by side, on disjoint series. A command
// carries a number of its session, under which the server executes each of its
// documents once, however often it comes.
type plan struct {
	through   uint64
	begun     time.Time // by the server's clock
	principal string    // who sends: another user's sessions are others
	numbered  bool      // with session and number; else the server is a standalone
	lanes     [][]*command
}

// command is one insert.
type command struct {
	lane   int
	number int64 // txnNumber
	parts  []part
	docs   int

	sent    bool      // it may have happened
	done    bool      // it has
	refused []refused // of its documents
}

// part is readings of one series within a command.
type part struct {
	series       store.Series
	org, device  string
	cals         []store.Calibration
	runs         [][]store.Sample // ascending
	payloads     map[int64]string
	unregistered map[int64]bool
}

// refused is a document that the server will not have.
type refused struct {
	index int // within the command
	words string
}

// newPlan cuts the frozen readings of heads into commands of at most
// commandDocs. numbers answers the next number of a session.
func newPlan(heads []*head, lanes int, names func(uint32) (string, string, bool), numbers func() int64) (*plan, error) {
	slices.SortFunc(heads, func(a, b *head) int {
		return cmp.Or(cmp.Compare(a.series.UID, b.series.UID), cmp.Compare(a.series.Port, b.series.Port))
	})
	total := 0
	for _, h := range heads {
		total += h.frozen.N
	}
	p := &plan{lanes: make([][]*command, lanes)}
	lane, inLane := 0, 0
	c := &command{}
	size := 0
	end := func() {
		if c.docs > 0 {
			c.lane, c.number = lane, numbers()
			p.lanes[lane] = append(p.lanes[lane], c)
		}
		c, size = &command{}, 0
	}
	for _, h := range heads {
		org, device, ok := names(h.series.UID)
		if !ok {
			return nil, fmt.Errorf("device number %d, which has readings, is not in the catalogue: %w", h.series.UID, store.ErrConflict)
		}
		if c.docs >= commandDocs/2 && c.docs+h.frozen.N > commandDocs {
			end() // one series more than needed in a command costs more than a short command
		}
		whole := part{series: h.series, org: org, device: device, cals: slices.Clone(h.cals), payloads: h.payloads, unregistered: h.unregistered}
		cur := whole
		for _, run := range h.frozen.List {
			for len(run) > 0 {
				n := 0
				for n < len(run) && c.docs+n < commandDocs && size < commandBytes {
					size += documentSize + len(h.payloads[run[n].TS])
					n++
				}
				cur.runs = append(cur.runs, run[:n])
				c.docs += n
				inLane += n
				if run = run[n:]; c.docs >= commandDocs || size >= commandBytes {
					c.parts = append(c.parts, cur)
					cur = whole
					end()
				}
			}
		}
		if len(cur.runs) > 0 {
			c.parts = append(c.parts, cur)
		}
		if lane < lanes-1 && inLane >= total/lanes {
			end()
			lane, inLane = lane+1, 0
		}
	}
	end()
	return p, nil
}

// each calls fn with every reading of a command, in the order of its documents.
func (c *command) each(fn func(index int, p *part, s *store.Sample)) {
	index := 0
	for i := range c.parts {
		p := &c.parts[i]
		for _, run := range p.runs {
			for k := range run {
				fn(index, p, &run[k])
				index++
			}
		}
	}
}

// commands answers all commands.
func (p *plan) commands() (out []*command) {
	for _, l := range p.lanes {
		out = append(out, l...)
	}
	return out
}

// docs answers how many readings it has.
func (p *plan) docs() (n int) {
	for _, c := range p.commands() {
		n += c.docs
	}
	return n
}

// outcome answers what the ledger has to say once everything is answered.
func (p *plan) outcome(stored, duplicate store.HourCounts, now time.Time) store.Outcome {
	o := store.Outcome{Through: p.through, Stored: stored, Duplicate: duplicate}
	for _, c := range p.commands() {
		if len(c.refused) == 0 {
			continue
		}
		words := map[int]string{}
		for _, r := range c.refused {
			words[r.index] = r.words
		}
		c.each(func(index int, pt *part, s *store.Sample) {
			w, no := words[index]
			if !no {
				return
			}
			uid := pt.series.UID
			if pt.unregistered[s.TS] {
				uid = 0
			}
			hour := floorDiv(s.IngestTS, lookupHour)
			o.Stored.Add(hour, uid, -1)
			o.Refused = append(o.Refused, store.Refusal{Hour: hour, UID: uid, At: store.Time(now.UnixMilli()), Document: pt.text(s), Reason: w})
		})
	}
	return o
}
