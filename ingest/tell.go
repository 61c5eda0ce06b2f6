package ingest

import (
	"tidegate/ingest/live"
	"tidegate/store"
)

// tell says what became of the batch: to whoever waits for a message, to live
// watchers, and to people where something was rejected.
func (w *writer) tell() {
	p := w.p
	p.metrics.messages.Add(float64(len(w.msgs)))
	if hub := p.o.Live; hub != nil && hub.Active() {
		if hub.Wants(live.KindReading, "") {
			w.publish()
		}
		w.inspect()
	}
	for i := range w.msgs {
		j := &w.msgs[i]
		for k := range j.letters {
			l := &j.letters[k]
			p.metrics.rejected.WithLabelValues(string(l.Reason)).Inc()
			p.lines.tell(j.m, l)
		}
		if done, ok := p.waiting.LoadAndDelete(j.seq); ok {
			done.(func(*Result))(&Result{Message: j.m, Seq: j.seq, Stored: j.stored, Duplicate: j.dups, Rejected: j.letters})
		}
		putDecoded(j.m.decoded)
		j.m.decoded = nil
	}
}

// publish shows the stored readings to live watchers.
func (w *writer) publish() {
	hub, events := w.p.o.Live, w.events[:0]
	last, wanted := int32(-1), false // message, and whether anybody watches its device
	for i := range w.batch.Items {
		it, port := &w.batch.Items[i], w.place[i].port
		if msg := w.place[i].msg; msg != last {
			last, wanted = msg, hub.Wants(live.KindReading, w.msgs[msg].m.DeviceID)
		}
		if !wanted {
			continue
		}
		if it.Verdict != store.VerdictStored || port == nil {
			continue
		}
		if it.Seq <= w.ahead.shown {
			continue
		}
		events = append(events, readingEvent(w.msgs[w.place[i].msg].m, port, it.Sample))
	}
	hub.Publish(events)
	clear(events)
	w.events = events[:0]
}
