package mongo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
)

// settle brings a command about of which nobody knows whether it has happened,
// and which cannot just be sent again: the server has no numbers, or may have
// forgotten them, or another user's session was used. It makes sure that
// nothing of it is still under way (on a standalone send has done so), reads
// back what is there, and inserts what is missing, until that is answered.
func (s *SeriesStore) settle(ctx context.Context, c *command) error {
	s.metrics.settled.Inc()
	if s.retryable() {
		if err := s.quiet(ctx, c.lane); err != nil {
			return err
		}
	}
	missing, err := s.missing(ctx, c)
	if err != nil {
		return err
	}
	if missing.docs == 0 {
		c.done = true
		return nil
	}
	var docs documents
	docs.fill(missing)
	no, err := s.sender.insert(ctx, s.numbering(c.lane, s.retryable(), s.lease.number()), &docs)
	if err != nil {
		return err // the next try reads back again
	}
	c.takeRefused(missing, no)
	c.done = true
	return nil
}

// takeRefused notes what was refused of part of c.
func (c *command) takeRefused(of *command, no []refused) {
	type key struct {
		series store.Series
		ts     int64
	}
	words := map[key]string{}
	of.each(func(index int, p *part, s *store.Sample) {
		for _, r := range no {
			if r.index == index {
				words[key{p.series, s.TS}] = r.words
			}
		}
	})
	c.each(func(index int, p *part, s *store.Sample) {
		if w, is := words[key{p.series, s.TS}]; is {
			c.refused = append(c.refused, refused{index: index, words: w})
		}
	})
}

// missing answers the part of c that the database does not have.
func (s *SeriesStore) missing(ctx context.Context, c *command) (*command, error) {
	there := map[store.Series]map[int64]bool{}
	var series []store.Series
	from, to := int64(math.MaxInt64), int64(math.MinInt64)
	var places []place
	c.each(func(_ int, p *part, sm *store.Sample) {
		if there[p.series] == nil {
			there[p.series] = map[int64]bool{}
			series = append(series, p.series)
			places = append(places, place{org: p.org, device: p.device, port: p.series.Port, index: len(series) - 1})
		}
		from, to = min(from, sm.TS), max(to, sm.TS+1)
	})
	wanted := map[store.Series]map[int64]bool{}
	c.each(func(_ int, p *part, sm *store.Sample) {
		if wanted[p.series] == nil {
			wanted[p.series] = map[int64]bool{}
		}
		wanted[p.series][sm.TS] = true
	})
	for _, ch := range chunks(places) {
		f := finder{c: &ch}
		var d document
		err := s.find(ctx, between(ch.filter, from, to), withMetadata(valueFields), 0, 0, func(b bson.Raw) (bool, error) {
			if err := d.read(b); err != nil {
				return false, err
			}
			if p := f.find(d.metadata); p != nil && wanted[series[p.index]][d.sample.TS] {
				there[series[p.index]][d.sample.TS] = true
			}
			return true, nil
		})
		if err != nil {
			return nil, fmt.Errorf("read back what was sent: %w", err)
		}
	}
	out := &command{lane: c.lane}
	for i := range c.parts {
		p := c.parts[i]
		var rest []store.Sample
		for _, run := range p.runs {
			for _, sm := range run {
				if !there[p.series][sm.TS] {
					rest = append(rest, sm)
				}
			}
		}
		if len(rest) > 0 {
			p.runs = [][]store.Sample{rest}
			out.parts = append(out.parts, p)
			out.docs += len(rest)
		}
	}
	return out, nil
}

// quiet returns once nothing that was sent under a lane's session, or to a
// standalone by anybody, can still happen.
func (s *SeriesStore) quiet(ctx context.Context, lane int) error {
	if !s.retryable() {
		return s.quietStandalone(ctx)
	}
	err := s.sender.bump(ctx, *s.numbering(lane, true, s.lease.number()))
	if errors.Is(err, errOutnumbered) { // by whoever took the lease
		return errors.Join(s.lease.renew(ctx), err)
	}
	return err
}

// Patience with the connections of a writer that is gone.
const (
	idleGrace  = 3 * time.Second // for one that does nothing: what is in its buffers is read by then
	quietEvery = 50 * time.Millisecond
	quietLimit = 2 * time.Minute // an insert that takes longer is none of ours
)

// quietStandalone ends the writer's connections and waits until the server has
// done with them, and with those of writers before us: a server that reads from
// a connection sees its end only after whatever was sent.
func (s *SeriesStore) quietStandalone(ctx context.Context) error {
	end, ended := context.WithTimeout(ctx, askPatience)
	err := s.sender.close(end)
	ended()
	if err != nil {
		return fmt.Errorf("close the writer's connections: %w", fault(err))
	}
	ctx, cancel := context.WithTimeout(ctx, quietLimit)
	defer cancel()
	for {
		quiet, err := s.oldConnections(ctx)
		if quiet || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: wait until the server has done with what was sent: %w", store.ErrUnavailable, ctx.Err())
		case <-time.After(quietEvery):
		}
	}
}

