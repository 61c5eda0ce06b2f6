package notify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tidegate/store"
)

// send tries m once: what recipients it has not reached yet.
func (d *Dispatcher) send(ctx context.Context, c *store.Channel, m *message) outcome {
	began := time.Now()
	o := d.sendTo(ctx, c, m)
	d.metrics.seconds.WithLabelValues(string(c.Type)).Observe(time.Since(began).Seconds())
	d.metrics.tries.WithLabelValues(string(c.Type), o.kind.String()).Inc()
	return o
}

func (d *Dispatcher) sendTo(ctx context.Context, c *store.Channel, m *message) outcome {
	// It was checked when it was written, perhaps by an older version.
	if err := d.Validate(*c); err != nil {
		return outcome{kind: refused, words: err.Error()}
	}
	t := channelTypes()[c.Type]
	if t.posts == nil {
		return d.mail(ctx, c, m)
	}
	all, err := t.posts(d, c, m)
	if err != nil {
		return outcome{kind: refused, words: err.Error()}
	}
	names := make([]string, len(all))
	var last outcome
	failed := outcome{kind: delivered}
	for i, r := range all {
		names[i] = r.name
		if _, no := m.refused[r.name]; no || m.done[r.name] {
			continue
		}
		o, a := d.http.do(ctx, r.post)
		if t.judge != nil {
			o = t.judge(o, a)
			o.words = words(o.words, r.post.secrets...)
		}
		last = o
		switch o.kind {
		case delivered:
			m.done[r.name] = true
			continue
		case refused:
			m.refused[r.name] = o
			continue
		}
		failed = o
		if t.ordered || o.status == "" || o.after > 0 {
			break // the others would fare no better
		}
	}
	if failed.kind == again {
		return failed
	}
	return m.conclude(names, last)
}

// conclude answers what became of a message whose recipients have all taken or
// refused it: it is delivered where one took it, and says who did not.
func (m *message) conclude(names []string, last outcome) outcome {
	var no []string
	var why outcome
	took := 0
	for _, name := range names {
		if o, ok := m.refused[name]; ok {
			why = o
			no = append(no, name)
			continue
		}
		took++
	}
	switch {
	case len(no) == 0:
		return outcome{kind: delivered, status: last.status}
	case took == 0:
		return why
	}
	return outcome{kind: delivered, status: why.status, words: fmt.Sprintf("not to %s: %s", cut(strings.Join(no, ", "), 100), why.words)}
}
