package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

const (
	daySeconds   = 86_400
	monthSeconds = 30 * daySeconds
)

// queriesOfBoth asks both stores the same, through the API: a month of one port
// at 1 Hz.
func (c *Config) queriesOfBoth(ctx context.Context) error {
	// A month that has ended, so that no bucket of it is still open in either.
	start := time.Now().UTC().AddDate(0, 0, -45).Truncate(24 * time.Hour)
	embedded, _, err := c.monthAsked(ctx, start)
	if err != nil {
		return fmt.Errorf("embedded: %w", err)
	}
	d, err := StartDatabase(ctx, c.Base)
	if err != nil {
		return err
	}
	mongo, sizes, err := c.monthAsked(ctx, start, "MONGO_URI="+d.URI)
	if err = errors.Join(err, d.Remove()); err != nil {
		return fmt.Errorf("mongo: %w", err)
	}
	fmt.Fprintln(c.Out, "### The same queries through the API, of both stores (one port at 1 Hz, after a start)")
	fmt.Fprintln(c.Out, "\n| | embedded ms | MongoDB ms | bytes |\n|---|---|---|---|")
	for i, q := range monthQuestions {
		fmt.Fprintf(c.Out, "| %s | %s | %s | %d |\n", q.name, embedded[i], mongo[i], sizes[i])
	}
	fmt.Fprintln(c.Out)
	return nil
}

// monthQuestions are asked of a month; from and to are its seconds.
var monthQuestions = []struct {
	name     string
	from, to int
	every    string
}{
	{"a day, 86,400 rows", 10 * daySeconds, 11 * daySeconds, ""},
	{"a day as 1-minute means", 10 * daySeconds, 11 * daySeconds, "1m"},
	{"30 days as 1-minute means", 0, monthSeconds, "1m"},
	{"30 days as 1-hour means", 0, monthSeconds, "1h"},
}

// monthAsked brings in a month that begins at start, starts the server again and
// asks each question some times.
func (c *Config) monthAsked(ctx context.Context, start time.Time, env ...string) (took []Spread, sizes []int64, err error) {
	c.logf("a month at 1 Hz, and questions to it %v", len(env) > 0)
	s, err := NewServer(c.Bin, c.Base, env...)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, s.Remove()) }()
	if _, err := s.Start(ctx); err != nil {
		return nil, nil, err
	}
	if err := s.CLI(ctx, "", "org", "add", "--id", "acme", "--name", "Acme"); err != nil {
		return nil, nil, err
	}
	file := filepath.Join(s.Dir, "month.csv")
	if err := writeMonth(file, start); err != nil {
		return nil, nil, err
	}
	if err := s.CLI(ctx, "", "readings", "import", file, "--org", "acme", "--create"); err != nil {
		return nil, nil, err
	}
	if n, err := s.Settled(ctx); err != nil || n != monthSeconds {
		return nil, nil, errors.Join(err, fmt.Errorf("%d readings stored of %d", n, monthSeconds))
	}
	if err := s.Stop(); err != nil { // which flushes
		return nil, nil, err
	}
	if _, err := s.Start(ctx); err != nil {
		return nil, nil, err
	}
	for _, q := range monthQuestions {
		v := url.Values{
			"deviceId": {"b0"}, "portNumber": {"1"}, "limit": {"100000"},
			"from": {start.Add(time.Duration(q.from) * time.Second).Format(time.RFC3339)},
			"to":   {start.Add(time.Duration(q.to) * time.Second).Format(time.RFC3339)},
		}
		if q.every != "" {
			v.Set("every", q.every)
		}
		var times []float64
		var body counter
		for range max(c.Runs, 5) {
			began := time.Now()
			if err := s.Get("/api/v1/readings?"+v.Encode(), &body); err != nil {
				return nil, nil, err
			}
			times = append(times, ms(time.Since(began)))
		}
		took, sizes = append(took, NewSpread(times)), append(sizes, body.n)
	}
	return took, sizes, nil
}

// writeMonth writes a month of port 1 of device b0 as CSV.
func writeMonth(file string, start time.Time) (err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	fmt.Fprintln(w, "ts,device,port,value")
	for i := range monthSeconds {
		v := Value(i, 0)
		fmt.Fprintf(w, "%d,b0,1,%d.%d\n", start.Add(time.Duration(i)*time.Second).UnixMilli(), v/10, v%10)
	}
	return w.Flush()
}
