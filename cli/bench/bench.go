package bench

import (
	"context"
	"errors"
	"fmt"
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
	{"mongo", mongoDB},
	{"ports", manyPorts},
	{"alarms", alarms},
	{"viewers", viewers},
	{"pages", pages},
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
