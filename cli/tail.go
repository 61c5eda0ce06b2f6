package cli

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/store"
)

// tailEvent is one line of tail.
type tailEvent struct {
	Type     string      `json:"type"` // reading, lifecycle, rejection, alert, skipped
	Change   alertChange `json:"change,omitempty"`
	At       *store.Time `json:"at,omitempty"`
	OrgID    string      `json:"orgId,omitempty"`
	DeviceID string      `json:"deviceId,omitempty"`
	Port     string      `json:"port,omitempty"`
	Status   string      `json:"status,omitempty"`
	Reason   string      `json:"reason,omitempty"`
	Line     string      `json:"line,omitempty"`
	Skipped  uint64      `json:"skipped,omitempty"`

	Alert   *store.AlertEvent `json:"alert,omitempty"`
	Reading *store.Reading    `json:"-"` // of a reading; its fields stand beside type
}

func (p *program) tailVerb() *cobra.Command {
	var devices, kinds []string
	var port, count int
	c := verb("tail", "Watch readings, connects, rejections and alarms as they happen", func(ctx context.Context, _ []string) error {
		all := []string{client.KindReadings, client.KindLifecycle, client.KindRejections, client.KindAlerts}
		for _, k := range kinds {
			if !slices.Contains(all, k) {
				return usage("--kind %s: use readings, lifecycle, rejections or alerts", k)
			}
		}
		if len(kinds) == 0 {
			kinds = all
		}
		if port > 65535 || port >= 0 && len(devices) == 0 {
			return usage("--port is a number from 0 to 65535 and needs --device")
		}
		s := client.Subscription{Kinds: kinds, Devices: devices}
		if port >= 0 {
			for _, d := range devices {
				s.Ports = append(s.Ports, client.LivePort{DeviceID: d, PortNumber: uint16(port)})
			}
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		ctx, t := tailFor(ctx, count)
		t.p, t.devices, t.csv = p, devices, csv.NewWriter(p.Stdout)
		defer t.end()
		return cl.Tail(ctx, s, t.message)
	})
	c.Example = "  tidegate tail --device d1\n  tidegate tail --kind rejections"
	c.Flags().StringSliceVar(&devices, "device", nil, "of this device alone (may be repeated)")
	c.Flags().IntVar(&port, "port", -1, "of this port number alone; needs --device")
	c.Flags().StringSliceVar(&kinds, "kind", nil, "readings, lifecycle, rejections or alerts (default all)")
	c.Flags().IntVar(&count, "count", 0, "end after so many events (default never)")
	return c
}

// tailer prints live messages.
type tailer struct {
	p       *program
	devices []string
	csv     *csv.Writer
	titled  bool
	alarms  alarmsSeen
	left    int // events; 0: they are not counted
	end     context.CancelFunc
}

// tailFor answers a tailer that ends the context after so many events; 0: it
// does not.
func tailFor(ctx context.Context, count int) (context.Context, *tailer) {
	ctx, cancel := context.WithCancel(ctx)
	return ctx, &tailer{left: max(count, 0), end: cancel, alarms: alarmsSeen{}}
}

func (t *tailer) message(m client.LiveMessage) error {
	var events []tailEvent
	switch m.Type {
	case "readings":
		for _, r := range m.Items {
			events = append(events, tailEvent{Type: "reading", Reading: &r})
		}
	case "lifecycle", "rejection":
		events = append(events, tailEvent{
			Type: m.Type, At: &m.At, OrgID: m.OrgID, DeviceID: m.DeviceID, Port: m.Port, Status: m.Status, Reason: m.Reason, Line: m.Line,
		})
	case "alert":
		if e, ok := t.alarms.event(m.Alert); ok {
			events = append(events, e)
		}
	}
	if m.Skipped > 0 {
		events = append(events, tailEvent{Type: "skipped", Skipped: m.Skipped})
	}
	for _, e := range events {
		if e.Type != "skipped" && len(t.devices) > 0 && !slices.Contains(t.devices, e.device()) {
			continue
		}
		if err := t.print(e); err != nil {
			return err
		}
		if t.left--; t.left == 0 {
			t.end()
			return nil
		}
		t.left = max(t.left, 0)
	}
	return nil
}

func (e tailEvent) device() string {
	if e.Reading != nil {
		return e.Reading.DeviceID
	}
	return e.DeviceID
}

func (t *tailer) print(e tailEvent) error {
	switch t.p.output {
	case "json":
		var line any = e
		if e.Reading != nil {
			line = struct {
				Type string `json:"type"`
				store.Reading
			}{e.Type, *e.Reading}
		}
		b, err := json.Marshal(line)
		if err != nil {
			return fmt.Errorf("encode event: %w", err)
		}
		return t.p.print(string(b) + "\n")
	case "csv":
		if !t.titled {
			t.titled = true
			if err := t.csv.Write([]string{"type", "at", "deviceId", "port", "rawValue", "calibratedValue", "quality", "text"}); err != nil {
				return err
			}
		}
		row := []string{e.Type, csvCell(e.At), e.device(), e.Port, "", "", "", e.text()}
		if r := e.Reading; r != nil {
			row = []string{e.Type, r.TS.String(), r.DeviceID, strconv.Itoa(int(r.PortNumber)), csvCell(r.RawValue), csvCell(r.CalibratedValue), r.Quality, ""}
		}
		if err := t.csv.Write(row); err != nil {
			return err
		}
		t.csv.Flush()
		return t.csv.Error()
	default:
		if r := e.Reading; r != nil {
			line := fmt.Sprintf("%s  %s port %d  %s  %s", tableCell(r.TS), r.DeviceID, r.PortNumber, tableCell(r.CalibratedValue), r.Quality)
			for _, f := range r.Flags {
				line += " " + f
			}
			return t.p.print(line + "\n")
		}
		at := ""
		if e.At != nil {
			at = tableCell(e.At) + "  "
		}
		return t.p.print(at + tableCell(e.text()) + "\n")
	}
}

func (e tailEvent) text() string {
	switch e.Type {
	case "lifecycle":
		if e.Reason != "" {
			return fmt.Sprintf("%s is %s (%s)", e.DeviceID, e.Status, e.Reason)
		}
		return fmt.Sprintf("%s is %s", e.DeviceID, e.Status)
	case "alert":
		return e.Change.text(e.Alert)
	case "skipped":
		return fmt.Sprintf("%d events passed over: this terminal is slower than they come", e.Skipped)
	}
	return e.Line
}
