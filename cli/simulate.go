package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/cli/config"
	"tidegate/store"
)

// simulation is a number of devices that publish plausible values over real
// MQTT, each on a connection of its own. They carry out what they are told, by
// saying so.
type simulation struct {
	cl      *client.Client
	org     string
	prefix  string
	devices int
	every   time.Duration
	lasts   time.Duration // 0: until stopped
	seed    uint64
	warn    func(format string, args ...any)
	door    func(client.Status, *client.Client) mqttDoor

	published atomic.Int64 // messages acked
}

// simulatedName marks the devices that a simulation may take over.
const simulatedName = "Simulated device"

func (p *program) simulateVerb() *cobra.Command {
	s := &simulation{warn: p.warn, door: p.doorOf}
	var every, lasts string
	c := verb("simulate", "Run devices that publish plausible values over real MQTT", func(ctx context.Context, _ []string) error {
		var err error
		if s.every, err = config.ParseDuration(every); err != nil || s.every < time.Millisecond {
			return usage("--every %s: write a duration such as 1s or 200ms", every)
		}
		if lasts != "" {
			if s.lasts, err = config.ParseDuration(lasts); err != nil || s.lasts <= 0 {
				return usage("--for %s: write a duration such as 10m", lasts)
			}
		}
		if s.devices < 1 || s.devices > 10_000 {
			return usage("--devices %d: 1 to 10000", s.devices)
		}
		if s.cl, err = p.connect(); err != nil {
			return err
		}
		if err := s.run(ctx, nil); err != nil {
			return err
		}
		n := s.published.Load()
		return p.object(map[string]any{"devices": s.devices, "messages": n}, field{"devices", s.devices}, field{"messages", n})
	})
	c.Long = c.Short + ".\n\nThe devices PREFIX-1, PREFIX-2, … are made when they are missing; each run gives them new secrets.\n" +
		"Ports: 1 Voltage, 2 Current, 3 Temperature, 4 Humidity. To a command each answers ok, and what it got. Ctrl-C ends it."
	c.Flags().StringVar(&s.org, "org", "", "organization of the devices")
	c.Flags().IntVar(&s.devices, "devices", 5, "how many")
	c.Flags().StringVar(&every, "every", "1s", "time between two messages of a device")
	c.Flags().StringVar(&lasts, "for", "", "how long (default: until stopped)")
	c.Flags().StringVar(&s.prefix, "prefix", "sim", "the devices are PREFIX-1, PREFIX-2, …")
	c.Flags().Uint64Var(&s.seed, "seed", 1, "the same seed makes the same values")
	required(c, "org")
	return c
}

// run publishes until ctx ends or the time is over. connected, when not nil, is
// called once when every device is connected.
func (s *simulation) run(ctx context.Context, connected func()) error {
	status, err := s.cl.Status(ctx)
	if err != nil {
		return err
	}
	publishers := make([]*publisher, s.devices)
	for i := range publishers {
		id := s.prefix + "-" + strconv.Itoa(i+1)
		secret, err := s.device(ctx, id)
		if err != nil {
			return err
		}
		publishers[i] = &publisher{
			door: s.door(status, s.cl), client: "simulate", window: 50, warn: s.warn, device: "org/" + s.org + "/device/" + id,
			acked: func(n int) { s.published.Add(int64(n)) },
			login: func(context.Context) (string, string, error) { return id, secret, nil },
		}
		if err := publishers[i].connect(ctx); err != nil {
			return err
		}
		defer publishers[i].close()
	}
	if connected != nil {
		connected()
	}
	if s.lasts > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.lasts)
		defer cancel()
	}
	faults := make([]error, s.devices)
	var wg sync.WaitGroup
	for i, pub := range publishers {
		wg.Go(func() { faults[i] = s.publish(ctx, pub, i) })
	}
	wg.Wait()
	return errors.Join(faults...)
}

// device makes a simulated device, or gives one a new secret.
func (s *simulation) device(ctx context.Context, id string) (secret string, err error) {
	d, err := s.cl.Device(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		d, err = s.cl.CreateDevice(ctx, client.NewDevice{ID: id, OrgID: s.org, Name: simulatedName})
		if err != nil {
			return "", err
		}
		for i, q := range plantQuantities() {
			ch := client.PortChange{Name: &q.name, Unit: &q.unit, ValidMin: &q.min, ValidMax: &q.max}
			if _, err := s.cl.SetPort(ctx, id, uint16(i+1), ch); err != nil {
				return "", err
			}
		}
		return d.Secret, nil
	case err != nil:
		return "", err
	case d.OrgID != s.org || d.Name != simulatedName:
		return "", fmt.Errorf("device %s of %s is not a simulated one and is left alone: choose another --prefix", id, d.OrgID)
	}
	d, err = s.cl.UpdateDevice(ctx, id, client.DeviceChange{RotateSecret: true})
	return d.Secret, err
}

// publish sends one message each interval, the devices spread over it.
func (s *simulation) publish(ctx context.Context, pub *publisher, i int) error {
	rng := rand.New(rand.NewPCG(s.seed, uint64(i)))
	quantities := plantQuantities()
	topic := fmt.Sprintf("org/%s/device/%s-%d/telemetry", s.org, s.prefix, i+1)
	if pause(ctx, s.every*time.Duration(i)/time.Duration(s.devices)) != nil {
		return nil
	}
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	var last int64
	for {
		// A tick that was late may be followed by the next within a millisecond,
		// which two messages cannot share.
		last = max(last+1, time.Now().UnixMilli())
		if err := pub.publish(ctx, topic, simulatedMessage(time.UnixMilli(last), quantities, rng)); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			pub.drain(last)
			return nil
		case <-tick.C:
		}
	}
}

func simulatedMessage(now time.Time, quantities []quantity, rng *rand.Rand) []byte {
	type reading struct {
		Port  int     `json:"port"`
		Value float64 `json:"value"`
	}
	m := struct {
		TS       store.Time `json:"ts"`
		Readings []reading  `json:"readings"`
	}{TS: store.Time(now.UnixMilli())}
	for i := range quantities {
		m.Readings = append(m.Readings, reading{i + 1, quantities[i].next(now, rng)})
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // finite numbers always encode
	}
	return b
}
