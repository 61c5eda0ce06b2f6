package mongo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"tidegate/store"
)

// importLog stands in the place of the log in the lease and the sessions of an
// import: they clash with no writer's, and the import that is begun again takes
// the lease over at once.
var importLog = store.LogID([]byte("tidegate import "))

// importAttempts is how often a command is settled before the caller hears of
// it. A swallowed reply takes one.
const importAttempts = 3

var _ store.Importer = (*SeriesStore)(nil)

// importing is what an import keeps between two calls; held with flushing.
type importing struct {
	noted bool // the journal says that readings are brought in
	// doubt says that something may be under way that nobody has the answer of:
	// from a call that failed, or from a process before this one.
	doubt bool
}

// ImportSamples implements store.Importer. It needs no intent: before anything
// is sent it waits until nothing of before can still happen, and reads what is
// there. What it sends itself, and has no answer to, is settled the same way.
func (s *SeriesStore) ImportSamples(ctx context.Context, sr store.Series, cals []store.Calibration, samples []store.Sample) (added int, err error) {
	order := func(a, b store.Sample) int { return cmp.Compare(a.TS, b.TS) }
	if !slices.IsSortedFunc(samples, order) {
		return 0, store.Invalid("samples", "ts", "must ascend")
	}
	s.flushing.Lock()
	defer s.flushing.Unlock()
	if err := s.mayImport(ctx); err != nil {
		return 0, fmt.Errorf("import readings: %w", err)
	}
	org, device, ok := s.o.Names(sr.UID)
	if !ok {
		return 0, fmt.Errorf("import readings: device number %d, which has readings, is not in the catalogue: %w", sr.UID, store.ErrConflict)
	}
	samples = slices.CompactFunc(slices.Clone(samples), func(a, b store.Sample) bool { return a.TS == b.TS })
	for len(samples) > 0 {
		n := min(len(samples), commandDocs)
		c := &command{lane: s.importLane(), docs: n, parts: []part{{
			series: sr, org: org, device: device, cals: cals, runs: [][]store.Sample{samples[:n]},
		}}}
		got, err := s.importCommand(ctx, c)
		added += got
		if err != nil {
			return added, fmt.Errorf("import readings of device %s, port %d: %w", device, sr.Port, err)
		}
		samples = samples[n:]
	}
	return added, nil
}

// importLane is beside those of the writers.
func (s *SeriesStore) importLane() int { return s.o.Writers }

// mayImport makes this process the one that writes into the database, unless
// its readings follow a log.
func (s *SeriesStore) mayImport(ctx context.Context) error {
	s.mu.RLock()
	bound := s.bound
	s.mu.RUnlock()
	if bound {
		return store.Conflict("database", s.db.place(), "its readings follow a log: those of another store can only be brought into a database without its own")
	}
	if err := s.journal.Importable(ctx); err != nil {
		return err
	}
	if err := s.db.Ready(ctx); err != nil {
		return err
	}
	if err := s.checkTarget(ctx); err != nil {
		return err
	}
	if s.lease.currentEpoch() != 0 {
		return s.lease.hold(ctx)
	}
	s.lease.log = importLog
	before, err := s.lease.take(ctx, s.o.Writers+1)
	if err != nil {
		return err
	}
	s.importing.doubt = true
	if err := s.bar(ctx, before); err != nil {
		return fmt.Errorf("bar earlier writers: %w", err)
	}
	return nil
}

// importCommand brings about what the database lacks of c, and answers how much
// that was.
func (s *SeriesStore) importCommand(ctx context.Context, c *command) (added int, err error) {
	var first *command // what was missing at the first look
	for try := 1; ; try++ {
		if s.importing.doubt {
			if err := s.quiet(ctx, c.lane); err != nil {
				return 0, err
			}
			s.importing.doubt = false
		}
		missing, err := s.missing(ctx, c)
		if err != nil {
			return 0, err
		}
		if first == nil {
			first = missing
		}
		if missing.docs == 0 {
			return first.docs, nil
		}
		switch err := s.importMissing(ctx, missing); {
		case err == nil:
			return first.docs, nil
		case !s.importing.doubt || try == importAttempts || ctx.Err() != nil:
			return 0, err
		}
	}
}

// importMissing sends readings of which the database has none.
func (s *SeriesStore) importMissing(ctx context.Context, c *command) error {
	if !s.importing.noted {
		if err := s.journal.Import(ctx); err != nil {
			return err
		}
		s.importing.noted = true
	}
	if err := s.lease.hold(ctx); err != nil {
		return err
	}
	if err := s.cutHere(); err != nil {
		return err
	}
	var docs documents
	docs.fill(c)
	no, err := s.sender.insert(ctx, s.numbering(c.lane, s.retryable(), s.lease.number()), &docs)
	switch {
	case errors.Is(err, errOutnumbered):
		return fmt.Errorf("%w: another import has taken over the sessions of this one", store.ErrConflict)
	case err != nil:
		s.importing.doubt = true
		return err
	case len(no) > 0:
		words, document := no[0].words, ""
		c.each(func(index int, p *part, sm *store.Sample) {
			if index == no[0].index {
				document = p.text(sm)
			}
		})
		return fmt.Errorf("the server refuses %d of %d readings, such as %s: %s: %w", len(no), c.docs, document, words, store.ErrInvalid)
	}
	return nil
}

// SetCounters implements store.Importer: it is one transaction of the journal.
// The lease is offered to the writer that comes next.
func (s *SeriesStore) SetCounters(ctx context.Context, log store.LogID, applied uint64, stored, duplicate store.HourCounts) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	err := s.mayImport(ctx)
	if err == nil {
		err = s.journal.Reset(ctx, log, applied, stored, duplicate)
	}
	if err != nil {
		return fmt.Errorf("set the counters of readings: %w", err)
	}
	s.importing.noted = false // whatever comes after this begins an import again
	return s.lease.release(ctx)
}
