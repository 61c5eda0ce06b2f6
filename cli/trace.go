package cli

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// traceRow is one row of CSV ts,device,port,value, as it stands in the file.
type traceRow struct {
	line   uint64
	ts     string
	at     time.Time // of ts; zero when ts cannot be read
	device string
	port   string
	value  string
}

// traceReader reads rows in the order of the file. A row that has not four
// fields is told to malformed and passed over.
type traceReader struct {
	csv       *csv.Reader
	malformed func(line uint64, detail string)
}

// newTraceReader begins behind the header, which is optional.
func newTraceReader(in io.Reader, compressed bool, malformed func(uint64, string)) (*traceReader, error) {
	if compressed {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		in = z
	}
	r := csv.NewReader(in)
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	r.TrimLeadingSpace = true
	return &traceReader{csv: r, malformed: malformed}, nil
}

// next answers io.EOF at the end.
func (t *traceReader) next() (traceRow, error) {
	for {
		f, err := t.csv.Read()
		var fault *csv.ParseError
		switch {
		case errors.As(err, &fault):
			t.malformed(uint64(fault.Line), fault.Err.Error())
			continue
		case err != nil:
			return traceRow{}, err
		}
		n, _ := t.csv.FieldPos(0)
		line := uint64(n)
		if line == 1 {
			f[0] = strings.TrimPrefix(f[0], "\ufeff")
			if f[0] == "ts" {
				continue
			}
		}
		if len(f) != 4 {
			t.malformed(line, fmt.Sprintf("%d fields, want ts,device,port,value", len(f)))
			continue
		}
		r := traceRow{line: line, ts: f[0], device: f[1], port: f[2], value: f[3]}
		r.at = recordedTime(r.ts)
		return r, nil
	}
}

// recordedTime reads RFC 3339 with its zone, or epoch seconds or milliseconds;
// zero: neither.
func recordedTime(text string) time.Time {
	if text == "" || text[0] < '0' || text[0] > '9' {
		return time.Time{}
	}
	t, err := parseTime(text, time.Time{})
	if err != nil {
		return time.Time{}
	}
	return t
}

// traceMessage is the rows of one device and time as one telemetry message.
type traceMessage struct {
	device  string
	ts      string
	at      time.Time // as recorded
	payload []byte
	rows    int
}

// The bounds of one message of a replay, well below those of the server.
const (
	maxMessageRows  = 5_000
	maxMessageBytes = 512 << 10
)

// takes reports whether r belongs to the same message.
func (m *traceMessage) takes(r traceRow) bool {
	return m.rows > 0 && m.device == r.device && m.ts == r.ts && m.rows < maxMessageRows && len(m.payload) < maxMessageBytes
}

// add appends r. shift moves a time that can be read; one that cannot goes out
// as it stands, for the server to judge.
func (m *traceMessage) add(r traceRow, shift time.Duration) {
	if m.rows == 0 {
		m.device, m.ts, m.at = r.device, r.ts, r.at
		ts := number(r.ts)
		if !r.at.IsZero() && shift != 0 {
			ts = quoted(r.at.Add(shift).UTC().Format(time.RFC3339Nano))
		}
		m.payload = append(append([]byte(`{"ts":`), ts...), `,"readings":[`...)
	} else {
		m.payload = append(m.payload, ',')
	}
	m.rows++
	m.payload = append(m.payload, `{"port":`...)
	if n, err := strconv.ParseUint(r.port, 10, 32); err == nil {
		m.payload = strconv.AppendUint(m.payload, n, 10)
	} else {
		m.payload = append(m.payload, quoted(r.port)...)
	}
	if r.value != "" { // empty: the reading has no value, and is to be rejected so
		m.payload = append(append(m.payload, `,"value":`...), number(r.value)...)
	}
	m.payload = append(m.payload, '}')
}

// end answers the whole payload.
func (m *traceMessage) end() []byte { return append(m.payload, "]}"...) }

func quoted(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		return []byte(`""`) // a string always encodes
	}
	return b
}

// number answers the text as it stands when JSON takes it for a number, the
// same number as JSON writes it, or else a string.
func number(text string) []byte {
	if f, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) {
		if json.Valid([]byte(text)) {
			return []byte(text)
		}
		return strconv.AppendFloat(nil, f, 'g', -1, 64)
	}
	return quoted(text)
}
