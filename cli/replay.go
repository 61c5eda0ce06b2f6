package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/store"
)

// replay sends a recorded trace as devices would.
type replay struct {
	p      *program
	cl     *client.Client
	file   string
	org    string
	create bool
	shift  bool
	speed  float64 // of the recorded pace; 0: as fast as it is acked
	window int

	scan   traceScan
	result replayResult
}

// replayResult is what became of a trace, by the server's ledger.
type replayResult struct {
	Rows      int     `json:"rows"` // of the file
	Malformed int     `json:"malformed"`
	Messages  int     `json:"messages"` // acked
	Received  uint64  `json:"received"`
	Stored    uint64  `json:"stored"`
	Duplicate uint64  `json:"duplicate"`
	Rejected  uint64  `json:"rejected"`
	Pending   uint64  `json:"pending"` // 0 unless the wait was cut off
	Seconds   float64 `json:"seconds"`
}

func (p *program) replayVerb() *cobra.Command {
	r := &replay{p: p}
	var speed string
	c := verb("replay FILE", "Send CSV (.gz too) through real MQTT, as its devices did", func(ctx context.Context, args []string) (err error) {
		if r.speed, err = parseSpeed(speed); err != nil {
			return err
		}
		if r.window < 1 || r.window > 1000 {
			return usage("--in-flight %d: 1 to 1000", r.window)
		}
		if args[0] == "-" {
			return usage("a replay reads the file twice: save standard input to a file first")
		}
		r.file = args[0]
		if r.cl, err = p.connect(); err != nil {
			return err
		}
		return r.run(ctx)
	})
	c.Long = c.Short + ".\n\nHeader: ts,device,port,value, as for `readings import`. Rows of one device and time make one message; the order is the file's.\n" +
		"Accepted times apply as for a device: old files need --shift-to-now, which puts the newest row at the end of the replay,\n" +
		"or devices that accept them (device set --accept-past); --create makes them so."
	c.Example = "  tidegate replay plant.csv.gz --org acme --create --speed max\n  tidegate replay plant.csv.gz --org acme --create --shift-to-now --speed 60x"
	c.Args = oneFile
	c.Flags().StringVar(&r.org, "org", "", "organization of the devices")
	c.Flags().BoolVar(&r.create, "create", false, "make missing devices and ports first")
	c.Flags().BoolVar(&r.shift, "shift-to-now", false, "move all times by the same amount, the newest to the end of the replay")
	c.Flags().StringVar(&speed, "speed", "max", "60x is sixty times the recorded pace; max: as fast as it is acked")
	c.Flags().IntVar(&r.window, "in-flight", 200, "messages sent and not yet acked")
	required(c, "org")
	return c
}

func parseSpeed(text string) (float64, error) {
	if text == "max" {
		return 0, nil
	}
	f, err := strconv.ParseFloat(strings.TrimSuffix(text, "x"), 64)
	if err != nil || !(f > 0 && f <= 1e9) {
		return 0, usage("--speed %s: write 1x, 60x or max", text)
	}
	return f, nil
}

func (r *replay) run(ctx context.Context) error {
	began := time.Now()
	if err := r.scanFile(); err != nil {
		return err
	}
	if r.scan.rows == 0 {
		return fmt.Errorf("%s has no row ts,device,port,value", r.file)
	}
	if r.create {
		if err := r.createDevices(ctx, r.shiftBy(time.Now())); err != nil {
			return err
		}
	}
	meter := newLedgerMeter(r.cl, r.scan.devices(), began)
	if err := meter.begin(ctx); err != nil {
		return err
	}
	if err := r.send(ctx); err != nil {
		return fmt.Errorf("%w; %d messages were acked, the replay may be run again", err, r.result.Messages)
	}
	sum, err := meter.settled(ctx)
	if err != nil {
		return err
	}
	r.result.Rows, r.result.Malformed = r.scan.rows, r.scan.malformed
	r.result.Received, r.result.Stored, r.result.Duplicate = sum.Received, sum.Stored, sum.Duplicate
	r.result.Rejected, r.result.Pending = sum.Rejected, sum.Pending
	r.result.Seconds = float64(time.Since(began).Milliseconds()) / 1000
	v := r.result
	err = r.p.object(v, field{"rows", v.Rows}, field{"malformed", v.Malformed}, field{"messages", v.Messages}, field{"received", v.Received},
		field{"stored", v.Stored}, field{"duplicate", v.Duplicate}, field{"rejected", v.Rejected}, field{"seconds", v.Seconds})
	if err == nil && v.Rejected > 0 {
		r.p.warn("%d readings were rejected: tidegate deadletter ls tells why", v.Rejected)
	}
	if err == nil && v.Malformed > 0 {
		return fmt.Errorf("%d of %d rows are not ts,device,port,value and were passed over", v.Malformed, v.Rows)
	}
	return err
}

