package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"tidegate/ingest"
	"tidegate/store"
)

// importFlow is one import on its way: rows are grouped by device into
// messages, in order, which enter by the same door as all others.
type importFlow struct {
	s         *Server
	orgID     string
	create    bool
	principal string
	rows      *rowReader

	open     map[string]*importGroup
	order    []string // of open, by first row
	openRows int
	slots    chan struct{} // one token for each message in flight

	mu     sync.Mutex
	counts ImportCounts
	told   int
	tellQ  []ImportLine // at most importRowsTold in all
	failed error        // the first thing that ends the import
}

// importGroup becomes one message: the rows of one device.
type importGroup struct {
	device  string
	payload []byte
	lastTS  string
	lines   []uint64        // of each reading, by its index in the payload
	ports   map[string]bool // as sent; only when missing ones are made
}

func newImportFlow(s *Server, in *importInput, principal string, rows *rowReader) *importFlow {
	return &importFlow{
		s: s, orgID: in.OrgID, create: in.Create, principal: principal, rows: rows,
		open: map[string]*importGroup{}, slots: make(chan struct{}, importInFlight),
	}
}

// snapshot answers the counts and takes the rows that wait to be told.
func (f *importFlow) snapshot() (ImportCounts, []ImportLine) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rows := f.tellQ
	f.tellQ = nil
	return f.counts, rows
}

// tellRow remembers a row for the answer; the caller holds the lock.
func (f *importFlow) tellRow(line uint64, reason, detail string) {
	if f.told < importRowsTold {
		f.told++
		f.tellQ = append(f.tellQ, ImportLine{Type: "row", Line: line, Reason: reason, Detail: detail})
	}
}

func (f *importFlow) malformed(line uint64, detail string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts.Malformed++
	f.tellRow(line, "malformed_csv", detail)
}

