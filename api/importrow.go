package api

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// importRow is a row of CSV; its fields are of the reader's memory.
type importRow struct {
	line                             uint64
	ts, device, port, value, quality string
}

// rowReader reads CSV line by line, so that a quote that is never closed costs
// its line and not the rest.
type rowReader struct {
	r      *bufio.Reader
	line   uint64
	column map[string]int
	width  int
	fields []string
}

const maxRowBytes = 64 << 10

// A file as readings export writes it can be read back: rawValue is the value,
// what tidegate added is passed over.
var rowColumns = []string{"ts", "device", "port", "value", "rawvalue", "quality", "calibratedvalue", "ingestts"}

// malformedRow says why a line is no row; the next one may be.
type malformedRow struct{ detail string }

func (m malformedRow) Error() string { return m.detail }

// newRowReader reads the header.
func newRowReader(r io.Reader) (*rowReader, error) {
	rr := &rowReader{r: bufio.NewReaderSize(skipBOM(r), maxRowBytes)}
	const want = "the header is ts,device,port,value"
	line, err := rr.next()
	var bad malformedRow
	switch {
	case errors.As(err, &bad):
		return nil, invalidParam("body", bad.detail+"; "+want)
	case err != nil:
		return nil, importError(err, "it is empty; "+want)
	}
	header, err := split(nil, line)
	if err != nil {
		return nil, invalidParam("body", err.Error()+"; "+want)
	}
	if rr.column, err = columnsOf(header, rowColumns); err != nil {
		return nil, err
	}
	if i, ok := rr.column["rawvalue"]; ok {
		if _, both := rr.column["value"]; both {
			return nil, invalidParam("body", "it has a column value and a column rawValue; "+want)
		}
		rr.column["value"] = i
	}
	for _, k := range rowColumns[:4] {
		if _, ok := rr.column[k]; !ok {
			return nil, invalidParam("body", fmt.Sprintf("column %s is missing; %s", k, want))
		}
	}
	rr.width = len(header)
	return rr, nil
}

// next answers the next line that is not blank, without its end.
func (rr *rowReader) next() (string, error) {
	for {
		b, err := rr.r.ReadSlice('\n')
		if len(b) > 0 {
			rr.line++
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = rr.r.ReadSlice('\n')
			}
			if err == nil || errors.Is(err, io.EOF) {
				return "", malformedRow{fmt.Sprintf("the line is longer than %d bytes", maxRowBytes)}
			}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		if line := bytes.TrimRight(b, "\r\n"); len(bytes.TrimSpace(line)) > 0 {
			return string(line), nil
		}
		if err != nil {
			return "", io.EOF
		}
	}
}

// read answers the next row, a malformedRow, io.EOF, or why the body broke off.
func (rr *rowReader) read() (importRow, error) {
	line, err := rr.next()
	row := importRow{line: rr.line}
	if err != nil {
		return row, err
	}
	rr.fields, err = split(rr.fields[:0], line)
	if err != nil {
		return row, malformedRow{err.Error()}
	}
	if len(rr.fields) != rr.width {
		return row, malformedRow{fmt.Sprintf("has %d columns, the header has %d", len(rr.fields), rr.width)}
	}
	row.ts, row.device = rr.fields[rr.column["ts"]], rr.fields[rr.column["device"]]
	row.port, row.value = rr.fields[rr.column["port"]], rr.fields[rr.column["value"]]
	if i, ok := rr.column["quality"]; ok {
		row.quality = rr.fields[i]
	}
	return row, nil
}

// split cuts a line at its commas; with quotes it is read as RFC 4180 says.
func split(fields []string, line string) ([]string, error) {
	if strings.Contains(line, `"`) {
		rec, err := csv.NewReader(strings.NewReader(line)).Read()
		var pe *csv.ParseError
		if errors.As(err, &pe) {
			return nil, fmt.Errorf("column %d: %w", pe.Column, pe.Err)
		}
		return slices.Concat(fields, rec), err
	}
	for {
		f, rest, more := strings.Cut(line, ",")
		fields = append(fields, strings.TrimSpace(f))
		if !more {
			return fields, nil
		}
		line = rest
	}
}

// appendReading appends the row's port, value and quality as over MQTT. What
// is no number goes as a string, so that it is judged, and kept, like any
// reading.
func (r *importRow) appendReading(b []byte) []byte {
	b = append(b, `{"port":`...)
	if isIndex(r.port) {
		b = append(b, r.port...)
	} else {
		b = appendString(b, r.port)
	}
	if r.value != "" {
		b = append(b, `,"value":`...)
		b = appendScalar(b, r.value)
	}
	if r.quality != "" {
		b = append(b, `,"quality":`...)
		b = appendString(b, r.quality)
	}
	return append(b, '}')
}

func appendScalar(b []byte, s string) []byte {
	if s == "true" || s == "false" || isNumber(s) {
		return append(b, s...)
	}
	return appendString(b, s)
}

func appendString(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			q, _ := json.Marshal(s) // a string always encodes
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// isIndex reports whether s is a whole number as JSON writes it.
func isIndex(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && (s[0] != '0' || len(s) == 1)
}

// isNumber reports whether s is a JSON number (RFC 8259, section 6).
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	digits := func() int {
		n := 0
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		return n
	}
	n := digits()
	if n == 0 || (n > 1 && s[0] == '0') {
		return false
	}
	if s = s[n:]; strings.HasPrefix(s, ".") {
		s = s[1:]
		if n = digits(); n == 0 {
			return false
		}
		s = s[n:]
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		s = s[1:]
		if s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		if n = digits(); n == 0 {
			return false
		}
		s = s[n:]
	}
	return s == ""
}
