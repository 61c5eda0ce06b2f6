package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"
)

// section is a part of the measurement that can be asked for alone.
type section struct {
	name string
	run  func(context.Context, *Config) error
}

var sections = []section{
	{"throughput", throughput},
	{"latency", latency},
	{"visible", visible},
	{"footprint", footprint},
	{"wear", wear},
	{"query", query},
	{"ports", manyPorts},
	{"volume", volume},
	{"traces", traces},
}

// Run measures and writes the table.
func Run(ctx context.Context, c Config) error {
	found := false
	fmt.Fprintf(c.Out, "%s\n\n", machine())
	for _, s := range sections {
		if c.Only != "" && c.Only != s.name {
			continue
		}
		found = true
		if err := s.run(ctx, &c); err != nil {
			return fmt.Errorf("bench %s: %w", s.name, err)
		}
	}
	if !found {
		var names []string
		for _, s := range sections {
			names = append(names, s.name)
		}
		return fmt.Errorf("no section %q; there are %s", c.Only, strings.Join(names, ", "))
	}
	return nil
}

func machine() string {
	out, _ := exec.Command("uname", "-srm").Output()
	model := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		n := strings.Count(string(b), "\nprocessor") + 1
		for line := range strings.Lines(string(b)) {
			if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
				model = fmt.Sprintf("%d x %s", n, strings.TrimSpace(v))
				break
			}
		}
	}
	return fmt.Sprintf("%s, %s, %s. Each figure: min / median / max.", time.Now().UTC().Format("2006-01-02"), model, strings.TrimSpace(string(out)))
}

