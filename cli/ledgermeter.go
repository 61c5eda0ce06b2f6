package cli

import (
	"context"
	"fmt"
	"time"

	"tidegate/api/client"
	"tidegate/store"
)

// ledgerMeter tells what the ledger of some devices gained since it began.
type ledgerMeter struct {
	cl      *client.Client
	devices map[string]bool
	from    time.Time
	before  store.Ledger
}

func newLedgerMeter(cl *client.Client, devices []string, began time.Time) *ledgerMeter {
	m := &ledgerMeter{cl: cl, devices: map[string]bool{"": true}, from: began.Truncate(time.Hour)} // "": rows of unknown devices
	for _, d := range devices {
		m.devices[d] = true
	}
	return m
}

func (m *ledgerMeter) begin(ctx context.Context) (err error) {
	m.before, err = m.sum(ctx)
	return err
}

// sum adds the hours of receipt from the first on.
func (m *ledgerMeter) sum(ctx context.Context) (store.Ledger, error) {
	var l store.Ledger
	list, err := m.cl.LedgerHours(ctx, "", m.from, time.Now().Add(2*time.Hour).Truncate(time.Hour))
	if err != nil {
		return l, err
	}
	for _, h := range list.Items {
		if !m.devices[h.DeviceID] {
			continue
		}
		l.Received += h.Received
		l.Stored += h.Stored
		l.Duplicate += h.Duplicate
		l.Rejected += h.Rejected
		l.Pending += h.Pending
	}
	return l, nil
}

// settled waits until nothing is pending and answers the gain.
func (m *ledgerMeter) settled(ctx context.Context) (store.Ledger, error) {
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		l, err := m.sum(ctx)
		if err != nil {
			return l, err
		}
		if l.Pending == 0 {
			return store.Ledger{
				Received: l.Received - m.before.Received, Stored: l.Stored - m.before.Stored,
				Duplicate: l.Duplicate - m.before.Duplicate, Rejected: l.Rejected - m.before.Rejected,
			}, nil
		}
		if err := pause(ctx, wait); err != nil {
			return l, fmt.Errorf("wait for %d pending readings: %w", l.Pending, err)
		}
	}
}
