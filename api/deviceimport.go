package api

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tidegate/store"
)

// DeviceImport is the answer to a bulk import.
type DeviceImport struct {
	DryRun  bool              `json:"dryRun" doc:"true: nothing was made; the rest says what would be"`
	Created int               `json:"created"`
	Failed  int               `json:"failed"`
	Items   []DeviceImportRow `json:"items" nullable:"false" doc:"a result for each row"`
}

// DeviceImportRow is what became of a row.
type DeviceImportRow struct {
	Line    int    `json:"line"`
	ID      string `json:"id,omitempty"`
	Created bool   `json:"created" doc:"with dryRun: it would be"`
	Secret  string `json:"secret,omitempty" doc:"when it was made here: shown this once"`
	Error   string `json:"error,omitempty"`
}

const maxImportedDevices = 10_000

// deviceCreator is a catalogue that makes many devices in one transaction.
type deviceCreator interface {
	// CreateDevices makes devices[i] with ports[i] and answers a result for
	// each: what fails does not stop the others.
	CreateDevices(ctx context.Context, devices []store.Device, ports [][]store.Port) ([]store.Device, []error)
}

// deviceTrier is a catalogue that can say what would become of devices.
type deviceTrier interface {
	// TryDevices answers the errors of CreateDevices, and makes nothing.
	TryDevices(ctx context.Context, devices []store.Device, ports [][]store.Port) ([]error, error)
}

