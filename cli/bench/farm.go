package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// farmLength is how long the farm is watched: some flushes.
const farmLength = 30 * time.Second

// Farm is what a farm of slow ports costs with a database.
type Farm struct {
	CPU, DatabaseCPU         float64 // µs a reading
	Written, DatabaseWritten float64 // bytes sent to storage a reading
	Flushes                  float64 // a minute
}

// slowFarm measures 1,000 ports that say a value each second, into a database:
// what gathering before an insert is worth shows here.
func (c *Config) slowFarm(ctx context.Context) error {
	var farms []Farm
	for i := range c.Runs {
		c.logf("a slow farm into the database, run %d of %d", i+1, c.Runs)
		f, err := c.farm(ctx)
		if err != nil {
			return fmt.Errorf("slow farm: %w", err)
		}
		farms = append(farms, f)
	}
	fmt.Fprintln(c.Out, "### MongoDB: 1,000 readings/s from 1,000 ports at 1 Hz (100 devices)")
	fmt.Fprintln(c.Out, "\n| flushes a minute | CPU µs/reading | mongod CPU | written B/reading | mongod written B/reading |\n|---|---|---|---|---|")
	fmt.Fprintf(c.Out, "| %s | %s | %s | %s | %s |\n\n", over(farms, func(f Farm) float64 { return f.Flushes }),
		over(farms, func(f Farm) float64 { return f.CPU }), over(farms, func(f Farm) float64 { return f.DatabaseCPU }),
		over(farms, func(f Farm) float64 { return f.Written }), over(farms, func(f Farm) float64 { return f.DatabaseWritten }))
	return nil
}

func (c *Config) farm(ctx context.Context) (f Farm, err error) {
	d, err := StartDatabase(ctx, c.Base)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, d.Remove()) }()
	s, err := NewServer(c.Bin, c.Base, "MONGO_URI="+d.URI)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, s.Remove()) }()
	if _, err := s.Start(ctx); err != nil {
		return f, err
	}
	logins, err := s.Devices(ctx, 100, 10)
	if err != nil {
		return f, err
	}
	l := c.load(s.MQTT, logins, 10)
	l.Rate, l.Messages = 100, int(farmLength/time.Second)
	own, err := newMeter(s.Pid())
	if err != nil {
		return f, err
	}
	base, err := newMeter(d.Pid())
	if err != nil {
		return f, err
	}
	before, err := s.Metric("tidegate_mongo_flush_seconds_count")
	if err != nil {
		return f, err
	}
	res, err := l.Run(ctx)
	if err != nil {
		return f, err
	}
	after, err := s.Metric("tidegate_mongo_flush_seconds_count")
	if err != nil {
		return f, err
	}
	if _, err := s.Settled(ctx); err != nil {
		return f, err
	}
	if err := s.Flushed(ctx); err != nil {
		return f, err
	}
	n := float64(res.Acked * 10)
	f.Flushes = (after - before) / res.Elapsed.Minutes()
	if f.CPU, f.Written, _, err = own.read(n); err != nil {
		return f, err
	}
	f.DatabaseCPU, f.DatabaseWritten, _, err = base.read(n)
	return f, err
}
