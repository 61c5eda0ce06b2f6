package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// visible measures how long after its ack a reading is answered by a query,
// beside a full load of 100 clients with 10 readings a message.
func visible(ctx context.Context, c *Config) error {
	c.logf("visible")
	took, err := c.visibility(ctx, c.Seconds)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "### From the ack to a query's answer, at full load (100 x 10), %d probes\n\n| min / median / max, ms |\n|---|\n| %s |\n\n", len(took), NewSpread(took))
	return nil
}

// visibility answers, in ms, how long each probe took to be seen.
func (c *Config) visibility(ctx context.Context, length time.Duration, env ...string) (took []float64, err error) {
	s, err := NewServer(c.Bin, c.Base, env...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Remove()) }()
	if _, err := s.Start(ctx); err != nil {
		return nil, err
	}
	logins, err := s.Devices(ctx, 101, 10)
	if err != nil {
		return nil, err
	}
	full := c.load(s.MQTT, logins[:100], 10)
	probe := c.load(s.MQTT, logins[100:], 1)
	probe.Messages, probe.First = 1, []int{0}
	run, stop := context.WithCancel(ctx)
	loaded := make(chan error, 1)
	go func() {
		_, err := full.Run(run)
		loaded <- err
	}()
	for began := time.Now(); time.Since(began) < length; probe.First[0]++ {
		if _, err := probe.Run(ctx); err != nil {
			stop()
			return nil, errors.Join(err, <-loaded)
		}
		acked := time.Now()
		if err := s.waitVisible(ctx, logins[100].User, probe.Start.Add(time.Duration(probe.First[0])*probe.Step)); err != nil {
			stop()
			return nil, errors.Join(err, <-loaded)
		}
		took = append(took, ms(time.Since(acked)))
	}
	stop()
	return took, <-loaded
}

// waitVisible asks until port 1 of a device has a reading at ts.
func (s *Server) waitVisible(ctx context.Context, device string, ts time.Time) error {
	for ctx.Err() == nil {
		var list struct {
			Items []struct {
				TS time.Time `json:"ts"`
			} `json:"items"`
		}
		if err := s.Get("/api/v1/readings/latest?deviceId="+device+"&portNumber=1", &list); err != nil {
			return err
		}
		if len(list.Items) == 1 && list.Items[0].TS.Equal(ts) {
			return nil
		}
	}
	return ctx.Err()
}