// ImportDevices makes a device of each row of CSV with the header
// id,org,serial,secret,ports,tags. A row that fails does not stop the others.
// With dryRun it says what would become of each, and changes nothing.
func (a *Admin) ImportDevices(ctx context.Context, r io.Reader, dryRun bool) (DeviceImport, error) {
	out, drafts, err := a.readDevices(r)
	if err != nil {
		return DeviceImport{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	out.DryRun = dryRun
	drafts = a.mayMake(ctx, &out, drafts)
	if dryRun {
		err = a.tryDrafts(ctx, &out, drafts)
	} else {
		err = a.createDrafts(ctx, &out, drafts)
	}
	if err != nil {
		return DeviceImport{}, err
	}
	for _, it := range out.Items {
		if it.Created {
			out.Created++
		} else {
			out.Failed++
		}
	}
	return out, nil
}

// importedDraft is a draft and its place in the answer.
type importedDraft struct {
	draft
	item int
}

var deviceColumns = []string{"id", "org", "serial", "secret", "ports", "tags"}

func (a *Admin) readDevices(r io.Reader) (DeviceImport, []importedDraft, error) {
	out := DeviceImport{Items: []DeviceImportRow{}}
	cr := csv.NewReader(skipBOM(r))
	cr.FieldsPerRecord = -1
	cr.ReuseRecord = true
	header, err := cr.Read()
	if err != nil {
		return out, nil, importError(err, "the header id,org,serial,secret,ports is missing")
	}
	column, err := columnsOf(header, deviceColumns)
	if err != nil {
		return out, nil, err
	}
	var drafts []importedDraft
	now := a.now()
	for {
		rec, err := cr.Read()
		if errors.Is(err, io.EOF) {
			return out, drafts, nil
		}
		var pe *csv.ParseError
		if err != nil && !errors.As(err, &pe) {
			return out, nil, importError(err, "")
		}
		if len(out.Items) == maxImportedDevices {
			return out, nil, problem(http.StatusRequestEntityTooLarge, "too_large",
				fmt.Sprintf("at most %d devices at once, and nothing was made; cut the file into pieces", maxImportedDevices)).limited("body", maxImportedDevices)
		}
		if pe != nil {
			out.Items = append(out.Items, DeviceImportRow{Line: pe.Line, Error: pe.Err.Error()})
			continue
		}
		line, _ := cr.FieldPos(0)
		row := DeviceImportRow{Line: line}
		n, err := deviceOf(rec, column, len(header))
		var d draft
		if err == nil {
			row.ID = n.ID
			d, err = a.draft(n, now)
		}
		if err != nil {
			row.Error = detailOf(err)
		} else {
			row.ID = d.device.ID
			drafts = append(drafts, importedDraft{d, len(out.Items)})
		}
		out.Items = append(out.Items, row)
	}
}

func deviceOf(rec []string, column map[string]int, width int) (NewDevice, error) {
	if len(rec) != width {
		return NewDevice{}, store.Invalid("row", "", "has %d columns, the header has %d", len(rec), width)
	}
	get := func(name string) string {
		if i, ok := column[name]; ok {
			return strings.Clone(strings.TrimSpace(rec[i]))
		}
		return ""
	}
	n := NewDevice{ID: get("id"), OrgID: get("org"), SerialNumber: get("serial")}
	if s := get("secret"); s != "" {
		n.Secret = &s
	}
	if tags := get("tags"); tags != "" {
		for tag := range strings.SplitSeq(tags, ";") {
			n.Tags = append(n.Tags, strings.TrimSpace(tag))
		}
	}
	ports := get("ports")
	if ports == "" {
		return n, nil
	}
	if count, err := strconv.Atoi(ports); err == nil {
		n.PortCount = count
		if count < 0 {
			return n, store.Invalid("device", "ports", "%d is negative", count)
		}
		return n, nil
	}
	n.PortNames = strings.Split(ports, ";")
	return n, nil
}

// mayMake answers the drafts that the actor may make: what may not be made is told
// like what cannot be.
func (a *Admin) mayMake(ctx context.Context, out *DeviceImport, drafts []importedDraft) []importedDraft {
	seen := a.seen(ctx)
	return slices.DeleteFunc(drafts, func(d importedDraft) bool {
		_, err := seen.organization(ctx, d.device.OrgID)
		if err != nil {
			out.Items[d.item].Error = detailOf(err)
		}
		return err != nil
	})
}

// tryDrafts says what would become of the devices.
func (a *Admin) tryDrafts(ctx context.Context, out *DeviceImport, drafts []importedDraft) error {
	if len(drafts) == 0 {
		return nil
	}
	if err := a.o.Writable(ctx); err != nil {
		return err
	}
	c, ok := a.o.Catalog.(deviceTrier)
	if !ok {
		return store.Unavailable("import", "this catalogue cannot be asked beforehand; import without dryRun")
	}
	devices, ports := make([]store.Device, len(drafts)), make([][]store.Port, len(drafts))
	for i, d := range drafts {
		devices[i], ports[i] = d.device, d.ports
	}
	errs, err := c.TryDevices(ctx, devices, ports)
	if err != nil {
		return err
	}
	for i, d := range drafts {
		row := &out.Items[d.item]
		if row.Created = errs[i] == nil; !row.Created {
			row.Error = detailOf(errs[i])
		}
	}
	return nil
}

// createDrafts makes the devices, in one transaction where the catalogue can,
// under one entry of the audit trail that names them all.
func (a *Admin) createDrafts(ctx context.Context, out *DeviceImport, drafts []importedDraft) error {
	if len(drafts) == 0 {
		return nil
	}
	org := drafts[0].device.OrgID
	for _, d := range drafts {
		if d.device.OrgID != org {
			org = "" // of several: for those who see all
		}
	}
	shown := make([]deviceAudit, len(drafts))
	devices := make([]store.Device, len(drafts))
	ports := make([][]store.Port, len(drafts))
	for i, d := range drafts {
		shown[i] = auditOf(d.device)
		shown[i].Ports = len(d.ports)
		if d.device.SecretHash != nil {
			shown[i].Secret = blanked
		}
		devices[i], ports[i] = d.device, d.ports
	}
	id := strconv.Itoa(len(drafts)) + " devices"
	failed := map[string]string{}
	err := a.alter(ctx, change{"device.import", "device", id, org, nil, shown}, func() error {
		errs := a.createAll(ctx, devices, ports)
		for i, d := range drafts {
			row := &out.Items[d.item]
			if errs[i] != nil {
				row.Error = detailOf(errs[i])
				failed[row.ID] = row.Error
				continue
			}
			row.Created, row.Secret = true, d.secret
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(failed) > 0 {
		// The entry before names all that were to be made; this one, those that were not.
		err = a.do(ctx, change{"device.import_failed", "device", id, org, nil, failed}, func() error { return nil })
	}
	for _, d := range drafts {
		if out.Items[d.item].Created {
			err = errors.Join(err, a.register(ctx, d.device.ID))
		}
	}
	return errors.Join(err, toldRules(a.o.Alerts.Refresh(context.WithoutCancel(ctx))))
}

func (a *Admin) createAll(ctx context.Context, devices []store.Device, ports [][]store.Port) []error {
	if c, ok := a.o.Catalog.(deviceCreator); ok {
		_, errs := c.CreateDevices(ctx, devices, ports)
		return errs
	}
	errs := make([]error, len(devices))
	for i := range devices {
		_, errs[i] = a.o.Catalog.CreateDevice(ctx, devices[i], ports[i])
	}
	return errs
}

// columnsOf finds the known columns of a header.
func columnsOf(header, known []string) (map[string]int, error) {
	column := make(map[string]int, len(known))
	for i, h := range header {
		h = strings.ToLower(strings.TrimSpace(h))
		found := false
		for _, k := range known {
			found = found || k == h
		}
		if _, twice := column[h]; !found || twice {
			return nil, invalidParam("body", fmt.Sprintf("column %q of the header is unknown or there twice; the header is %s", h, strings.Join(known, ",")))
		}
		column[h] = i
	}
	return column, nil
}

// importError tells a body that is too large, or broken off, from CSV that is
// not.
func importError(err error, empty string) error {
	var pe *csv.ParseError
	switch {
	case errors.As(err, &pe):
		return invalidParam("body", fmt.Sprintf("line %d: %v", pe.Line, pe.Err))
	case errors.Is(err, io.EOF):
		return invalidParam("body", empty)
	}
	return errBody(err)
}

// detailOf is what a client is told of an error within an answer.
func detailOf(err error) string {
	p, _ := toProblem(err)
	return p.Detail
}

// skipBOM passes over the mark that spreadsheets put before UTF-8.
func skipBOM(r io.Reader) io.Reader {
	head := make([]byte, 3)
	n, err := io.ReadFull(r, head)
	head = head[:n]
	if string(head) == "\xef\xbb\xbf" {
		head = nil
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return io.MultiReader(strings.NewReader(string(head)), failingReader{err})
	}
	return io.MultiReader(strings.NewReader(string(head)), r)
}

type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }
