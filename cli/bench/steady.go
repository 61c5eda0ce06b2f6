package bench

import (
	"context"
	"fmt"
)

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
	s, logins, err := c.serve(ctx, clients, readings, env...)
	if err != nil {
		return t, err
	}
	defer func() { _ = s.Remove() }()
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
