package client

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"tidegate/store"
)

// ReadingQuery chooses readings; zero fields choose all.
type ReadingQuery struct {
	DeviceIDs   []string
	PortNumbers []uint16  // of each of the devices
	From        time.Time // inclusive
	To          time.Time // exclusive
	Desc        bool      // newest first
	Ingested    bool      // calibrated values as said at ingest
	Page
}

func (q ReadingQuery) values() url.Values {
	v := q.Page.values()
	for _, id := range q.DeviceIDs {
		v.Add("deviceId", id)
	}
	for _, n := range q.PortNumbers {
		v.Add("portNumber", strconv.Itoa(int(n)))
	}
	setTime(v, "from", q.From)
	setTime(v, "to", q.To)
	if q.Desc {
		v.Set("order", "desc")
	}
	if q.Ingested {
		v.Set("calibration", "ingested")
	}
	return v
}

// Aggregate is a bucket of calibrated values that begins at TS.
type Aggregate struct {
	TS         store.Time `json:"ts"`
	DeviceID   string     `json:"deviceId"`
	PortNumber uint16     `json:"portNumber"`
	Count      uint64     `json:"count"`
	Sum        float64    `json:"sum"`
	Mean       float64    `json:"mean"`
	Min        float64    `json:"min"`
	Max        float64    `json:"max"`
	First      float64    `json:"first"`
	Last       float64    `json:"last"`
}

// Readings answers one page in the order (ts, device, port), or its reverse.
func (c *Client) Readings(ctx context.Context, q ReadingQuery) (List[store.Reading], error) {
	var out List[store.Reading]
	return out, c.call(ctx, http.MethodGet, "/readings", q.values(), nil, &out)
}

// Aggregates answers one page of buckets of every, aligned to the UTC epoch.
func (c *Client) Aggregates(ctx context.Context, q ReadingQuery, every time.Duration) (List[Aggregate], error) {
	v := q.values()
	v.Set("every", every.String())
	var out List[Aggregate]
	return out, c.call(ctx, http.MethodGet, "/readings", v, nil, &out)
}

// LatestReadings answers the newest reading of each port chosen by the devices
// and ports of q.
func (c *Client) LatestReadings(ctx context.Context, q ReadingQuery) (List[store.Reading], error) {
	v := ReadingQuery{DeviceIDs: q.DeviceIDs, PortNumbers: q.PortNumbers, Ingested: q.Ingested}.values()
	var out List[store.Reading]
	return out, c.call(ctx, http.MethodGet, "/readings/latest", v, nil, &out)
}

// ExportReadings streams readings as CSV with the header
// ts,device,port,rawValue,calibratedValue,quality,ingestTs into w and answers
// the bytes written. Page is ignored.
func (c *Client) ExportReadings(ctx context.Context, q ReadingQuery, w io.Writer) (int64, error) {
	return c.export(ctx, "/exports/readings.csv", q, w)
}

// ExportParquet streams readings as a Parquet file into w and answers the bytes
// written. After an error these are no file. Page is ignored.
func (c *Client) ExportParquet(ctx context.Context, q ReadingQuery, w io.Writer) (int64, error) {
	return c.export(ctx, "/exports/readings.parquet", q, w)
}

func (c *Client) export(ctx context.Context, path string, q ReadingQuery, w io.Writer) (int64, error) {
	q.Page = Page{}
	n, err := c.copyTo(ctx, w, request{method: http.MethodGet, path: path, query: q.values()})
	if err != nil {
		return n, fmt.Errorf("export readings: %w", err)
	}
	return n, nil
}

// PostTelemetry sends a payload as over MQTT, with the credentials of a device
// or of a grant; deviceID is needed for a grant. It answers the message's id:
// the message is on disk then.
func (c *Client) PostTelemetry(ctx context.Context, name, secret, deviceID string, payload []byte) (string, error) {
	v := url.Values{}
	set(v, "deviceId", deviceID)
	r := request{
		method: http.MethodPost, path: "/telemetry", query: v, body: bytes.NewReader(payload),
		header: http.Header{"Content-Type": {"application/json"}}, user: url.UserPassword(name, secret),
	}
	var out struct {
		MessageID string `json:"messageId"`
	}
	return out.MessageID, c.decode(ctx, r, &out)
}
