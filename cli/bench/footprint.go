package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// footprint measures memory, start-up, and devices that come back all at once.
func footprint(ctx context.Context, c *Config) error {
	fmt.Fprintln(c.Out, "### Footprint")
	fmt.Fprintln(c.Out, "\n| | min / median / max |\n|---|---|")
	var idle, connected, ready, back []float64
	for range c.Runs {
		c.logf("footprint")
		err := c.fresh(func(s *Server) error { return footprintOf(ctx, s, &idle, &connected, &ready) })
		if err == nil {
			c.logf("2,000 devices come back")
			err = c.fresh(func(s *Server) error { return comeBack(ctx, s, &back) })
		}
		if err != nil {
			return err
		}
	}
	fmt.Fprintf(c.Out, "| RssAnon idle, MiB | %s |\n| RssAnon with 1,000 connected devices, MiB | %s |\n"+
		"| ready with 1,000 devices and 10,000 ports, ms | %s |\n| 2,000 devices log in at once, ms until the last one is in | %s |\n\n",
		NewSpread(idle), NewSpread(connected), NewSpread(ready), NewSpread(back))
	return nil
}

// fresh calls fn with a server in a folder of its own.
func (c *Config) fresh(fn func(*Server) error) error {
	s, err := NewServer(c.Bin, c.Base)
	if err != nil {
		return err
	}
	return errors.Join(fn(s), s.Remove())
}

func footprintOf(ctx context.Context, s *Server, idle, connected, ready *[]float64) error {
	if _, err := s.Start(ctx); err != nil {
		return err
	}
	if err := settledMemory(s.Pid(), idle); err != nil {
		return err
	}
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
	_, leave, err := connectAll(s.MQTT, logins)
	defer leave()
	if err != nil {
		return err
	}
	return settledMemory(s.Pid(), connected)
}

// settledMemory waits two seconds, in which the runtime gives back what it took
// in a burst, and appends the anonymous memory of then, in MiB.
func settledMemory(pid int, to *[]float64) error {
	time.Sleep(2 * time.Second)
	u, err := ReadUsage(pid)
	*to = append(*to, float64(u.RssAnon)/(1<<20))
	return err
}

// comeBack measures how long it takes until 2,000 devices, which lost their
// connections at the same moment, are logged in again.
func comeBack(ctx context.Context, s *Server, back *[]float64) error {
	if _, err := s.Start(ctx); err != nil {
		return err
	}
	logins, err := s.Devices(ctx, 2000, 1)
	if err != nil {
		return err
	}
	_, leave, err := connectAll(s.MQTT, logins)
	leave()
	if err != nil {
		return err
	}
	took, leave, err := connectAll(s.MQTT, logins)
	leave()
	*back = append(*back, ms(took))
	return err
}

// connectAll logs all clients in side by side, and answers how long it took until
// the last one was in. leave ends their connections; it may be called always.
func connectAll(addr string, logins []Login) (took time.Duration, leave func(), err error) {
	var all sync.WaitGroup
	errs, conns := make([]error, len(logins)), make([]net.Conn, len(logins))
	began := time.Now()
	for i, in := range logins {
		all.Go(func() { conns[i], errs[i] = Connect(addr, in) })
	}
	all.Wait()
	took = time.Since(began)
	leave = func() {
		for _, conn := range conns {
			if conn != nil {
				_ = conn.Close()
			}
		}
	}
	return took, leave, errors.Join(errs...)
}
