package api

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func readAll(t *testing.T, csv string) (rows []importRow, bad []uint64, err error) {
	t.Helper()
	rr, err := newRowReader(iotest.OneByteReader(strings.NewReader(csv)))
	if err != nil {
		return nil, nil, err
	}
	for {
		row, err := rr.read()
		if errors.Is(err, io.EOF) {
			return rows, bad, nil
		}
		if errors.As(err, new(malformedRow)) {
			bad = append(bad, row.line)
			continue
		}
		if err != nil {
			return rows, bad, err
		}
		rows = append(rows, row)
	}
}

func TestRows(t *testing.T) {
	for _, c := range []struct {
		name, csv string
		rows      int
		bad       []uint64
	}{
		{"plain", "ts,device,port,value\n2025-01-01T00:00:00Z,d1,1,2\n", 1, nil},
		{"mark, CRLF, no end", "\xef\xbb\xbfts,device,port,value\r\n1,d1,1,2\r\n\r\n2,d1,1,3", 2, nil},
		{"another order", "device,value,ts,port\nd1,2,1,1\n", 1, nil},
		{"of the export", "ts,device,port,rawValue,calibratedValue,quality,ingestTs\n1,d1,1,2,3,good,4\n", 1, nil},
		{"quotes", "ts,device,port,value\n1,\"d1\",\"Voltage, L1\",2\n", 1, nil},
		{"an open quote costs its line", "ts,device,port,value\n1,\"d1,1,2\n2,d1,1,2\n", 1, []uint64{2}},
		{"columns", "ts,device,port,value\n1,d1,1\n1,d1,1,2,3\n2,d1,1,2\n", 1, []uint64{2, 3}},
		{"a long line", "ts,device,port,value\n" + strings.Repeat("x", 3*maxRowBytes) + "\n2,d1,1,2\n", 1, []uint64{2}},
		{"a long line at the end", "ts,device,port,value\n2,d1,1,2\n" + strings.Repeat("x", 2*maxRowBytes), 1, []uint64{3}},
		{"no rows", "ts,device,port,value\n", 0, nil},
	} {
		rows, bad, err := readAll(t, c.csv)
		if err != nil || len(rows) != c.rows || len(bad) != len(c.bad) {
			t.Errorf("%s: %d rows, bad %v, %v", c.name, len(rows), bad, err)
			continue
		}
		for i := range bad {
			if bad[i] != c.bad[i] {
				t.Errorf("%s: bad lines %v, want %v", c.name, bad, c.bad)
			}
		}
		for _, r := range rows {
			if r.device != "d1" {
				t.Errorf("%s: device %q", c.name, r.device)
			}
		}
	}
}

func TestHeaders(t *testing.T) {
	for _, csv := range []string{"", "ts,device,port\n", "ts,device,port,value,colour\n", "ts,ts,device,port,value\n", "1,d1,1,2\n", "ts,device,port,value,rawValue\n", strings.Repeat("x", maxRowBytes+1)} {
		var p *Problem
		if _, _, err := readAll(t, csv); !errors.As(err, &p) || p.Status != 422 || !strings.Contains(p.Detail, "ts,device,port,value") {
			t.Errorf("header %.40q: %v", csv, err)
		}
	}
}

// TestRowsBecomePayload checks that what is no number is handed on as a
// string, so that it is judged like any reading.
func TestRowsBecomePayload(t *testing.T) {
	for _, c := range []struct{ port, value, quality, want string }{
		{"1", "2.5", "", `{"port":1,"value":2.5}`},
		{"1", "", "", `{"port":1}`},
		{"Voltage", "-1e-3", "bad", `{"port":"Voltage","value":-1e-3,"quality":"bad"}`},
		{"01", "+5", "", `{"port":"01","value":"+5"}`},
		{"1", "abc", "", `{"port":1,"value":"abc"}`},
		{"1", "NaN", "", `{"port":1,"value":"NaN"}`},
		{"1", "true", "", `{"port":1,"value":true}`},
		{"a\"b\n", ".5", "", `{"port":"a\"b\n","value":".5"}`},
		{"-1", "1.", "", `{"port":"-1","value":"1."}`},
		{"1", "1e", "", `{"port":1,"value":"1e"}`},
		{"1", "00", "", `{"port":1,"value":"00"}`},
		{"é", "0", "", `{"port":"é","value":0}`},
	} {
		r := importRow{port: c.port, value: c.value, quality: c.quality}
		if got := string(r.appendReading(nil)); got != c.want || !json.Valid([]byte(got)) {
			t.Errorf("port %q value %q: %s, want %s", c.port, c.value, got, c.want)
		}
	}
}

func FuzzIsNumber(f *testing.F) {
	for _, s := range []string{"0", "-0", "1.5e+3", "01", "1.", ".5", "", "-", "1e", "1E9", "0x1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := json.Valid([]byte(s)) && s != "" && (s[0] == '-' || (s[0] >= '0' && s[0] <= '9')) && strings.TrimSpace(s) == s
		if got := isNumber(s); got != want {
			t.Errorf("isNumber(%q) = %v", s, got)
		}
	})
}
