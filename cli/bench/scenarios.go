package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"
)

// Config says what to measure, and how long.
type Config struct {
	Bin     string
	Base    string        // folder for the data folders; its disk is measured
	Seconds time.Duration // of each throughput run
	Runs    int           // of each figure
	Only    string        // a section by name; empty: all
	Volume  int           // readings of the largest store; 0: 100 million
	Out     io.Writer     // the table, in Markdown
	Log     io.Writer     // progress
}

// Shape is a load: clients and readings a message.
type Shape struct{ Clients, Readings int }

var shapes = []Shape{{1, 1}, {1, 4}, {1, 10}, {10, 1}, {10, 4}, {10, 10}, {100, 1}, {100, 4}, {100, 10}}

// Throughput is one run of a shape.
type Throughput struct {
	Messages   float64 // a second, counted when stored (ack-only: when acked)
	Readings   float64 // a second
	CPU        float64 // µs of the server a reading
	P50, P99   float64 // ms until the ack
	Written    float64 // bytes sent to storage a reading
	Disk       float64 // bytes of readings on disk a reading, right after the run's flush
	RssAnonMiB float64 // the largest seen
	Query      float64 // ms for the newest 100 readings of one port, median of five
}

func (c *Config) logf(format string, args ...any) {
	fmt.Fprintf(c.Log, format+"\n", args...)
}

// serve starts a server in a folder of its own, with devices. The caller removes
// it.
func (c *Config) serve(ctx context.Context, devices, ports int, env ...string) (*Server, []Login, error) {
	s, err := NewServer(c.Bin, c.Base, env...)
	if err != nil {
		return nil, nil, err
	}
	var logins []Login
	if _, err = s.Start(ctx); err == nil {
		logins, err = s.Devices(ctx, devices, ports)
	}
	if err != nil {
		return nil, nil, errors.Join(err, s.Remove())
	}
	return s, logins, nil
}

// load is what every throughput run sends.
func (c *Config) load(addr string, logins []Login, readings int) *Load {
	step := time.Second
	if len(logins) == 1 {
		step = 100 * time.Millisecond
	}
	return &Load{
		Addr: addr, Clients: logins, Readings: readings, InFlight: 100,
		Topic: func(i int) string { return "org/acme/device/" + logins[i].User + "/telemetry" },
		Start: time.Now().UTC().AddDate(0, 0, -25).Truncate(time.Second), Step: step,
	}
}

// EndToEnd measures from the device to the store: the clock stops when nothing
// is pending. ackOnly serves without a store behind the log.
func (c *Config) EndToEnd(ctx context.Context, sh Shape, ackOnly bool, env ...string) (Throughput, error) {
	return c.endToEnd(ctx, sh, ackOnly, nil, env...)
}

// beside begins what goes on while a server is under load, and answers what ends
// it.
type beside func(ctx context.Context, s *Server, logins []Login) (end func(), err error)

func (c *Config) endToEnd(ctx context.Context, sh Shape, ackOnly bool, also beside, env ...string) (Throughput, error) {
	var t Throughput
	s, logins, err := c.serve(ctx, sh.Clients, sh.Readings, env...)
	if err != nil {
		return t, err
	}
	defer func() { _ = s.Remove() }()
	if ackOnly {
		if err := s.Stop(); err != nil {
			return t, err
		}
		s.Args = []string{"--ack-only"}
		if _, err := s.Start(ctx); err != nil {
			return t, err
		}
	}
	if also != nil {
		end, err := also(ctx, s, logins)
		if err != nil {
			return t, err
		}
		defer end()
	}
	before, err := ReadUsage(s.Pid())
	if err != nil {
		return t, err
	}
	watch := watchRss(s.Pid())
	began := time.Now()
	run, cancel := context.WithTimeout(ctx, c.Seconds)
	defer cancel()
	res, err := c.load(s.MQTT, logins, sh.Readings).Run(run)
	if err != nil {
		return t, err
	}
	if !ackOnly {
		stored, err := s.Settled(ctx)
		if err != nil {
			return t, err
		}
		if stored != res.Acked*int64(sh.Readings) {
			return t, fmt.Errorf("%d messages of %d readings acked, %d readings stored", res.Acked, sh.Readings, stored)
		}
	}
	elapsed := time.Since(res.Began).Seconds()
	after, err := ReadUsage(s.Pid())
	if err != nil {
		return t, err
	}
	n := float64(res.Acked) * float64(sh.Readings)
	t.Messages, t.Readings = float64(res.Acked)/elapsed, n/elapsed
	t.CPU = float64((after.CPU - before.CPU).Microseconds()) / n
	t.Written = float64(after.Storage-before.Storage) / n
	t.P50, t.P99 = ms(res.Percentile(0.5)), ms(res.Percentile(0.99))
	t.RssAnonMiB = watch()
	if !ackOnly {
		q, err := s.ask(url.Values{"limit": {"100"}, "order": {"desc"}}, began.AddDate(0, 0, -26), began)
		if err != nil {
			return t, err
		}
		t.Query = q.Median
	}
	if err := s.Stop(); err != nil {
		return t, err
	}
	t.Disk = float64(s.DiskBytes("series-*.db")) / n
	return t, nil
}

// Mosquitto measures the yardstick under the same load.
func (c *Config) Mosquitto(ctx context.Context, sh Shape) (Throughput, error) {
	var t Throughput
	m, err := StartMosquitto(ctx)
	if err != nil {
		return t, err
	}
	defer m.Stop()
	logins := make([]Login, sh.Clients)
	for i := range logins {
		logins[i] = Login{ClientID: fmt.Sprint("c", i), User: fmt.Sprint("b", i), Password: "x"}
	}
	before, err := ReadUsage(m.Pid())
	if err != nil {
		return t, err
	}
	run, cancel := context.WithTimeout(ctx, c.Seconds)
	defer cancel()
	res, err := c.load(m.Addr, logins, sh.Readings).Run(run)
	if err != nil {
		return t, err
	}
	after, err := ReadUsage(m.Pid())
	if err != nil {
		return t, err
	}
	t.Messages = float64(res.Acked) / res.Elapsed.Seconds()
	t.Readings = t.Messages * float64(sh.Readings)
	t.CPU = float64((after.CPU - before.CPU).Microseconds()) / float64(res.Acked) / float64(sh.Readings)
	t.P50, t.P99 = ms(res.Percentile(0.5)), ms(res.Percentile(0.99))
	return t, nil
}

// watchRss looks at a process's anonymous memory until the answer is called,
// which gives the largest in MiB.
func watchRss(pid int) func() float64 {
	stop, done := make(chan struct{}), make(chan float64)
	go func() {
		var top int64
		for {
			if u, err := ReadUsage(pid); err == nil {
				top = max(top, u.RssAnon)
			}
			select {
			case <-stop:
				done <- float64(top) / (1 << 20)
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() float64 { close(stop); return <-done }
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// counter reads a body and keeps its length.
type counter struct{ n int64 }

func (c *counter) drain(r io.Reader) (int64, error) { return io.Copy(io.Discard, r) }

// Executable answers this program's own file.
func Executable() (string, error) {
	bin, err := os.Executable()
	if err != nil {
		return "", errors.New("which program to measure? none is known")
	}
	return bin, nil
}
