package cli

import (
	"bytes"
	"testing"
	"time"
)

// TestProgressLines: where there is no terminal a line comes every few seconds,
// with how far it is where the end is known.
func TestProgressLines(t *testing.T) {
	for _, tt := range []struct {
		total int64
		want  string
	}{{200, " 50 %  half\n 75 %  more\n"}, {0, "half\nmore\n"}} {
		var out bytes.Buffer
		p := &program{Process: Process{Stderr: &out}}
		g := p.newProgress(tt.total)
		now := g.last
		g.now = func() time.Time { return now }
		for _, step := range []struct {
			after time.Duration
			n     int64
			text  string
		}{{time.Second, 10, "soon"}, {4 * time.Second, 100, "half"}, {4 * time.Second, 120, "soon"}, {time.Second, 150, "more"}} {
			now = now.Add(step.after)
			g.set(step.n, step.text)
		}
		g.done()
		if got := out.String(); got != tt.want {
			t.Errorf("of %d: %q, want %q", tt.total, got, tt.want)
		}
	}
}