// throughput compares, in one run, acks alone, end to end, and mosquitto.
func throughput(ctx context.Context, c *Config) error {
	fmt.Fprintf(c.Out, "### Throughput (%s a run, 100 in flight a client)\n\n", c.Seconds)
	fmt.Fprintln(c.Out, "| clients x readings | ack-only msg/s | end to end msg/s | of ack-only | end to end readings/s | mosquitto msg/s | of mosquitto | CPU µs/reading | mosquitto CPU | ack p50 ms | ack p99 ms | written B/reading | disk B/reading | RssAnon MiB |")
	fmt.Fprintln(c.Out, "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
	for _, sh := range shapes {
		var ack, e2e, mosq []Throughput
		for i := range c.Runs {
			c.logf("throughput %dx%d, run %d of %d", sh.Clients, sh.Readings, i+1, c.Runs)
			a, err := c.EndToEnd(ctx, sh, true)
			if err != nil {
				return fmt.Errorf("ack-only: %w", err)
			}
			e, err := c.EndToEnd(ctx, sh, false)
			if err != nil {
				return fmt.Errorf("end to end: %w", err)
			}
			m, err := c.Mosquitto(ctx, sh)
			if err != nil && !errors.Is(err, ErrNoMosquitto) {
				return fmt.Errorf("mosquitto: %w", err)
			}
			ack, e2e, mosq = append(ack, a), append(e2e, e), append(mosq, m)
		}
		msgs := func(t Throughput) float64 { return t.Messages }
		fmt.Fprintf(c.Out, "| %dx%d | %s | %s | %.0f %% | %s | %s | %.0f %% | %s | %s | %s | %s | %s | %s | %s |\n",
			sh.Clients, sh.Readings, spread(ack, msgs), spread(e2e, msgs),
			100*spread(e2e, msgs).Median/spread(ack, msgs).Median,
			spread(e2e, func(t Throughput) float64 { return t.Readings }), spread(mosq, msgs),
			100*spread(e2e, msgs).Median/max(spread(mosq, msgs).Median, 1),
			spread(e2e, func(t Throughput) float64 { return t.CPU }), spread(mosq, func(t Throughput) float64 { return t.CPU }),
			spread(e2e, func(t Throughput) float64 { return t.P50 }), spread(e2e, func(t Throughput) float64 { return t.P99 }),
			spread(e2e, func(t Throughput) float64 { return t.Written }), spread(e2e, func(t Throughput) float64 { return t.Disk }),
			spread(e2e, func(t Throughput) float64 { return t.RssAnonMiB }))
	}
	fmt.Fprintln(c.Out)
	return nil
}

func spread(ts []Throughput, of func(Throughput) float64) Spread {
	var v []float64
	for _, t := range ts {
		v = append(v, of(t))
	}
	return NewSpread(v)
}

// latency measures the ack of a steady 1,000 messages a second, with the
// default linger and without.
func latency(ctx context.Context, c *Config) error {
	fmt.Fprintln(c.Out, "### Ack latency at 1,000 messages/s, 10 clients, 1 reading")
	fmt.Fprintln(c.Out, "\n| linger | p50 ms | p99 ms | CPU µs/reading | written B/reading |\n|---|---|---|---|---|")
	for _, linger := range []string{"0s", "1ms", "2ms", "5ms", "10ms", "50ms"} {
		var ts []Throughput
		for range c.Runs {
			c.logf("latency with linger %s", linger)
			t, err := c.steady(ctx, 10, 1, 1000, "TIDEGATE_LOG_LINGER="+linger)
			if err != nil {
				return err
			}
			ts = append(ts, t)
		}
		fmt.Fprintf(c.Out, "| %s | %s | %s | %s | %s |\n", linger,
			spread(ts, func(t Throughput) float64 { return t.P50 }), spread(ts, func(t Throughput) float64 { return t.P99 }),
			spread(ts, func(t Throughput) float64 { return t.CPU }), spread(ts, func(t Throughput) float64 { return t.Written }))
	}
	fmt.Fprintln(c.Out)
	return nil
}

// steady runs a constant rate.
func (c *Config) steady(ctx context.Context, clients, readings, rate int, env ...string) (Throughput, error) {
	var t Throughput
	s, err := NewServer(c.Bin, c.Base, env...)
	if err != nil {
		return t, err
	}
	defer func() { _ = s.Remove() }()
	if _, err := s.Start(ctx); err != nil {
		return t, err
	}
	logins, err := s.Devices(ctx, clients, readings)
	if err != nil {
		return t, err
	}
	before, err := ReadUsage(s.Pid())
	if err != nil {
		return t, err
	}
	run, cancel := context.WithTimeout(ctx, c.Seconds)
	defer cancel()
	l := c.load(s.MQTT, logins, readings)
	l.Rate = rate
	res, err := l.Run(run)
	if err != nil {
		return t, err
	}
	if _, err := s.Settled(ctx); err != nil {
		return t, err
	}
	pid := s.Pid()
	after, err := ReadUsage(pid)
	if err != nil {
		return t, err
	}
	n := float64(res.Acked) * float64(readings)
	t.CPU = float64((after.CPU - before.CPU).Microseconds()) / n
	t.Written = float64(after.Storage-before.Storage) / n
	t.P50, t.P99 = ms(res.Percentile(0.5)), ms(res.Percentile(0.99))
	t.RssAnonMiB = float64(after.RssAnon) / (1 << 20)
	t.Readings = n / res.Elapsed.Seconds()
	return t, nil
}

// wear measures what a slow farm writes: 1,000 readings/s from 10,000 ports.
func wear(ctx context.Context, c *Config) error {
	fmt.Fprintln(c.Out, "### Wear: 1,000 readings/s from 10,000 ports (1,000 devices), linger 50 ms")
	fmt.Fprintln(c.Out, "\n| | written B/reading | CPU µs/reading | RssAnon MiB | ack p99 ms |\n|---|---|---|---|---|")
	var ts []Throughput
	for range c.Runs {
		c.logf("wear")
		t, err := c.steady(ctx, 1000, 10, 100, "TIDEGATE_LOG_LINGER=50ms", "TIDEGATE_STORE_FLUSH_INTERVAL="+(c.Seconds/2).String())
		if err != nil {
			return err
		}
		ts = append(ts, t)
	}
	fmt.Fprintf(c.Out, "| log and store, a flush in the run | %s | %s | %s | %s |\n\n",
		spread(ts, func(t Throughput) float64 { return t.Written }), spread(ts, func(t Throughput) float64 { return t.CPU }),
		spread(ts, func(t Throughput) float64 { return t.RssAnonMiB }), spread(ts, func(t Throughput) float64 { return t.P99 }))
	return nil
}

// footprint measures memory and start-up.
func footprint(ctx context.Context, c *Config) error {
	fmt.Fprintln(c.Out, "### Footprint")
	fmt.Fprintln(c.Out, "\n| | min / median / max |\n|---|---|")
	var idle, connected, ready []float64
	for range c.Runs {
		c.logf("footprint")
		s, err := NewServer(c.Bin, c.Base)
		if err != nil {
			return err
		}
		if err := c.footprint(ctx, s, &idle, &connected, &ready); err != nil {
			return errors.Join(err, s.Remove())
		}
		if err := s.Remove(); err != nil {
			return err
		}
	}
	fmt.Fprintf(c.Out, "| RssAnon idle, MiB | %s |\n| RssAnon with 1,000 connected devices, MiB | %s |\n| ready with 1,000 devices and 10,000 ports, ms | %s |\n\n",
		NewSpread(idle), NewSpread(connected), NewSpread(ready))
	return nil
}

func (c *Config) footprint(ctx context.Context, s *Server, idle, connected, ready *[]float64) error {
	if _, err := s.Start(ctx); err != nil {
		return err
	}
	time.Sleep(2 * time.Second) // let the runtime settle
	u, err := ReadUsage(s.Pid())
	if err != nil {
		return err
	}
	*idle = append(*idle, float64(u.RssAnon)/(1<<20))
	logins, err := s.Devices(ctx, 1000, 10)
	if err != nil {
		return err
	}
	if err := s.Stop(); err != nil {
		return err
	}
	d, err := s.Start(ctx)
	if err != nil {
		return err
	}
	*ready = append(*ready, ms(d))
	var conns []net.Conn
	defer func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}()
	for _, in := range logins {
		conn, err := Connect(s.MQTT, in)
		if err != nil {
			return err
		}
		conns = append(conns, conn)
	}
	time.Sleep(2 * time.Second)
	if u, err = ReadUsage(s.Pid()); err != nil {
		return err
	}
	*connected = append(*connected, float64(u.RssAnon)/(1<<20))
	return nil
}

