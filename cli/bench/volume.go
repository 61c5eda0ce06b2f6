package bench

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// volume shows what changes from an empty store to one of many readings: 100
// devices of 10 ports, 1,000 series.
func volume(ctx context.Context, c *Config) error {
	const clients, ports = 100, 10
	s, logins, err := c.serve(ctx, clients, ports)
	if err != nil {
		return err
	}
	defer func() { _ = s.Remove() }()
	total := c.Volume
	if total == 0 {
		total = 100_000_000
	}
	steps := []int{0, total / 100, total / 10, total}
	fmt.Fprintf(c.Out, "### From an empty store to %d million readings (1,000 series)\n\n", total/1_000_000)
	fmt.Fprintln(c.Out, "| readings | then readings/s | CPU µs/reading | ready ms | newest 100 of a port ms | 1-minute means of its last hours ms | disk B/reading | RssAnon MiB |")
	fmt.Fprintln(c.Out, "|---|---|---|---|---|---|---|---|")
	l := c.load(s.MQTT, logins, ports)
	l.First = make([]int, clients)
	send := func(messages int) (Throughput, error) {
		var t Throughput
		before, err := ReadUsage(s.Pid())
		if err != nil {
			return t, err
		}
		l.Addr, l.Messages = s.MQTT, messages
		res, err := l.Run(ctx)
		if err != nil {
			return t, err
		}
		if _, err := s.Settled(ctx); err != nil {
			return t, err
		}
		took := time.Since(res.Began)
		after, err := ReadUsage(s.Pid())
		if err != nil {
			return t, err
		}
		for i := range l.First {
			l.First[i] += messages
		}
		n := float64(messages * clients * ports)
		t.Readings = n / took.Seconds()
		t.CPU = float64((after.CPU - before.CPU).Microseconds()) / n
		t.RssAnonMiB = float64(after.RssAnon) / (1 << 20)
		return t, nil
	}
	for _, have := range steps {
		if more := have/clients/ports - l.First[0]; more > 0 {
			c.logf("volume: filling up to %d readings", have)
			if _, err := send(more); err != nil {
				return err
			}
		}
		if err := s.Stop(); err != nil {
			return err
		}
		disk := float64(s.DiskBytes("series-*.db")) / max(1, float64(l.First[0]*clients*ports))
		ready, err := s.Start(ctx)
		if err != nil {
			return err
		}
		to := l.Start.Add(time.Duration(l.First[0]) * l.Step)
		newest, err := s.ask(url.Values{"limit": {"100"}, "order": {"desc"}}, to.Add(-24*time.Hour), to)
		if err != nil {
			return err
		}
		means, err := s.ask(url.Values{"limit": {"1000"}, "every": {"1m"}}, to.Add(-6*time.Hour), to)
		if err != nil {
			return err
		}
		t, err := send(2000)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.Out, "| %d | %s | %s | %s | %s | %s | %s | %s |\n", have,
			short(t.Readings), short(t.CPU), short(ms(ready)), newest, means, short(disk), short(t.RssAnonMiB))
	}
	fmt.Fprintln(c.Out)
	return nil
}

// ask asks for readings of one port, five times.
func (s *Server) ask(v url.Values, from, to time.Time) (Spread, error) {
	v.Set("deviceId", "b0")
	v.Set("portNumber", "1")
	v.Set("from", from.Format(time.RFC3339))
	v.Set("to", to.Format(time.RFC3339))
	var took []float64
	for range 5 {
		var body counter
		began := time.Now()
		if err := s.Get("/api/v1/readings?"+v.Encode(), &body); err != nil {
			return Spread{}, err
		}
		took = append(took, ms(time.Since(began)))
	}
	return NewSpread(took), nil
}

// traces stores the real sensor traces and answers what a reading takes on
// disk, once quiet months were rewritten.
func traces(ctx context.Context, c *Config) error {
	dir := os.Getenv("TRACE_DIR")
	if dir == "" {
		dir = filepath.Join("..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		c.logf("traces: left out, set TRACE_DIR")
		return nil
	}
	fmt.Fprintln(c.Out, "### Real traces, by import")
	fmt.Fprintln(c.Out, "\n| trace | stored | readings/s | disk B/reading at once | after settling |\n|---|---|---|---|---|")
	for _, name := range []string{"household_power_2007h1", "campusiot_lorawan", "nab_known_cause"} {
		c.logf("trace %s", name)
		if err := c.trace(ctx, filepath.Join(dir, name+".csv.gz"), name); err != nil {
			return err
		}
	}
	fmt.Fprintln(c.Out)
	return nil
}

func (c *Config) trace(ctx context.Context, file, name string) error {
	s, err := NewServer(c.Bin, c.Base, "TIDEGATE_STORE_SETTLE_AFTER=1s")
	if err != nil {
		return err
	}
	defer func() { _ = s.Remove() }()
	if _, err := s.Start(ctx); err != nil {
		return err
	}
	if err := s.CLI(ctx, "", "org", "add", "--id", "acme", "--name", "Acme"); err != nil {
		return err
	}
	began := time.Now()
	if err := s.CLI(ctx, "", "readings", "import", file, "--org", "acme", "--create"); err != nil {
		return err
	}
	took := time.Since(began)
	// A stop flushes; a start looks for quiet months at once, and then each minute.
	if err := s.Stop(); err != nil {
		return err
	}
	at := float64(s.DiskBytes("series-*.db"))
	if _, err := s.Start(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(65 * time.Second):
	}
	l, err := s.Ledger()
	if err != nil {
		return err
	}
	if err := s.Stop(); err != nil {
		return err
	}
	settled := float64(s.DiskBytes("series-*.db"))
	n := float64(l.Stored)
	fmt.Fprintf(c.Out, "| %s | %d | %s | %s | %s |\n", name, l.Stored, short(float64(l.Received)/took.Seconds()), short(at/n), short(settled/n))
	return nil
}