// oldConnections reports whether the server is done with all connections of
// writers into this database that it still has, ours being closed. A user may
// always ask for its own.
func (s *SeriesStore) oldConnections(ctx context.Context) (quiet bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	prefix := s.sender.namePrefix()
	cur, err := s.db.client.Database("admin").Aggregate(ctx, bson.A{
		bson.D{{Key: "$currentOp", Value: bson.D{{Key: "allUsers", Value: false}, {Key: "idleConnections", Value: true}}}},
		bson.D{{Key: "$match", Value: bson.D{{Key: "appName", Value: bson.D{{Key: "$gte", Value: prefix}, {Key: "$lt", Value: strings.TrimSuffix(prefix, " ") + "!"}}}}}},
		bson.D{{Key: "$project", Value: bson.D{{Key: "connectionId", Value: 1}, {Key: "active", Value: 1}, {Key: "command", Value: 1}}}},
	})
	var all []struct {
		ID      int64    `bson:"connectionId"`
		Active  bool     `bson:"active"`
		Command bson.Raw `bson:"command"`
	}
	if err == nil {
		err = cur.All(ctx, &all)
	}
	if err != nil {
		return false, fault(fmt.Errorf("ask the server what it is doing: %w", err))
	}
	quiet, was := true, s.idleSince
	s.idleSince = map[int64]time.Time{}
	for _, c := range all {
		switch since, seen := was[c.ID]; {
		case has(c.Command, "hello", "isMaster", "ismaster"): // of the driver's monitor
		case c.Active: // the server shows parts of an insert under other names
			quiet = false
		case !seen:
			s.idleSince[c.ID] = time.Now()
			quiet = false
		default:
			s.idleSince[c.ID] = since
			quiet = quiet && time.Since(since) > idleGrace
		}
	}
	return quiet, nil
}

func has(command bson.Raw, names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { _, err := command.LookupErr(n); return err == nil })
}

// retryable reports whether the server takes numbers.
func (s *SeriesStore) retryable() bool {
	c, ok := s.db.capability()
	return ok && c.Kind != KindStandalone && c.SessionTimeout > 0
}

// numbering answers the session of a lane with a number; nil: without.
func (s *SeriesStore) numbering(lane int, numbered bool, number int64) *numbering {
	if !numbered {
		return nil
	}
	return &numbering{session: sessionID(s.db.identity(), s.lease.log, lane), number: number}
}

// sessionMargin is how much younger than the server's memory of sessions an
// intent must be to rest on it.
const sessionMargin = 5 * time.Minute

// resendable reports whether the very same commands of p may be sent again: the
// server remembers which of them it has executed.
func (s *SeriesStore) resendable(p *plan, now time.Time) bool {
	c, ok := s.db.capability()
	return ok && p.numbered && s.retryable() && p.principal == s.db.principal() && now.Sub(p.begun) < c.SessionTimeout-sessionMargin
}

// send brings all commands of p about, those of each lane in order. What is
// done stays done when it fails: the next call goes on.
func (s *SeriesStore) send(ctx context.Context, p *plan) error {
	now, err := s.db.serverTime(ctx)
	if err != nil {
		return err
	}
	again := s.resendable(p, now)
	if !s.retryable() && slices.ContainsFunc(p.commands(), func(c *command) bool { return c.sent && !c.done }) {
		if err := s.quietStandalone(ctx); err != nil {
			return err
		}
	}
	return inAllLanes(ctx, len(p.lanes), func(ctx context.Context, lane int) error {
		var docs documents
		var outnumbered []*command
		for _, c := range p.lanes[lane] {
			if c.done {
				continue
			}
			if err := s.lease.hold(ctx); err != nil {
				return err
			}
			if err := s.cutHere(); err != nil {
				return err
			}
			err := s.sendOne(ctx, p, c, &docs, again)
			if errors.Is(err, errOutnumbered) {
				// A later command of the lane was sent before a crash, or whoever
				// took the lease meanwhile has taken a number. What became of this
				// one is read back, after those that the server still remembers.
				outnumbered = append(outnumbered, c)
				continue
			}
			if err != nil {
				return err
			}
		}
		for _, c := range outnumbered {
			if err := s.settle(ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
}

// inAllLanes runs send for each lane, all at once. The first error ends the
// others, and is the one that is answered.
func inAllLanes(ctx context.Context, lanes int, send func(ctx context.Context, lane int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	var once sync.Once
	var first error
	for lane := range lanes {
		all.Go(func() {
			if err := send(ctx, lane); err != nil {
				once.Do(func() { first = err; cancel() })
			}
		})
	}
	all.Wait()
	return first
}

// sendOne sends a command, or sends it again.
func (s *SeriesStore) sendOne(ctx context.Context, p *plan, c *command, docs *documents, again bool) error {
	if forgetful && c.sent {
		c.sent, c.number = false, s.lease.number()
	}
	switch {
	case c.sent && !again:
		return s.settle(ctx, c)
	case c.sent:
		s.metrics.resent.Inc()
	}
	c.sent = true
	docs.fill(c)
	no, err := s.sender.insert(ctx, s.numbering(c.lane, p.numbered && s.retryable(), c.number), docs)
	if err != nil {
		return err
	}
	c.refused, c.done = no, true
	slices.SortFunc(c.refused, func(a, b refused) int { return a.index - b.index })
	return nil
}

// cutHere ends a flush in its middle, for tests: see CutFlush.
func (s *SeriesStore) cutHere() error {
	for {
		switch left := s.cut.Load(); {
		case left == 0:
			return nil
		case !s.cut.CompareAndSwap(left, left-1):
		case left == 1:
			return errCut
		default:
			return nil
		}
	}
}

var errCut = errors.New("cut by a test")