// query measures answers through the API: a month of one port at 1 Hz.
func query(ctx context.Context, c *Config) error {
	s, err := NewServer(c.Bin, c.Base)
	if err != nil {
		return err
	}
	defer func() { _ = s.Remove() }()
	if _, err := s.Start(ctx); err != nil {
		return err
	}
	logins, err := s.Devices(ctx, 1, 1)
	if err != nil {
		return err
	}
	const day = 86_400
	l := c.load(s.MQTT, logins, 1)
	l.Step, l.Messages = time.Second, 25*day
	c.logf("query: storing 25 days at 1 Hz")
	if _, err := l.Run(ctx); err != nil {
		return err
	}
	if _, err := s.Settled(ctx); err != nil {
		return err
	}
	if err := s.Stop(); err != nil {
		return err
	}
	if _, err := s.Start(ctx); err != nil {
		return err
	}
	fmt.Fprintln(c.Out, "### Queries through the API (one port at 1 Hz, from the files)")
	fmt.Fprintln(c.Out, "\n| | ms | bytes |\n|---|---|---|")
	for _, q := range []struct {
		name  string
		from  time.Duration
		to    time.Duration
		every string
	}{
		{"a day, 86,400 points", 10 * day * time.Second, 11 * day * time.Second, ""},
		{"a day as 1-minute means", 10 * day * time.Second, 11 * day * time.Second, "1m"},
		{"25 days as 1-minute means", 0, 25 * day * time.Second, "1m"},
		{"25 days as 1-hour means", 0, 25 * day * time.Second, "1h"},
	} {
		v := url.Values{
			"deviceId": {"b0"}, "portNumber": {"1"}, "limit": {"100000"},
			"from": {l.Start.Add(q.from).Format(time.RFC3339)}, "to": {l.Start.Add(q.to).Format(time.RFC3339)},
		}
		if q.every != "" {
			v.Set("every", q.every)
		}
		var took []float64
		var body counter
		for range max(c.Runs, 5) {
			began := time.Now()
			if err := s.Get("/api/v1/readings?"+v.Encode(), &body); err != nil {
				return err
			}
			took = append(took, ms(time.Since(began)))
		}
		fmt.Fprintf(c.Out, "| %s | %s | %d |\n", q.name, NewSpread(took), body.n)
	}
	fmt.Fprintln(c.Out)
	return nil
}

// manyPorts shows how the rate changes from 10 ports to 10,000.
func manyPorts(ctx context.Context, c *Config) error {
	fmt.Fprintln(c.Out, "### From 10 to 10,000 ports (10 readings a message)")
	fmt.Fprintln(c.Out, "\n| ports | readings/s | CPU µs/reading | written B/reading | disk B/reading | newest 100 of a port ms | RssAnon MiB |\n|---|---|---|---|---|---|---|")
	for _, clients := range []int{1, 10, 100, 1000} {
		var ts []Throughput
		for range c.Runs {
			c.logf("%d ports", clients*10)
			t, err := c.EndToEnd(ctx, Shape{clients, 10}, false)
			if err != nil {
				return err
			}
			ts = append(ts, t)
		}
		fmt.Fprintf(c.Out, "| %d | %s | %s | %s | %s | %s | %s |\n", clients*10,
			spread(ts, func(t Throughput) float64 { return t.Readings }), spread(ts, func(t Throughput) float64 { return t.CPU }),
			spread(ts, func(t Throughput) float64 { return t.Written }), spread(ts, func(t Throughput) float64 { return t.Disk }),
			spread(ts, func(t Throughput) float64 { return t.Query }), spread(ts, func(t Throughput) float64 { return t.RssAnonMiB }))
	}
	fmt.Fprintln(c.Out)
	return nil
}