// scanFile reads the file once: which devices, ports and times there are.
func (r *replay) scanFile() error {
	in, err := r.p.openInput(r.file)
	if err != nil {
		return err
	}
	defer in.Close()
	faults := newRowFaults(r.p)
	defer faults.end()
	r.scan = traceScan{ports: map[string]map[string]bool{}}
	malformed := func(line uint64, detail string) {
		r.scan.malformed++
		r.scan.rows++
		faults.add(line, "malformed_csv", detail)
	}
	t, err := newTraceReader(in, in.gzip, malformed)
	if err != nil {
		return fmt.Errorf("%s: %w", r.file, err)
	}
	for {
		row, err := t.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", r.file, err)
		}
		if !store.ValidID(row.device) {
			malformed(row.line, fmt.Sprintf("%q is not a device id", row.device))
			continue
		}
		r.scan.add(row)
	}
}

// shiftBy answers by how much times move: the newest row falls on the end of
// a replay that begins at start.
func (r *replay) shiftBy(start time.Time) time.Duration {
	if !r.shift || r.scan.newest.IsZero() {
		return 0
	}
	end := start
	if r.speed > 0 {
		end = end.Add(time.Duration(float64(r.scan.newest.Sub(r.scan.oldest)) / r.speed))
	}
	return end.Sub(r.scan.newest).Truncate(time.Millisecond)
}

func (r *replay) send(ctx context.Context) error {
	status, err := r.cl.Status(ctx)
	if err != nil {
		return err
	}
	in, err := r.p.openInput(r.file)
	if err != nil {
		return err
	}
	defer in.Close()
	t, err := newTraceReader(in, in.gzip, func(uint64, string) {}) // told by the first pass
	if err != nil {
		return err
	}
	g := r.p.newProgress(in.size)
	defer g.done()
	pub := &publisher{
		door: r.p.doorOf(status, r.cl), login: grantLogin(r.cl, r.org), client: newClientID("replay"), window: r.window,
		acked: func(n int) { r.result.Messages += n }, warn: r.p.warn,
	}
	defer pub.close()
	start := time.Now()
	shift := r.shiftBy(start)
	var m traceMessage
	flush := func() error {
		if m.rows == 0 {
			return nil
		}
		if err := r.pace(ctx, start, m.at); err != nil {
			return err
		}
		topic := "org/" + r.org + "/device/" + m.device + "/telemetry"
		err := pub.publish(ctx, topic, m.end())
		m = traceMessage{}
		g.set(in.read.Load(), fmt.Sprintf("%d messages acked", r.result.Messages))
		return err
	}
	for {
		row, err := t.next()
		if errors.Is(err, io.EOF) {
			if err := flush(); err != nil {
				return err
			}
			return pub.flush(ctx)
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", r.file, err)
		}
		if !store.ValidID(row.device) {
			continue
		}
		if !m.takes(row) {
			if err := flush(); err != nil {
				return err
			}
		}
		m.add(row, shift)
	}
}

// pace waits until a row recorded at the time is due; steps back do not wait.
func (r *replay) pace(ctx context.Context, start, at time.Time) error {
	if r.speed == 0 || at.Before(r.scan.oldest) {
		return ctx.Err()
	}
	due := start.Add(time.Duration(float64(at.Sub(r.scan.oldest)) / r.speed))
	if d := time.Until(due); d > 0 {
		return pause(ctx, d)
	}
	return ctx.Err()
}
