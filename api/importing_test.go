package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/store"
)

func TestImportAndExport(t *testing.T) {
	b := newBox(t)
	ctx := t.Context()
	must[client.Organization](t)(b.local.CreateOrganization(ctx, client.NewOrganization{ID: "acme", Name: "Acme"}))
	var csv, want strings.Builder
	csv.WriteString("ts,device,port,value\n")
	want.WriteString(csvHeader)
	const rows, devices = 3000, 3
	begin := time.Date(2024, 2, 28, 23, 0, 0, 0, time.UTC)
	for i := range rows {
		ts := begin.Add(time.Duration(i) * time.Second).Format(store.TimeFormat)
		for d := range devices {
			for p := 1; p <= 2; p++ {
				fmt.Fprintf(&csv, "%s,m%d,%d,%d.5\n", ts, d, p, i)
			}
		}
	}
	const all = rows * devices * 2
	var z bytes.Buffer
	zw := gzip.NewWriter(&z)
	_, _ = io.WriteString(zw, csv.String())
	_ = zw.Close()
	told := 0
	res, err := b.local.ImportReadings(ctx, bytes.NewReader(z.Bytes()), client.ImportOptions{
		OrgID: "acme", Create: true, Gzip: true, Row: func(client.ImportRow) { told++ },
	})
	if err != nil || res != (client.ImportCounts{Rows: all, Received: all, Stored: all, DevicesCreated: devices, PortsCreated: 2 * devices}) || told != 0 {
		t.Fatalf("import %+v, %v, %d rows told", res, err, told)
	}
	again := must[client.ImportCounts](t)(b.local.ImportReadings(ctx, strings.NewReader(csv.String()), client.ImportOptions{}))
	if again.Duplicate != all || again.Stored != 0 || again.DevicesCreated != 0 {
		t.Errorf("again %+v", again)
	}

	var out bytes.Buffer
	n := must[int64](t)(b.local.ExportReadings(ctx, client.ReadingQuery{}, &out))
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if int64(out.Len()) != n || len(lines) != all+1 || lines[0]+"\n" != csvHeader {
		t.Fatalf("%d lines of %d bytes, header %s", len(lines), n, lines[0])
	}
	for i, line := range lines[1:] {
		f := strings.Split(line, ",")
		ts := begin.Add(time.Duration(i/6) * time.Second).Format(store.TimeFormat)
		wantLine := fmt.Sprintf("%s,m%d,%d,%d.5,%d.5,good", ts, i%6/2, i%2+1, i/6, i/6)
		if strings.Join(f[:6], ",") != wantLine {
			t.Fatalf("line %d: %s, want %s", i, line, wantLine)
		}
	}
	// What was exported can be imported.
	back := must[client.ImportCounts](t)(b.local.ImportReadings(ctx, &out, client.ImportOptions{}))
	if back.Duplicate != all || back.Malformed != 0 {
		t.Errorf("the export again: %+v", back)
	}
	out.Reset()
	q := client.ReadingQuery{DeviceIDs: []string{"m1"}, PortNumbers: []uint16{2}, From: begin.Add(time.Second), To: begin.Add(3 * time.Second), Desc: true}
	must[int64](t)(b.local.ExportReadings(ctx, q, &out))
	if got := out.String(); strings.Count(got, "\n") != 3 || !strings.Contains(got, "\n2024-02-28T23:00:02.000Z,m1,2,2.5,2.5,good,") {
		t.Errorf("a part: %s", got)
	}
	l := must[store.Ledger](t)(b.local.Ledger(ctx))
	if l.Received != 3*all || l.Stored != all || l.Duplicate != 2*all || l.Pending != 0 {
		t.Errorf("ledger %+v", l)
	}
}

