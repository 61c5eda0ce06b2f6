package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tidegate/store/mongo/mongod"
)

// mongoShapes are the loads of the section: many clients, and few.
var mongoShapes = []Shape{{10, 1}, {100, 1}, {100, 4}, {100, 10}}

// documentsASecond makes a run's number of readings out of its length: they are
// as many for tidegate as for the driver.
const documentsASecond = 50_000

// mongoDB compares, in one run, tidegate in front of a MongoDB, the driver's own
// InsertMany of the same documents, and a subscriber that inserts each message.
func mongoDB(ctx context.Context, c *Config) error {
	d, err := StartDatabase(ctx, c.Base)
	if errors.Is(err, mongod.ErrNone) {
		c.logf("mongo: left out: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	if err := d.Remove(); err != nil {
		return err
	}
	def, err := c.intoDatabase(ctx)
	if err != nil {
		return err
	}
	for _, part := range []func() error{
		func() error { return c.byHand(ctx, def) },
		func() error { return c.visibleBeside(ctx) },
		func() error { return c.slowFarm(ctx) },
		func() error { return c.queriesOfBoth(ctx) },
	} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// Stored is what one way of bringing readings into a database costs.
type Stored struct {
	Readings    float64 // a second, counted when they are in the collection
	CPU         float64 // µs of tidegate a reading
	DatabaseCPU float64 // µs of mongod a reading
	RssAnonMiB  float64 // the largest seen, of tidegate
	DatabaseMiB float64 // and of mongod
	Disk        float64 // bytes a reading, with indexes
	Written     float64 // bytes that mongod sent to storage a reading
}

func (c *Config) intoDatabase(ctx context.Context) (def definition, err error) {
	documents := int(c.Seconds.Seconds() * documentsASecond)
	fmt.Fprintf(c.Out, "### MongoDB: %d readings a run into a replica set of one, w: majority, journalled\n\n", documents)
	fmt.Fprintln(c.Out, "| clients x readings | end to end readings/s | InsertMany readings/s | its writers x batch | of InsertMany | CPU µs/reading | mongod CPU | mongod CPU under InsertMany | RssAnon MiB | mongod RssAnon MiB | mongod disk B/reading | mongod written B/reading |")
	fmt.Fprintln(c.Out, "|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, sh := range mongoShapes {
		var ours, theirs []Stored
		var best Ceiling
		for i := range c.Runs {
			c.logf("mongo %dx%d, run %d of %d", sh.Clients, sh.Readings, i+1, c.Runs)
			messages := documents / sh.Clients / sh.Readings
			s, made, err := c.storeInto(ctx, sh, messages)
			if err != nil {
				return def, fmt.Errorf("end to end: %w", err)
			}
			def = made
			if i == 0 {
				if best, err = c.bestCeiling(ctx, sh, messages/5, def); err != nil {
					return def, fmt.Errorf("InsertMany: %w", err)
				}
			}
			t, err := c.ceiling(ctx, sh, messages, best, def)
			if err != nil {
				return def, fmt.Errorf("InsertMany: %w", err)
			}
			ours, theirs = append(ours, s), append(theirs, t)
		}
		rate := func(s Stored) float64 { return s.Readings }
		fmt.Fprintf(c.Out, "| %dx%d | %s | %s | %s | %.0f %% | %s | %s | %s | %s | %s | %s | %s |\n",
			sh.Clients, sh.Readings, over(ours, rate), over(theirs, rate), best, 100*over(ours, rate).Median/over(theirs, rate).Median,
			over(ours, func(s Stored) float64 { return s.CPU }), over(ours, func(s Stored) float64 { return s.DatabaseCPU }),
			over(theirs, func(s Stored) float64 { return s.DatabaseCPU }),
			over(ours, func(s Stored) float64 { return s.RssAnonMiB }), over(ours, func(s Stored) float64 { return s.DatabaseMiB }),
			over(ours, func(s Stored) float64 { return s.Disk }), over(ours, func(s Stored) float64 { return s.Written }))
	}
	fmt.Fprintln(c.Out)
	return def, nil
}

// over answers the spread of a figure over some runs.
func over[T any](runs []T, of func(T) float64) Spread {
	var v []float64
	for _, r := range runs {
		v = append(v, of(r))
	}
	return NewSpread(v)
}

// meter measures a process from its making to its reading.
type meter struct {
	pid    int
	before Usage
	top    func() float64
}

func newMeter(pid int) (meter, error) {
	u, err := ReadUsage(pid)
	return meter{pid: pid, before: u, top: watchRss(pid)}, err
}

// read answers CPU µs and bytes sent to storage for each of n, and the largest
// anonymous memory in MiB.
func (m *meter) read(n float64) (cpu, written, rss float64, err error) {
	rss = m.top()
	u, err := ReadUsage(m.pid)
	return float64((u.CPU - m.before.CPU).Microseconds()) / n, float64(u.Storage-m.before.Storage) / n, rss, err
}

// storeInto measures from the device to the collection. The clock stops when
// every reading is there; the last flush is asked for, not waited for.
func (c *Config) storeInto(ctx context.Context, sh Shape, messages int) (st Stored, def definition, err error) {
	d, err := StartDatabase(ctx, c.Base)
	if err != nil {
		return st, def, err
	}
	defer func() { err = errors.Join(err, d.Remove()) }()
	s, err := NewServer(c.Bin, c.Base, "MONGO_URI="+d.URI)
	if err != nil {
		return st, def, err
	}
	defer func() { err = errors.Join(err, s.Remove()) }()
	if _, err := s.Start(ctx); err != nil {
		return st, def, err
	}
	logins, err := s.Devices(ctx, sh.Clients, sh.Readings)
	if err != nil {
		return st, def, err
	}
	own, err := newMeter(s.Pid())
	if err != nil {
		return st, def, err
	}
	base, err := newMeter(d.Pid())
	if err != nil {
		return st, def, err
	}
	l := c.load(s.MQTT, logins, sh.Readings)
	l.Messages = messages
	res, err := l.Run(ctx)
	if err != nil {
		return st, def, err
	}
	stored, err := s.Settled(ctx)
	if err != nil {
		return st, def, err
	}
	if err := s.Flushed(ctx); err != nil {
		return st, def, err
	}
	took := time.Since(res.Began)
	n := float64(messages * sh.Clients * sh.Readings)
	st.Readings = n / took.Seconds()
	if st.CPU, _, st.RssAnonMiB, err = own.read(n); err != nil {
		return st, def, err
	}
	if st.DatabaseCPU, st.Written, st.DatabaseMiB, err = base.read(n); err != nil {
		return st, def, err
	}
	there, err := d.Count(ctx)
	if err != nil {
		return st, def, err
	}
	if float64(there) != n || stored != there {
		return st, def, fmt.Errorf("%.0f readings acked, %d stored, %d in the collection", n, stored, there)
	}
	disk, err := d.DiskBytes(ctx)
	if err != nil {
		return st, def, err
	}
	st.Disk = float64(disk) / n
	theirs, err := d.sample(ctx)
	if err != nil {
		return st, def, err
	}
	if err := sameShape(newSeries("b0", 0).document(nil, 0, 0, 0), theirs); err != nil {
		return st, def, err
	}
	def, err = d.definition(ctx)
	return st, def, err
}

// Flushed has the readings that wait in memory brought into the database: a
// change of the catalogue comes between two batches, and waits for that.
func (s *Server) Flushed(ctx context.Context) error {
	return s.CLI(ctx, "", "port", "set", "--device", "b0", "--number", "1", "--name", "Flushed")
}

// ceiling measures the driver alone.
func (c *Config) ceiling(ctx context.Context, sh Shape, messages int, with Ceiling, def definition) (st Stored, err error) {
	d, err := StartDatabase(ctx, c.Base)
	if err != nil {
		return st, err
	}
	defer func() { err = errors.Join(err, d.Remove()) }()
	to, err := d.create(ctx, def)
	if err != nil {
		return st, err
	}
	base, err := newMeter(d.Pid())
	if err != nil {
		return st, err
	}
	l := c.load("", benchLogins(sh.Clients), sh.Readings)
	began := time.Now()
	if err := with.insert(ctx, to, l, messages); err != nil {
		return st, err
	}
	n := float64(messages * sh.Clients * sh.Readings)
	st.Readings = n / time.Since(began).Seconds()
	if st.DatabaseCPU, st.Written, st.DatabaseMiB, err = base.read(n); err != nil {
		return st, err
	}
	there, err := d.Count(ctx)
	if err == nil && float64(there) != n {
		err = fmt.Errorf("%.0f documents inserted, %d in the collection", n, there)
	}
	return st, err
}

// bestCeiling tries them all on fewer documents.
func (c *Config) bestCeiling(ctx context.Context, sh Shape, messages int, def definition) (best Ceiling, err error) {
	top := 0.0
	for _, try := range ceilings() {
		s, err := c.ceiling(ctx, sh, messages, try, def)
		if err != nil {
			return best, err
		}
		c.logf("InsertMany, %s: %.0f readings/s", try, s.Readings)
		if s.Readings > top {
			top, best = s.Readings, try
		}
	}
	return best, nil
}

// visibleBeside measures how soon a query answers what was acked, beside a full
// load into the database.
func (c *Config) visibleBeside(ctx context.Context) (err error) {
	d, err := StartDatabase(ctx, c.Base)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Remove()) }()
	c.logf("from the ack to a query's answer")
	took, err := c.visibility(ctx, min(c.Seconds, 15*time.Second), "MONGO_URI="+d.URI)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "### MongoDB: from the ack to a query's answer, at full load (100 x 10), %d probes\n\n| min / median / max, ms |\n|---|\n| %s |\n\n", len(took), NewSpread(took))
	return nil
}
