package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// with sends a GET with headers, alternately a key and its value, and answers
// what came of it.
func (b *box) with(t testing.TB, method, path string, headers ...string) (*http.Response, string) {
	t.Helper()
	req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), method, b.url+path, nil))
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp := must[*http.Response](t)((&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(req))
	defer func() { _ = resp.Body.Close() }()
	return resp, string(must[[]byte](t)(io.ReadAll(resp.Body)))
}

// TestRequestIDs: a client's own id is taken over when it is harmless, and is
// in the answer's header, in a problem and in each line of the log.
func TestRequestIDs(t *testing.T) {
	b := newBox(t, func(o *Options) { o.Ready = func() error { return errors.New("a cause that only the log has") } })
	for sent, kept := range map[string]bool{
		"abc-1.Z_9": true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "a b": false, `a"b`: false, "a=b": false, "ä": false, "a\tb": false, "../x": false,
	} {
		resp, body := b.with(t, "GET", "/readyz", requestIDHeader, sent)
		id := resp.Header.Get(requestIDHeader)
		if (id == sent) != kept || !harmless(id) {
			t.Errorf("%q is answered with the id %q", sent, id)
		}
		var p Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || p.RequestID != id {
			t.Errorf("%q: the problem says %q, the header %q, %v", sent, p.RequestID, id, err)
		}
		lines := 0
		for line := range strings.Lines(b.logged.String()) {
			if strings.Contains(line, "request_id="+id+" ") || strings.HasSuffix(line, "request_id="+id+"\n") {
				lines++
			}
		}
		if lines != 2 { // why it failed, and what was answered
			t.Errorf("%q: %d lines of the log have the id %s", sent, lines, id)
		}
	}
	if resp, _ := b.with(t, "GET", "/readyz"); resp.Header.Get(requestIDHeader) == "" {
		t.Error("no id was made")
	}
}

// TestLoggedAnswersHoldNoSecrets: neither queries nor headers are logged.
func TestLoggedAnswersHoldNoSecrets(t *testing.T) {
	b := newBox(t)
	b.with(t, "GET", "/api/v1/devices/s3cret-id?q=s3cret-query", "Authorization", "Bearer s3cret-token", "Cookie", "x=s3cret-cookie")
	logged := b.logged.String()
	if !strings.Contains(logged, `msg="request answered"`) || !strings.Contains(logged, "status=401") {
		t.Errorf("the answer is not in the log: %s", logged)
	}
	if strings.Contains(logged, "s3cret") {
		t.Errorf("a secret is in the log: %s", logged)
	}
}
