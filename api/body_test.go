package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"tidegate/api/client"
)

func clientOrg(id string) client.ImportOptions { return client.ImportOptions{OrgID: id} }

// TestBodies: what is ambiguous, or is none, is refused with its reason.
func TestBodies(t *testing.T) {
	b := newBox(t).withSample(t)
	token := b.ann(t).AccessToken
	made := 0
	for _, c := range []struct {
		path, contentType, body string
		status                  int
		says                    string
	}{
		{"organizations", "application/json", `{"id":"ID","name":"x"}`, 201, ""},
		{"organizations", "", `{"id":"ID","name":"x"}`, 201, ""},
		{"organizations", "application/json; charset=utf-8", `{"id":"ID","name":"x"}`, 201, ""},
		{"organizations", "Application/JSON;charset=\"UTF-8\"; x=y", `{"id":"ID","name":"x"}`, 201, ""},
		{"organizations", "application/merge-patch+json", `{"id":"ID","name":"x"}`, 201, ""},
		{"organizations", "application/json;", ` {"id":"ID","name":"x"} ` + "\r\n", 201, ""},
		{"organizations", "application/json", "", 400, "is empty"},
		{"organizations", "application/json", "null", 400, "null at byte 4"},
		{"organizations", "application/json", `{"id":"ID","name":null}`, 400, "leave the key out"},
		{"organizations", "application/json", "[]", 422, "expected object"},
		{"organizations", "application/json", `{"id":"ID","name":"x"`, 400, "unexpected end"},
		{"organizations", "application/json", `{"id":"ID","name":"x","name":"y"}`, 400, `the key "name" is there twice`},
		{"organizations", "application/json", `{"id":"ID","name":"x","Name":"y"}`, 400, `"Name" is there twice`},
		{"organizations", "application/json", `{"id":"ID","name":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, 400, "32 levels"},
		{"organizations", "application/json", "{\"id\":\"ID\",\"name\":\"\xff\"}", 400, "UTF-8"},
		{"organizations", "application/json", `{"id":"ID","name":NaN}`, 400, "invalid character"},
		{"organizations", "application/json", `{"id":"ID","name":"x","` + strings.Repeat("y", 100_000) + `":1}`, 422, "unexpected property"},
		{"organizations", "application/json", `{"id":"ID","name":"x"` + manyKeys(1000) + `}`, 422, "unexpected property"},
		{"devices", "application/json", `{"id":"x","orgId":"acme","portCount":4.0}`, 422, "body.portCount: number 4.0 is not taken here; write a whole number"},
		{"devices", "application/json", `{"id":"x","orgId":"acme","portCount":1e1}`, 422, "body.portCount: number 1e1 is not taken here; write a whole number"},
		{"organizations", "text/plain", `{"id":"ID","name":"x"}`, 415, `"text/plain" is not taken here; send application/json`},
		{"organizations", "multipart/form-data; boundary=x", "--x--", 415, "application/json"},
		{"organizations", "application/x-www-form-urlencoded", "id=ID", 415, "application/json"},
		{"organizations", "json", `{}`, 415, "application/json"},
		{"organizations", "application/json/x", `{}`, 415, "application/json"},
		{"devices/import", "text/csv; header=present", "id,org\n", 200, ""},
		{"devices/import", "", "id,org\n", 200, ""},
		{"devices/import", "", "", 422, "the header id,org,serial,secret,ports is missing"},
		{"devices/import", "multipart/form-data; boundary=x", "--x--", 415, "text/csv"},
		{"devices/import", "application/json", "[]", 415, "text/csv"},
		{"imports/readings", "application/json", "[]", 415, "application/gzip or text/csv"},
		{"imports/readings", "application/octet-stream", "ts,device,port,value\n", 200, ""},
		{"imports/readings", "", "", 422, "empty"},
	} {
		made++
		resp, body := b.do(t, "POST", "/api/v1/"+c.path, token, c.contentType, strings.ReplaceAll(c.body, "ID", fmt.Sprintf("o%d", made)))
		if resp.StatusCode != c.status || !strings.Contains(strings.ReplaceAll(body, `\"`, `"`), c.says) {
			t.Errorf("%s %q %.60q: %d %.300s", c.path, c.contentType, c.body, resp.StatusCode, body)
		}
		if c.status >= 400 && (!strings.Contains(body, `"code"`) || len(body) > 4000) {
			t.Errorf("%s %q: %.300s", c.path, c.contentType, body)
		}
	}
	// A device's readings are kept, whatever the library calls them.
	for _, contentType := range []string{"", "text/plain", "application/x-www-form-urlencoded"} {
		req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), "POST", b.url+telemetryPath, strings.NewReader(`{"readings":[{"port":1,"value":1}]}`)))
		req.SetBasicAuth("d1", "S")
		req.Header.Set("Content-Type", contentType)
		resp := must[*http.Response](t)(http.DefaultClient.Do(req))
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			t.Errorf("telemetry as %q: %d", contentType, resp.StatusCode)
		}
	}
}

// TestBodiesThatBreakOff are their sender's fault, and not the server's.
func TestBodiesThatBreakOff(t *testing.T) {
	b := newBox(t).withSample(t)
	token := b.ann(t).AccessToken
	for _, path := range []string{"/api/v1/organizations", "/api/v1/devices/import", "/api/v1/telemetry"} {
		auth := "Bearer " + token
		if path == telemetryPath {
			auth = "Basic ZDE6Uw=="
		}
		c := b.dialRaw(t)
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnot a chunk\r\n", path, auth)
		resp := must[*http.Response](t)(http.ReadResponse(bufio.NewReader(c), nil))
		body := must[[]byte](t)(io.ReadAll(resp.Body))
		var p Problem
		if err := json.Unmarshal(body, &p); err != nil || resp.StatusCode != http.StatusBadRequest || !strings.Contains(p.Detail, "broke off") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	if strings.Contains(b.logged.String(), "request failed") {
		t.Errorf("the log takes it for a fault of the server: %s", b.logged)
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"k%d":1`, i)
	}
	return b.String()
}
