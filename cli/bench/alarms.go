package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// alarms measures what 10,000 rules on 10,000 ports cost, and how long it takes
// from a reading to the webhook that tells of it.
func alarms(ctx context.Context, c *Config) error {
	fmt.Fprintln(c.Out, "### Alarms: 10,000 ports (1,000 clients x 10 readings), readings of now")
	fmt.Fprintln(c.Out, "\n| rules | readings/s | CPU µs/reading | written B/reading | RssAnon MiB |\n|---|---|---|---|---|")
	var rates [2]Spread
	var runs [2][]Throughput
	for i := range c.Runs {
		for k, rules := range []int{0, 10_000} {
			c.logf("%d rules, run %d of %d", rules, i+1, c.Runs)
			t, err := c.underRules(ctx, rules)
			if err != nil {
				return err
			}
			runs[k] = append(runs[k], t)
		}
	}
	for k, rules := range []int{0, 10_000} {
		ts := runs[k]
		rates[k] = spread(ts, func(t Throughput) float64 { return t.Readings })
		fmt.Fprintf(c.Out, "| %d | %s | %s | %s | %s |\n", rules, rates[k], spread(ts, func(t Throughput) float64 { return t.CPU }),
			spread(ts, func(t Throughput) float64 { return t.Written }), spread(ts, func(t Throughput) float64 { return t.RssAnonMiB }))
	}
	fmt.Fprintf(c.Out, "\nWith rules: %.0f %% of the readings/s without (medians).\n\n", 100*rates[1].Median/rates[0].Median)

	c.logf("from a reading to its webhook")
	took, err := c.webhooks(ctx)
	if err != nil {
		return err
	}
	slices.Sort(took)
	at := func(p float64) float64 { return took[min(int(p*float64(len(took))), len(took)-1)] }
	fmt.Fprintf(c.Out, "### From publishing a reading to the webhook's arrival, %d of them\n\n| p50 ms | p90 | p99 | max |\n|---|---|---|---|\n| %.1f | %.1f | %.1f | %.1f |\n\n",
		len(took), at(0.5), at(0.9), at(0.99), took[len(took)-1])
	return nil
}

// alarmClients have as many ports as a message has readings.
const alarmClients, alarmReadings = 1000, 10

// underRules measures the rate with so many rules that no reading meets, on a
// port each.
func (c *Config) underRules(ctx context.Context, rules int) (t Throughput, err error) {
	s, logins, err := c.serve(ctx, alarmClients, alarmReadings, "TIDEGATE_ALERTS_MAX_AGE=24h", "TIDEGATE_HTTP_RATE_LIMIT=0")
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, s.Remove()) }()
	if err := s.rules(ctx, logins, rules); err != nil {
		return t, err
	}
	before, err := ReadUsage(s.Pid())
	if err != nil {
		return t, err
	}
	watch := watchRss(s.Pid())
	l := c.load(s.MQTT, logins, alarmReadings)
	l.Start, l.Step = time.Now().UTC().Add(-12*time.Hour).Truncate(time.Second), 100*time.Millisecond
	run, cancel := context.WithTimeout(ctx, c.Seconds)
	defer cancel()
	res, err := l.Run(run)
	if err != nil {
		return t, err
	}
	if _, err := s.Settled(ctx); err != nil {
		return t, err
	}
	elapsed := time.Since(res.Began).Seconds()
	after, err := ReadUsage(s.Pid())
	if err != nil {
		return t, err
	}
	n := float64(res.Acked) * alarmReadings
	t.Readings = n / elapsed
	t.CPU = float64((after.CPU - before.CPU).Microseconds()) / n
	t.Written = float64(after.Storage-before.Storage) / n
	t.RssAnonMiB = watch()
	return t, nil
}

// rules makes n rules, each on a port of its own.
func (s *Server) rules(ctx context.Context, logins []Login, n int) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	for range 8 {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || failed.Load() != nil {
					return
				}
				err := s.post(ctx, "/api/v1/alert-rules", map[string]any{
					"orgId": "acme", "name": fmt.Sprint("rule ", i),
					"selection": map[string]any{"deviceIds": []string{logins[i/alarmReadings].User}, "ports": []int{i%alarmReadings + 1}},
					"condition": map[string]any{"kind": "above", "high": 1e9},
				}, nil)
				if err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// post sends JSON to the admin socket and decodes the answer, where one is
// wanted.
func (s *Server) post(ctx context.Context, path string, body, into any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://tidegate"+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("POST %s: %s: %s", path, res.Status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// webhookProbes is how many readings go up and down; half of them fire.
const webhookProbes = 400

// webhooks answers, in ms, how long after its publishing each reading that
// begins or ends an episode has arrived as a webhook. One goes at a time, as
// alarms do.
func (c *Config) webhooks(ctx context.Context) (took []float64, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	came := make(chan time.Time, 16)
	receiver := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		at := time.Now()
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			came <- at
		}
	}), ReadHeaderTimeout: time.Minute}
	go func() { _ = receiver.Serve(l) }()
	defer receiver.Close()

	s, logins, err := c.serve(ctx, 1, 1, "TIDEGATE_NOTIFY_ALLOW=127.0.0.0/8")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Remove()) }()
	var channel struct{ ID string }
	err = s.post(ctx, "/api/v1/channels", map[string]any{
		"orgId": "acme", "name": "ops", "type": "webhook", "url": "http://" + l.Addr().String() + "/", "ratePerHour": 100_000,
	}, &channel)
	if err != nil {
		return nil, err
	}
	err = s.post(ctx, "/api/v1/alert-rules", map[string]any{
		"orgId": "acme", "name": "hot", "condition": map[string]any{"kind": "above", "high": 80}, "channels": []string{channel.ID},
	}, nil)
	if err != nil {
		return nil, err
	}
	conn, err := Connect(s.MQTT, logins[0])
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	for i := range webhookProbes {
		began := time.Now()
		value := 100 * ((i + 1) % 2)
		if err := publish(conn, "org/acme/device/"+logins[0].User+"/telemetry", uint16(i+1), fmt.Appendf(nil, `{"ts":%d,"readings":[{"port":1,"value":%d}]}`, began.UnixMilli(), value)); err != nil {
			return nil, err
		}
		select {
		case at := <-came:
			took = append(took, ms(at.Sub(began)))
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Minute):
			return nil, fmt.Errorf("no webhook after a minute, at reading %d", i)
		}
	}
	return took, nil
}

// publish sends one message with QoS 1 and waits for its PUBACK.
func publish(conn net.Conn, topic string, id uint16, payload []byte) error {
	body := appendString(nil, topic)
	body = append(binary.BigEndian.AppendUint16(body, id), payload...)
	if _, err := conn.Write(append(append([]byte{0x32}, remaining(len(body))...), body...)); err != nil {
		return err
	}
	var ack [4]byte
	if _, err := io.ReadFull(conn, ack[:]); err != nil {
		return fmt.Errorf("read PUBACK: %w", err)
	}
	if ack[0] != 0x40 || binary.BigEndian.Uint16(ack[2:]) != id {
		return fmt.Errorf("PUBACK % x", ack)
	}
	return nil
}
