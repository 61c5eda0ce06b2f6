package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// ImportOptions say how CSV becomes readings.
type ImportOptions struct {
	OrgID  string // of devices to be made; also addressed by rows of unknown devices
	Create bool   // make missing devices and ports; needs OrgID
	Gzip   bool   // the body is compressed
	// Progress, when not nil, is told the counts every second or so.
	Progress func(ImportCounts)
	// Row, when not nil, is told of each row that was malformed or rejected, up
	// to the server's limit; the counts hold all.
	Row func(ImportRow)
}

// ImportCounts is how far an import is: Received = Stored + Duplicate +
// Rejected once it is done. Malformed rows are outside: nothing was received.
type ImportCounts struct {
	Rows           uint64 `json:"rows"` // read so far, without the header
	Malformed      uint64 `json:"malformed"`
	Received       uint64 `json:"received"`
	Stored         uint64 `json:"stored"`
	Duplicate      uint64 `json:"duplicate"`
	Rejected       uint64 `json:"rejected"`
	DevicesCreated uint64 `json:"devicesCreated"`
	PortsCreated   uint64 `json:"portsCreated"`
}

// ImportRow is a row that did not become a reading.
type ImportRow struct {
	Line   uint64 `json:"line"`
	Reason string `json:"reason"` // malformed_csv, or that of the dead letter
	Detail string `json:"detail"`
}

// ImportReadings streams CSV with the header ts,device,port,value. An import
// that was cut off may be repeated from its start: what is stored is a
// duplicate then.
func (c *Client) ImportReadings(ctx context.Context, csv io.Reader, o ImportOptions) (ImportCounts, error) {
	v := url.Values{}
	set(v, "orgId", o.OrgID)
	if o.Create {
		v.Set("create", "true")
	}
	h := http.Header{"Content-Type": {"text/csv"}}
	if o.Gzip {
		h.Set("Content-Encoding", "gzip")
	}
	// The pipe lets go of a reader that stalls (a terminal) when ctx ends; a
	// Read under way ends by itself.
	body, feed := io.Pipe()
	defer func() { _ = body.Close() }()
	defer context.AfterFunc(ctx, func() { _ = feed.CloseWithError(ctx.Err()) })()
	go func() {
		_, err := io.Copy(feed, csv)
		_ = feed.CloseWithError(err) // never fails
	}()
	resp, err := c.send(ctx, request{method: http.MethodPost, path: "/imports/readings", query: v, body: body, header: h})
	if err != nil {
		return ImportCounts{}, fmt.Errorf("import readings: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	var last ImportCounts
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 64<<10), 1<<20)
	for lines.Scan() {
		var l struct {
			Type string `json:"type"`
			ImportCounts
			ImportRow
			Problem *Problem `json:"problem"`
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return last, fmt.Errorf("import readings: decode progress: %w", err)
		}
		switch l.Type {
		case "row":
			if o.Row != nil {
				o.Row(l.ImportRow)
			}
		case "progress":
			last = l.ImportCounts
			if o.Progress != nil {
				o.Progress(last)
			}
		case "result":
			return l.ImportCounts, nil
		case "error":
			if l.Problem == nil {
				return l.ImportCounts, errors.New("import readings: the server gave up")
			}
			return l.ImportCounts, fmt.Errorf("import readings: %w", l.Problem)
		}
	}
	if err := lines.Err(); err != nil {
		return last, fmt.Errorf("import readings: %w", err)
	}
	return last, fmt.Errorf("import readings: %w", io.ErrUnexpectedEOF)
}

// upload posts CSV and decodes the JSON answer.
func (c *Client) upload(ctx context.Context, path string, csv io.Reader, out any) error {
	return c.decode(ctx, request{
		method: http.MethodPost, path: path, body: csv,
		header: http.Header{"Content-Type": {"text/csv"}},
	}, out)
}

// decode sends r and decodes the JSON answer.
func (c *Client) decode(ctx context.Context, r request, out any) error {
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("decode answer of %s %s: %w", r.method, r.path, err)
	}
	return nil
}
