package api

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"tidegate/api/client"
	"tidegate/store"
)

func unzip(t *testing.T, b string) string {
	t.Helper()
	z := must[*gzip.Reader](t)(gzip.NewReader(strings.NewReader(b)))
	return string(must[[]byte](t)(io.ReadAll(z)))
}

// manyRows are readings of d1, a second apart.
func manyRows(n int) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf("%d,d1,1,%d", 1_700_000_000_000+i*1000, i)
	}
	return rows
}

func TestCompressedAnswers(t *testing.T) {
	secret := strings.Repeat("a backup of secrets ", 1000)
	b := newBox(t, func(o *Options) {
		o.Backup = func(_ context.Context, w io.Writer) error {
			_, err := io.WriteString(w, secret)
			return err
		}
	}).withSample(t)
	token := "Bearer " + b.ann(t).AccessToken
	b.importCSV(t, clientOrg("acme"), manyRows(5000)...)
	must[client.Device](t)(b.local.CreateDevice(t.Context(), client.NewDevice{ID: "large", OrgID: "acme", PortCount: 100}))
	for _, c := range []struct {
		path, accept string
		zipped, vary bool
	}{
		{"/api/v1/readings?limit=5000", "gzip", true, true},
		{"/api/v1/readings?limit=5000", "", false, true},
		{"/api/v1/readings?limit=5000", "br, gzip;q=0.5", true, true},
		{"/api/v1/readings?limit=5000", "gzip;q=0", false, true},
		{"/api/v1/readings?limit=5000", "identity", false, true},
		{"/api/v1/readings?limit=5000", "*", true, true},
		{"/api/v1/readings?limit=5000&every=1s", "gzip", true, true},
		{"/api/v1/readings?limit=2", "gzip", false, true}, // small
		{"/api/v1/exports/readings.csv", "gzip", true, true},
		{"/api/v1/devices?ports=true", "gzip", true, true},
		{"/api/v1/devices/none", "gzip", false, true},
		{"/openapi.json", "gzip", true, true},
		{"/docs", "gzip", true, true},
		{"/api/v1/backup", "gzip", false, false}, // it is compressed by itself
	} {
		plain, want := b.with(t, "GET", c.path, "Authorization", token)
		resp, body := b.with(t, "GET", c.path, "Authorization", token, "Accept-Encoding", c.accept)
		zipped := resp.Header.Get("Content-Encoding") == "gzip"
		if zipped != c.zipped || (resp.Header.Get("Vary") == "Accept-Encoding") != c.vary {
			t.Errorf("%s for %q: Content-Encoding %q, Vary %q", c.path, c.accept, resp.Header.Get("Content-Encoding"), resp.Header.Get("Vary"))
		}
		if zipped {
			if len(body) > len(want)/2 {
				t.Errorf("%s: %d bytes of %d are left", c.path, len(body), len(want))
			}
			body = unzip(t, body)
		}
		if body != want && !strings.Contains(want, "requestId") || resp.StatusCode != plain.StatusCode || resp.Header.Get("Content-Type") != plain.Header.Get("Content-Type") {
			t.Errorf("%s for %q: another answer: %d, %d bytes for %d", c.path, c.accept, resp.StatusCode, len(body), len(want))
		}
		if zipped && resp.ContentLength >= 0 && resp.ContentLength != int64(len(body)) && resp.Header.Get("Content-Length") == fmt.Sprint(len(want)) {
			t.Errorf("%s: Content-Length of the plain answer", c.path)
		}
	}
	// What answers secrets is never compressed, and neither is anything that changes something.
	req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), "POST", b.url+"/api/v1/devices/import",
		strings.NewReader("id,org\n"+strings.Join(numbered("new%d,acme", 100), "\n"))))
	req.Header.Set("Accept-Encoding", "gzip")
	req.Header.Set("Authorization", token)
	resp := must[*http.Response](t)(http.DefaultTransport.RoundTrip(req))
	made := must[[]byte](t)(io.ReadAll(resp.Body))
	_ = resp.Body.Close()
	if len(made) < gzipFrom || !bytes.Contains(made, []byte(`"secret"`)) || resp.Header.Get("Content-Encoding") != "" {
		t.Errorf("an answer with secrets: %v %d bytes", resp.Header, len(made))
	}
}

func numbered(format string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(format, i)
	}
	return out
}

// TestCompressedStreamsFlow: what is flushed arrives, though the answer goes on.
func TestCompressedStreamsFlow(t *testing.T) {
	b := newBox(t).withSample(t)
	pr, pw := io.Pipe()
	req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), "POST", b.url+"/api/v1/imports/readings", pr))
	req.Header.Set("Authorization", "Bearer "+b.ann(t).AccessToken)
	req.Header.Set("Content-Type", "text/csv")
	req.Header.Set("Accept-Encoding", "gzip")
	go func() { _, _ = io.WriteString(pw, "ts,device,port,value\nbroken\n") }()
	resp := must[*http.Response](t)((&http.Transport{DisableCompression: true}).RoundTrip(req))
	defer func() { _ = resp.Body.Close() }()
	if resp.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	lines := bufio.NewScanner(must[*gzip.Reader](t)(gzip.NewReader(resp.Body)))
	var l ImportLine
	for l.Type != "progress" && lines.Scan() {
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
	}
	if l.Type != "progress" { // while the body has not ended
		t.Fatalf("%+v, %v", l, lines.Err())
	}
	_ = pw.Close()
	for lines.Scan() {
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
	}
	if l.Type != "result" || l.Malformed != 1 || lines.Err() != nil {
		t.Errorf("%+v, %v", l, lines.Err())
	}
}

// TestBrokenCompressedStreams: half an answer is not taken for a whole one, and
// its compressor is given back.
func TestBrokenCompressedStreams(t *testing.T) {
	b := newBox(t, func(o *Options) { o.Readings = failingLater{o.Readings} }).withSample(t)
	token := "Bearer " + b.ann(t).AccessToken
	b.importCSV(t, clientOrg("acme"), manyRows(scanPiece+1)...)
	for range gzipsAtOnce + 1 {
		req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), "GET", b.url+"/api/v1/exports/readings.csv", nil))
		req.Header.Set("Authorization", token)
		resp := must[*http.Response](t)(http.DefaultClient.Do(req)) // asks for gzip by itself
		_, err := io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err == nil || !resp.Uncompressed {
			t.Fatalf("a broken answer: %v, compressed %v", err, resp.Uncompressed)
		}
	}
	// The client sees the end a moment before the server is done with it.
	waitFor(t, func() bool { return len(b.gzips.slots) == 0 })
}

// TestCompressorsAreBounded: who comes when all are taken gets it as it is.
func TestCompressorsAreBounded(t *testing.T) {
	b := newBox(t)
	for range gzipsAtOnce {
		b.gzips.slots <- struct{}{}
	}
	resp, body := b.with(t, "GET", "/openapi.json", "Accept-Encoding", "gzip")
	if resp.StatusCode != 200 || resp.Header.Get("Content-Encoding") != "" || !json.Valid([]byte(body)) {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	<-b.gzips.slots
	if resp, _ := b.with(t, "GET", "/openapi.json", "Accept-Encoding", "gzip"); resp.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("with one free: %v", resp.Header)
	}
}

// failingLater is a store whose second piece of an answer fails.
type failingLater struct{ store.Readings }

func (f failingLater) Scan(ctx context.Context, q store.Scan) ([]store.Row, error) {
	if q.After != nil {
		return nil, errors.New("it fails later")
	}
	return f.Readings.Scan(ctx, q)
}
