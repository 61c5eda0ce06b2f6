package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"tidegate/api/client"
	"tidegate/store"
)

// The newest first is the trail backwards, whatever the size of the pages and
// the filter.
func TestAuditBackwards(t *testing.T) {
	b := newBox(t).withSample(t)
	for i := range 9 {
		name := fmt.Sprint("Acme ", i)
		must[client.Organization](t)(b.local.UpdateOrganization(t.Context(), "acme", client.OrganizationChange{Name: &name}))
	}
	token := b.ann(t).AccessToken
	list := func(query string) (seqs []uint64) {
		for page := ""; ; {
			resp, body := b.do(t, http.MethodGet, "/api/v1/audit?"+query+page, token, "", "")
			var l List[store.AuditEntry]
			if err := json.Unmarshal([]byte(body), &l); err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("%s: %d %s", query, resp.StatusCode, body)
			}
			for _, e := range l.Items {
				seqs = append(seqs, e.Seq)
			}
			if l.NextCursor == "" {
				return seqs
			}
			page = "&cursor=" + l.NextCursor
		}
	}
	for _, filter := range []string{"", "&action=organization.update", "&action=nothing"} {
		want := list("limit=1000" + filter)
		slices.Reverse(want)
		for _, limit := range []int{1, 2, 3, 1000} {
			if got := list(fmt.Sprint("order=desc&limit=", limit, filter)); !slices.Equal(got, want) {
				t.Errorf("%s by %d: %v, want %v", filter, limit, got, want)
			}
		}
	}
	if resp, body := b.do(t, http.MethodGet, "/api/v1/audit?order=up", token, "", ""); resp.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("another order: %d %s", resp.StatusCode, body)
	}
}

// What is no text is answered by its bytes, and text only as text.
func TestLetterOfBytes(t *testing.T) {
	b := newBox(t).withSample(t)
	for _, payload := range [][]byte{{0xff, 0x00, 'a'}, []byte("no JSON")} {
		req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/api/v1/telemetry", bytes.NewReader(payload)))
		req.SetBasicAuth("d1", "S")
		req.Header.Set("Content-Type", "application/json")
		if resp, body := b.send(t, req); resp.StatusCode != http.StatusAccepted {
			t.Fatalf("telemetry: %d %s", resp.StatusCode, body)
		}
	}
	var letters []store.DeadLetter
	waitFor(t, func() bool {
		letters = must[client.List[store.DeadLetter]](t)(b.local.DeadLetters(t.Context(), client.DeadLetterQuery{})).Items
		return len(letters) == 2
	})
	token := b.ann(t).AccessToken
	for i, want := range []string{"", "ff0061"} { // newest first
		var l LetterDetail
		_, body := b.do(t, http.MethodGet, "/api/v1/dead-letters/"+letters[i].ID, token, "", "")
		if err := json.Unmarshal([]byte(body), &l); err != nil || l.PayloadHex != want || l.ID != letters[i].ID {
			t.Errorf("letter %d: %s", i, body)
		}
	}
}
