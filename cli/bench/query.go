package bench

import (
	"context"
	"fmt"
	"net/url"
	"time"
)

// query measures answers through the API: a month of one port at 1 Hz.
func query(ctx context.Context, c *Config) error {
	s, logins, err := c.serve(ctx, 1, 1)
	if err != nil {
		return err
	}
	defer func() { _ = s.Remove() }()
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
	return s.backtest(ctx, c, l.Start, l.Start.Add(25*day*time.Second))
}

// backtest measures what a rule would have done with a month of one port at 1 Hz.
func (s *Server) backtest(ctx context.Context, c *Config, from, to time.Time) error {
	fmt.Fprintln(c.Out, "### Back-test through the API: 25 days of one port at 1 Hz\n\n| rule | episodes | ms |\n|---|---|---|")
	for _, rule := range []struct {
		name      string
		condition map[string]any
	}{
		{"above, often", map[string]any{"kind": "above", "high": 225}},
		{"deviation over an hour", map[string]any{"kind": "deviation", "window": "1h", "sigmas": 3}},
		{"no data for 10 s", map[string]any{"kind": "no_data", "silentFor": "10s"}},
	} {
		var took []float64
		var answer struct {
			Readings, LeftOut int
			Episodes          []struct{}
		}
		for range max(c.Runs, 3) {
			began := time.Now()
			err := s.post(ctx, "/api/v1/alert-rules/test", map[string]any{
				"rule": map[string]any{"orgId": "acme", "name": "bench", "condition": rule.condition},
				"from": from.Format(time.RFC3339), "to": to.Format(time.RFC3339),
			}, &answer)
			if err != nil {
				return err
			}
			if answer.Readings != int(to.Sub(from)/time.Second) {
				return fmt.Errorf("the back-test saw %d readings", answer.Readings)
			}
			took = append(took, ms(time.Since(began)))
		}
		fmt.Fprintf(c.Out, "| %s | %d | %s |\n", rule.name, len(answer.Episodes)+answer.LeftOut, NewSpread(took))
	}
	fmt.Fprintln(c.Out)
	return nil
}