func TestImportOfBadRows(t *testing.T) {
	b := newBox(t).withSample(t)
	told := map[uint64]string{}
	res := b.importCSV(t, client.ImportOptions{OrgID: "acme", Row: func(r client.ImportRow) { told[r.Line] = r.Reason }},
		"2025-01-01T00:00:00Z,d1,1,1",   // 2
		"2025-01-01T00:00:00Z,d1,2,",    // 3
		"2025-01-01T00:00:00Z,d1,99,1",  // 4
		"2025-01-01T00:00:00Z,d1",       // 5
		"yesterday,d1,1,1",              // 6
		"2025-01-01T00:00:01Z,d1,1,abc", // 7
		"2025-01-01T00:00:01Z,d 1,1,1",  // 8
		"2025-01-01T00:00:02Z,zz,1,1",   // 9
		"2025-01-01T00:00:00Z,d1,1,2",   // 10
		"2025-01-01T00:00:03Z,d1,1,7",   // 11
		",d1,1,7",                       // 12
	)
	want := map[uint64]string{
		3: "value_missing", 4: "unknown_port", 5: "malformed_csv", 6: "ts_invalid", 7: "wrong_type",
		8: "malformed_csv", 9: "unknown_device", 10: "conflict", 12: "ts_invalid",
	}
	for line, reason := range want {
		if told[line] != reason {
			t.Errorf("line %d: %q, want %s", line, told[line], reason)
		}
	}
	if len(told) != len(want) || res.Rows != 11 || res.Malformed != 2 || res.Received != 9 || res.Stored != 2 || res.Rejected != 7 {
		t.Errorf("result %+v, told %v", res, told)
	}
	// Without an organization nobody is addressed.
	res = b.importCSV(t, client.ImportOptions{}, "1,zz,1,1", "2,d1,1,1")
	if res.Malformed != 1 || res.Stored != 1 {
		t.Errorf("without an organization: %+v", res)
	}
	// Ports by name, beside numbers that are there.
	res = b.importCSV(t, client.ImportOptions{OrgID: "acme", Create: true}, "3,d1,Power,5", "3,d1,7,5", "3,d1,70000,5", "3,d1,,5", "3,SN1,1,5")
	if res.PortsCreated != 2 || res.Stored != 2 || res.Rejected != 3 {
		t.Errorf("with names: %+v", res)
	}
	ports := must[client.List[client.Port]](t)(b.local.Ports(t.Context(), "d1"))
	if n := len(ports.Items); n != 6 || ports.Items[5].Number != 8 || ports.Items[5].Name != "Power" || ports.Items[4].Number != 7 {
		t.Errorf("ports %+v", ports.Items)
	}
}

// brokenBody ends with an error in the middle of a row.
func TestImportThatBreaksOff(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	var z bytes.Buffer
	zw := gzip.NewWriter(&z)
	_, _ = io.WriteString(zw, "ts,device,port,value\n1,d1,1,1\n")
	_ = zw.Flush()
	_, err := b.local.ImportReadings(ctx, bytes.NewReader(z.Bytes()), client.ImportOptions{Gzip: true})
	if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "broke off") {
		t.Errorf("a cut gzip: %v", err)
	}
	l := must[client.List[store.Reading]](t)(b.local.Readings(ctx, client.ReadingQuery{}))
	if len(l.Items) != 1 {
		t.Errorf("what came before is there: %d readings", len(l.Items))
	}
	// A client that goes in the middle leaves no import behind.
	for range importsAtOnce + 1 {
		ctx, cancel := context.WithCancel(t.Context())
		pr, pw := io.Pipe()
		done := make(chan error, 1)
		go func() {
			_, err := b.local.ImportReadings(ctx, pr, client.ImportOptions{})
			done <- err
		}()
		_, _ = io.WriteString(pw, "ts,device,port,value\n")
		cancel()
		if err := <-done; err == nil {
			t.Error("a cancelled import answered a result")
		}
	}
	waitFor(t, func() bool { return b.importer.running.Load() == 0 })
	b.importCSV(t, client.ImportOptions{}, "5,d1,1,1")
}

// waitFor spins until ok; the test's own deadline bounds it.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-t.Context().Done():
			t.Fatal("it never came")
		case <-tick.C:
		}
	}
}
