package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// The load that viewers watch: viewerDevices publish viewerReadings each, once a
// second.
const (
	viewerCount    = 1000
	viewerDevices  = 100
	viewerReadings = 10
)

// Watched is one run of viewers.
type Watched struct {
	Delivered  float64 // readings a second, to all viewers together
	CPU        float64 // of the server, cores
	P50, P99   float64 // ms from publishing to receipt
	RssAnonMiB float64 // the largest seen
	Skipped    float64 // readings
}

// viewers measures what 1,000 pages cost that watch while 1,000 readings a second
// come in, by how many of the ports each watches.
func viewers(ctx context.Context, c *Config) error {
	fmt.Fprintf(c.Out, "### Viewers: 1,000 readings/s of %d ports\n\n", viewerDevices*viewerReadings)
	fmt.Fprintln(c.Out, "| viewers x ports each | delivered readings/s | CPU cores | publish to receipt p50 ms | p99 ms | RssAnon MiB | skipped |\n|---|---|---|---|---|---|---|")
	for _, shape := range []struct{ viewers, ports int }{{0, 0}, {1, 1000}, {viewerCount, 10}, {viewerCount, 100}, {viewerCount, 1000}} {
		var runs []Watched
		for i := range c.Runs {
			c.logf("%d viewers of %d ports, run %d of %d", shape.viewers, shape.ports, i+1, c.Runs)
			w, err := c.watched(ctx, shape.viewers, shape.ports)
			if err != nil {
				return err
			}
			runs = append(runs, w)
		}
		of := func(f func(Watched) float64) Spread {
			var v []float64
			for _, w := range runs {
				v = append(v, f(w))
			}
			return NewSpread(v)
		}
		fmt.Fprintf(c.Out, "| %d x %d | %s | %s | %s | %s | %s | %s |\n", shape.viewers, shape.ports,
			of(func(w Watched) float64 { return w.Delivered }), of(func(w Watched) float64 { return w.CPU }), of(func(w Watched) float64 { return w.P50 }),
			of(func(w Watched) float64 { return w.P99 }), of(func(w Watched) float64 { return w.RssAnonMiB }), of(func(w Watched) float64 { return w.Skipped }))
	}
	fmt.Fprintln(c.Out)
	return nil
}

// watched measures one run.
func (c *Config) watched(ctx context.Context, viewers, ports int) (w Watched, err error) {
	s, logins, err := c.serve(ctx, viewerDevices, viewerReadings, liveEnv...)
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, s.Remove()) }()
	var count seenReadings
	end, err := watchAll(ctx, s, logins, viewers, ports, &count)
	if err != nil {
		return w, err
	}
	defer end()
	run, stop := context.WithTimeout(ctx, c.Seconds)
	defer stop()
	published := make(chan error, 1)
	go func() { published <- publishSteadily(run, s.MQTT, logins) }()
	// The first seconds are of warming up.
	if err := sleep(run, min(3*time.Second, c.Seconds/3)); err != nil {
		return w, err
	}
	count.reset()
	before, err := ReadUsage(s.Pid())
	if err != nil {
		return w, err
	}
	rss, began := watchRss(s.Pid()), time.Now()
	err = <-published
	after, err2 := ReadUsage(s.Pid())
	elapsed := time.Since(began).Seconds()
	if err := errors.Join(err, err2); err != nil {
		return w, err
	}
	w.RssAnonMiB = rss()
	w.Delivered, w.Skipped = float64(count.items.Load())/elapsed, float64(count.skipped.Load())
	w.CPU = (after.CPU - before.CPU).Seconds() / elapsed
	w.P50, w.P99 = count.percentile(0.5), count.percentile(0.99)
	return w, nil
}

// liveEnv lets as many watch as a measurement wants.
var liveEnv = []string{"TIDEGATE_HTTP_RATE_LIMIT=0", "TIDEGATE_HTTP_RATE_LIMIT_ADDRESS=0", "TIDEGATE_HTTP_LIVE_CONNECTIONS_USER=2000"}

// watchAll has viewers watch until end is called.
func watchAll(ctx context.Context, s *Server, logins []Login, viewers, ports int, count *seenReadings) (end func(), err error) {
	var key struct{ Key string }
	if err := s.post(ctx, "/api/v1/api-keys", map[string]any{"name": "viewers", "orgId": "acme", "scopes": []string{"read"}}, &key); err != nil {
		return nil, err
	}
	var all []*viewer
	var watching sync.WaitGroup
	end = func() {
		for _, v := range all {
			_ = v.conn.conn.Close()
		}
		watching.Wait()
	}
	for i := range viewers {
		v, err := watch(s.HTTP, key.Key, logins, i, ports)
		if err != nil {
			end()
			return nil, fmt.Errorf("viewer %d: %w", i, err)
		}
		all = append(all, v)
	}
	for _, v := range all {
		watching.Go(func() { v.read(count) })
	}
	return end, nil
}

// pages measures what pages that show readings cost a box under full load: each
// watches 200 of its 1,000 ports.
func pages(ctx context.Context, c *Config) error {
	const watched = 200
	sh := Shape{Clients: viewerDevices, Readings: viewerReadings}
	fmt.Fprintf(c.Out, "### Pages open at full load: %d clients x %d readings a message, %d ports a page\n\n", sh.Clients, sh.Readings, watched)
	fmt.Fprintln(c.Out, "| pages | readings/s | CPU µs/reading | delivered readings/s | skipped readings/s | ack p99 ms | RssAnon MiB |\n|---|---|---|---|---|---|---|")
	for _, open := range []int{0, 1, 10} {
		var runs []Throughput
		var delivered, skipped []float64
		for i := range c.Runs {
			c.logf("%d pages open at full load, run %d of %d", open, i+1, c.Runs)
			var count seenReadings
			began := time.Now()
			t, err := c.endToEnd(ctx, sh, false, func(ctx context.Context, s *Server, logins []Login) (func(), error) {
				began = time.Now()
				return watchAll(ctx, s, logins, open, watched, &count)
			}, liveEnv...)
			if err != nil {
				return err
			}
			elapsed := time.Since(began).Seconds()
			runs = append(runs, t)
			delivered, skipped = append(delivered, float64(count.items.Load())/elapsed), append(skipped, float64(count.skipped.Load())/elapsed)
		}
		fmt.Fprintf(c.Out, "| %d | %s | %s | %s | %s | %s | %s |\n", open,
			spread(runs, func(t Throughput) float64 { return t.Readings }), spread(runs, func(t Throughput) float64 { return t.CPU }), NewSpread(delivered), NewSpread(skipped),
			spread(runs, func(t Throughput) float64 { return t.P99 }), spread(runs, func(t Throughput) float64 { return t.RssAnonMiB }))
	}
	fmt.Fprintln(c.Out)
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// publishSteadily lets each device publish once a second, until ctx ends. A value
// is the time at which it was sent, in ms.
func publishSteadily(ctx context.Context, addr string, logins []Login) error {
	var wg sync.WaitGroup
	errs := make(chan error, len(logins))
	for i, l := range logins {
		conn, err := Connect(addr, l)
		if err != nil {
			return err
		}
		defer conn.Close()
		wg.Go(func() {
			errs <- publishEach(ctx, conn, l.User, time.Second*time.Duration(i)/time.Duration(len(logins)))
		})
	}
	wg.Wait()
	close(errs)
	var err error
	for e := range errs {
		err = errors.Join(err, e)
	}
	return err
}

func publishEach(ctx context.Context, conn net.Conn, device string, first time.Duration) error {
	next := time.Now().Add(first)
	for n := 1; ; n++ {
		if sleep(ctx, time.Until(next)) != nil {
			return nil
		}
		now := time.Now()
		b := fmt.Appendf(nil, `{"ts":%d,"readings":[`, now.UnixMilli())
		for p := range viewerReadings {
			if p > 0 {
				b = append(b, ',')
			}
			b = fmt.Appendf(b, `{"port":%d,"value":%.3f}`, p+1, float64(now.UnixMicro())/1000)
		}
		if err := publish(conn, "org/acme/device/"+device+"/telemetry", uint16(n%65535)+1, append(b, `]}`...)); err != nil {
			return err
		}
		next = next.Add(time.Second)
	}
}

// viewer is one live connection.
type viewer struct{ conn *socket }

// watch opens one that watches so many ports, others than its neighbours.
func watch(addr, key string, logins []Login, nth, ports int) (*viewer, error) {
	conn, err := dialSocket(addr, "/api/v1/live", key)
	if err != nil {
		return nil, err
	}
	type port struct {
		DeviceID   string `json:"deviceId"`
		PortNumber int    `json:"portNumber"`
	}
	var chosen []port
	for i := range ports {
		k := (nth*ports + i) % (len(logins) * viewerReadings)
		chosen = append(chosen, port{logins[k/viewerReadings].User, k%viewerReadings + 1})
	}
	b, err := json.Marshal(map[string]any{"type": "subscribe", "id": 1, "kinds": []string{"readings"}, "ports": chosen})
	if err == nil {
		err = conn.write(opText, b)
	}
	if err == nil {
		b, err = conn.read()
	}
	if err == nil && !bytes.Contains(b, []byte(`"subscribed"`)) {
		err = fmt.Errorf("it says %s", b)
	}
	if err != nil {
		_ = conn.conn.Close()
		return nil, err
	}
	return &viewer{conn}, nil
}

// read counts what comes until the connection ends. It looks no closer than it
// must: the machine is the server's, too.
func (v *viewer) read(count *seenReadings) {
	value, skipped := []byte(`"rawValue":`), []byte(`"skipped":`)
	for {
		b, err := v.conn.read()
		if err != nil {
			return
		}
		now := float64(time.Now().UnixMicro()) / 1000
		n := bytes.Count(b, value)
		if count.items.Add(int64(n))%16 < int64(n) {
			for rest := b; ; {
				_, after, ok := bytes.Cut(rest, value)
				if !ok {
					break
				}
				if sent, err := strconv.ParseFloat(string(after[:max(bytes.IndexByte(after, ','), 0)]), 64); err == nil {
					count.took(now - sent)
				}
				rest = after
			}
		}
		if i := bytes.LastIndex(b, skipped); i >= 0 {
			if k, err := strconv.ParseInt(string(bytes.TrimRight(b[i+len(skipped):], "}")), 10, 64); err == nil {
				count.skipped.Add(k)
			}
		}
	}
}

// seenReadings is what all viewers saw.
type seenReadings struct {
	items, skipped atomic.Int64
	mu             sync.Mutex
	latencies      []float64 // ms, a sample
}

func (s *seenReadings) took(ms float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.latencies) < 2_000_000 {
		s.latencies = append(s.latencies, ms)
	}
}

func (s *seenReadings) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latencies = nil
	s.items.Store(0)
	s.skipped.Store(0)
}

func (s *seenReadings) percentile(p float64) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.latencies) == 0 {
		return 0
	}
	slices.Sort(s.latencies)
	return s.latencies[min(int(p*float64(len(s.latencies))), len(s.latencies)-1)]
}
