package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// naiveMessages is how many messages each of 100 clients sends: enough to see
// the rate, few enough to wait for.
const naiveMessages = 200

// naiveInserts are under way at once: what a pool of connections holds.
const naiveInserts = 100

// byHand measures what one writes on the first day: a client that subscribes at
// mosquitto, decodes each message and inserts its readings at once.
func (c *Config) byHand(ctx context.Context, def definition) error {
	var runs []Stored
	for i := range c.Runs {
		c.logf("a subscriber that inserts each message, run %d of %d", i+1, c.Runs)
		s, err := c.naive(ctx, Shape{100, 4}, def)
		if errors.Is(err, ErrNoMosquitto) {
			c.logf("left out: %v", err)
			return nil
		}
		if err != nil {
			return fmt.Errorf("subscriber: %w", err)
		}
		runs = append(runs, s)
	}
	fmt.Fprintf(c.Out, "### A subscriber at mosquitto that inserts each message (100 x 4, %d messages)\n\n", 100*naiveMessages)
	fmt.Fprintln(c.Out, "| readings/s | mongod CPU µs/reading | mongod written B/reading |\n|---|---|---|")
	fmt.Fprintf(c.Out, "| %s | %s | %s |\n\n", over(runs, func(s Stored) float64 { return s.Readings }),
		over(runs, func(s Stored) float64 { return s.DatabaseCPU }), over(runs, func(s Stored) float64 { return s.Written }))
	return nil
}

func (c *Config) naive(ctx context.Context, sh Shape, def definition) (st Stored, err error) {
	m, err := StartMosquitto(ctx)
	if err != nil {
		return st, err
	}
	defer m.Stop()
	d, err := StartDatabase(ctx, c.Base)
	if err != nil {
		return st, err
	}
	defer func() { err = errors.Join(err, d.Remove()) }()
	to, err := d.create(ctx, def)
	if err != nil {
		return st, err
	}
	sub, err := subscribe(m.Addr, "org/+/device/+/telemetry")
	if err != nil {
		return st, err
	}
	base, err := newMeter(d.Pid())
	if err != nil {
		return st, errors.Join(err, sub.conn.Close())
	}
	messages := naiveMessages * sh.Clients
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- insertEach(ctx, sub, to, messages) }()
	l := c.load(m.Addr, benchLogins(sh.Clients), sh.Readings)
	l.Messages = naiveMessages
	if _, err := l.Run(ctx); err != nil {
		return st, errors.Join(err, sub.conn.Close(), <-ended)
	}
	if err := errors.Join(<-ended, sub.conn.Close()); err != nil {
		return st, err
	}
	n := float64(messages * sh.Readings)
	st.Readings = n / time.Since(began).Seconds()
	if st.DatabaseCPU, st.Written, st.DatabaseMiB, err = base.read(n); err != nil {
		return st, err
	}
	there, err := d.Count(ctx)
	if err == nil && float64(there) != n {
		err = fmt.Errorf("%.0f readings published, %d in the collection", n, there)
	}
	return st, err
}

// benchLogins answers clients of a broker that lets everybody in.
func benchLogins(n int) []Login {
	logins := make([]Login, n)
	for i := range logins {
		logins[i] = Login{ClientID: fmt.Sprint("c", i), User: fmt.Sprint("b", i), Password: "x"}
	}
	return logins
}

// insertEach inserts so many messages, one InsertMany each.
func insertEach(ctx context.Context, sub *subscriber, to *mongo.Collection, messages int) error {
	queue := make(chan message, naiveInserts)
	errs := make(chan error, naiveInserts)
	var wg sync.WaitGroup
	for range naiveInserts {
		wg.Go(func() {
			var err error
			for m := range queue {
				if err == nil {
					err = insertMessage(ctx, to, m)
				}
			}
			errs <- err
		})
	}
	var failed error
	for range messages {
		m, err := sub.next()
		if err != nil {
			failed = err
			break
		}
		queue <- m
	}
	close(queue)
	wg.Wait()
	close(errs)
	for err := range errs {
		failed = errors.Join(failed, err)
	}
	return failed
}

func insertMessage(ctx context.Context, to *mongo.Collection, m message) error {
	level := strings.Split(m.topic, "/") // org/{orgId}/device/{deviceId}/telemetry
	var said struct {
		TS       int64 `json:"ts"`
		Readings []struct {
			Port  int32   `json:"port"`
			Value float64 `json:"value"`
		} `json:"readings"`
	}
	if err := json.Unmarshal(m.payload, &said); err != nil {
		return err
	}
	docs := make([]any, len(said.Readings))
	for i, r := range said.Readings {
		docs[i] = bson.D{
			{Key: "ts", Value: time.UnixMilli(said.TS)},
			{Key: "metadata", Value: bson.D{{Key: "deviceId", Value: level[3]}, {Key: "orgId", Value: level[1]}, {Key: "portNumber", Value: r.Port}}},
			{Key: "rawValue", Value: r.Value},
			{Key: "calibratedValue", Value: r.Value},
			{Key: "quality", Value: "good"},
			{Key: "ingestTs", Value: time.Now()},
			{Key: "cal", Value: int32(0)},
		}
	}
	_, err := to.InsertMany(ctx, docs)
	return err
}