// run reads all rows and answers when every message is processed.
func (f *importFlow) run(ctx context.Context) error {
	err := f.read(ctx)
	if flushErr := f.flushAll(ctx); err == nil {
		err = flushErr
	}
	// Wait for what is in flight by taking all of its slots.
	for range importInFlight {
		select {
		case f.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed != nil {
		return f.failed
	}
	return err
}

func (f *importFlow) read(ctx context.Context) error {
	for {
		row, err := f.rows.read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var bad malformedRow
		if err != nil && !errors.As(err, &bad) {
			return bodyFailed(err)
		}
		f.mu.Lock()
		f.counts.Rows++
		failed := f.failed
		f.mu.Unlock()
		if failed != nil {
			return failed
		}
		switch {
		case err != nil:
			f.malformed(row.line, bad.detail)
		case !store.ValidID(row.device):
			f.malformed(row.line, fmt.Sprintf("device %q is no id", row.device))
		default:
			if err := f.add(ctx, &row); err != nil {
				return err
			}
		}
	}
}

// add puts a row into the message of its device.
func (f *importFlow) add(ctx context.Context, row *importRow) error {
	g := f.open[row.device]
	if g == nil {
		g = &importGroup{device: strings.Clone(row.device), payload: []byte{'['}}
		if f.create {
			g.ports = map[string]bool{}
		}
		f.open[g.device] = g
		f.order = append(f.order, g.device)
	}
	if len(g.lines) > 0 && g.lastTS == row.ts {
		g.payload = append(g.payload, ',')
	} else {
		if len(g.lines) > 0 {
			g.payload = append(g.payload, ']', '}', ',')
		}
		g.payload = append(g.payload, `{"ts":`...)
		g.payload = appendScalar(g.payload, row.ts)
		g.payload = append(g.payload, `,"readings":[`...)
		g.lastTS = row.ts
	}
	g.payload = row.appendReading(g.payload)
	g.lines = append(g.lines, row.line)
	if g.ports != nil {
		g.ports[row.port] = true
	}
	f.openRows++
	if len(g.lines) >= importGroupRows || len(g.payload) >= importGroupBytes {
		return f.flush(ctx, g)
	}
	if f.openRows >= importOpenRows {
		return f.flushAll(ctx)
	}
	return nil
}

func (f *importFlow) flushAll(ctx context.Context) error {
	for _, device := range f.order {
		if g := f.open[device]; g != nil {
			if err := f.flush(ctx, g); err != nil {
				return err
			}
		}
	}
	f.order = f.order[:0]
	return nil
}

// flush sends the message of g and waits while too many are in flight.
func (f *importFlow) flush(ctx context.Context, g *importGroup) error {
	delete(f.open, g.device)
	f.openRows -= len(g.lines)
	if len(f.order) > 2*len(f.open)+importGroupRows {
		kept := f.order[:0]
		for _, device := range f.order {
			if f.open[device] != nil {
				kept = append(kept, device)
			}
		}
		f.order = kept
	}
	g.payload = append(g.payload, ']', '}', ']')
	m := &ingest.Message{
		Source: ingest.SourceImport, Principal: f.principal, OrgID: f.orgID, DeviceID: g.device,
		Payload: g.payload, AnyTime: true,
	}
	if f.create {
		if err := f.make(ctx, g); err != nil {
			return err
		}
	}
	if d := f.s.admin.seen(ctx).known(g.device); d != nil && (f.orgID == "" || f.orgID == d.OrgID) {
		m.UID, m.OrgID = d.UID, d.OrgID
	} else if f.orgID == "" {
		for _, line := range g.lines {
			f.malformed(line, fmt.Sprintf("device %q is unknown; name its organization, and ask to create it", g.device))
		}
		return nil
	}
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	n := uint64(len(g.lines))
	m.Ack = ingest.AckFunc(func(err error) {
		f.mu.Lock()
		if err == nil {
			f.counts.Received += n
		} else if f.failed == nil {
			f.failed = fmt.Errorf("commit message: %w", err)
		}
		f.mu.Unlock()
		if err != nil {
			<-f.slots // there will be no Done
		}
	})
	m.Done = func(r *ingest.Result) {
		f.done(g, r)
		<-f.slots
	}
	return f.submit(ctx, m)
}

// done takes the verdicts of a message.
func (f *importFlow) done(g *importGroup, r *ingest.Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counts.Stored += uint64(r.Stored)
	f.counts.Duplicate += uint64(r.Duplicate)
	f.counts.Rejected += uint64(len(r.Rejected))
	for _, l := range r.Rejected {
		line := g.lines[0]
		if int(l.Index) < len(g.lines) {
			line = g.lines[l.Index]
		}
		f.tellRow(line, string(l.Reason), l.Detail)
	}
}

// submit hands m in, and comes back while the log is full.
func (f *importFlow) submit(ctx context.Context, m *ingest.Message) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		err := f.s.o.Pipeline.Submit(m)
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrFull) {
			<-f.slots
			return fmt.Errorf("submit message: %w", err)
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			<-f.slots
			return ctx.Err()
		case <-t.C:
		}
	}
}

// make creates what is missing for g.
func (f *importFlow) make(ctx context.Context, g *importGroup) error {
	if d := f.s.admin.seen(ctx).known(g.device); d != nil {
		missing := false
		for port := range g.ports {
			missing = missing || !hasPort(d, port)
		}
		if !missing || d.OrgID != f.orgID {
			return nil
		}
	}
	device, ports, err := f.s.admin.ensure(ctx, f.orgID, g.device, sortedKeys(g.ports))
	f.mu.Lock()
	f.counts.DevicesCreated += uint64(device)
	f.counts.PortsCreated += uint64(ports)
	f.mu.Unlock()
	// What may not be made is not: its readings become dead letters, the others
	// go on.
	if err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrInvalid) {
		return fmt.Errorf("create device %s: %w", g.device, err)
	}
	return nil
}
