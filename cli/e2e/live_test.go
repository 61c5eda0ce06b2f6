package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLiveDocument runs the program of docs/live.md: it shows what there is, and
// what comes.
func TestLiveDocument(t *testing.T) {
	needProgram(t, "node")
	s := newAcme(t)
	publish := func(payload string, stored int64) {
		s.publish(t, "d1", "SECRET", "org/acme/device/d1/telemetry", payload, 1)
		s.wantStored(t, stored)
	}
	publish(`{"readings":[{"port":1,"value":230.5}]}`, 1)
	var key struct{ Key string }
	s.json(&key, "apikey", "add", "--name", "live", "--scopes", "read")
	t.Setenv("TIDEGATE_API_KEY", key.Key)
	script := filepath.Join(t.TempDir(), "live.js")
	text := with(t, readDocument(t, "live.md").block(t, "A first look", "js", 0), "localhost:8080", s.http)
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := run(t, "node", "--experimental-websocket", script) // what version 22 has by itself
	wantLine := func(line string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !strings.Contains(p.out.String(), line+"\n"); <-time.After(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("it does not show %q", line)
			}
		}
	}
	wantLine("d1 1 230.5")
	publish(`{"readings":[{"port":2,"value":7}]}`, 2)
	wantLine("d1 2 7")
}
