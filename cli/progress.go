package cli

import (
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// progress tells on standard error how far something is: a bar on a terminal,
// else a line every few seconds.
type progress struct {
	p     *program
	total int64
	text  atomic.Pointer[string]

	bars *mpb.Progress
	bar  *mpb.Bar
	last time.Time
	now  func() time.Time
}

// progressEvery is the time between two plain lines.
const progressEvery = 5 * time.Second

// newProgress begins; total 0 is an unknown end.
func (p *program) newProgress(total int64) *progress {
	g := &progress{p: p, total: total, now: time.Now}
	g.last = g.now()
	empty := ""
	g.text.Store(&empty)
	if f, ok := p.Stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) && total > 0 {
		g.bars = mpb.New(mpb.WithOutput(f), mpb.WithWidth(40))
		g.bar = g.bars.AddBar(total,
			mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Percentage(decor.WCSyncSpace)),
			mpb.AppendDecorators(decor.OnComplete(decor.AverageETA(decor.ET_STYLE_GO), ""), decor.Any(func(decor.Statistics) string {
				return "  " + *g.text.Load()
			})))
	}
	return g
}

// set tells how far it is, and what to say about it.
func (g *progress) set(n int64, text string) {
	g.text.Store(&text)
	if g.bar != nil {
		g.bar.SetCurrent(min(n, g.total-1)) // done completes it
		return
	}
	if now := g.now(); now.Sub(g.last) >= progressEvery {
		g.last = now
		if g.total > 0 {
			g.p.warn("%3d %%  %s", 100*n/g.total, text)
		} else {
			g.p.warn("%s", text)
		}
	}
}

// done takes the bar away.
func (g *progress) done() {
	if g.bar == nil {
		return
	}
	g.bar.Abort(true)
	g.bars.Wait()
}
