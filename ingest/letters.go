package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"tidegate/store"
)

// ReplayOptions say how dead letters are to be read this time.
type ReplayOptions struct {
	// UseReceivedAt takes the time of receipt where the reading's own time is
	// the fault (ts_invalid, ts_out_of_range).
	UseReceivedAt bool
	// Zone is the IANA name of the zone of times that carry none.
	Zone string
}

// ReplayLetters sends dead letters through the log once more, judged by
// today's catalogue, and waits for their verdicts. What is stored now leaves
// rejected for stored in the hour of its receipt; what is rejected again keeps
// its letter, with the new reason. While the store takes nothing the error is
// store.ErrUnavailable: at once, and nothing was sent, or after a while, and
// what was sent is in the log and goes on by itself.
func (p *Pipeline) ReplayLetters(ctx context.Context, ids []store.LetterID, o ReplayOptions) (stored, duplicate, rejected int, err error) {
	if o.Zone != "" {
		if _, err := time.LoadLocation(o.Zone); err != nil {
			return 0, 0, 0, store.Invalid("replay", "zone", "%q is not a zone such as Europe/Berlin or UTC", o.Zone)
		}
	}
	ids = slices.Clone(ids)
	slices.SortFunc(ids, func(a, b store.LetterID) int {
		if a.Seq != b.Seq {
			return cmp.Compare(a.Seq, b.Seq)
		}
		return cmp.Compare(a.Index, b.Index)
	})
	ids = slices.Compact(ids)
	if p.Trouble() != "" {
		return 0, 0, 0, replayAway("nothing was replayed; try again once it does")
	}

	var sum replaySum
	for len(ids) > 0 {
		n := 1
		for n < len(ids) && ids[n].Seq == ids[0].Seq {
			n++
		}
		m, err := p.replayMessage(ctx, ids[:n], o)
		ids = ids[n:]
		if errors.Is(err, store.ErrNotFound) {
			continue // deleted or replayed meanwhile
		}
		if err != nil {
			return sum.answer(err)
		}
		sum.wait.Add(1)
		m.Done = sum.add
		if err := p.Submit(m); err != nil {
			sum.wait.Done()
			return sum.answer(fmt.Errorf("replay dead letters: %w", err))
		}
	}
	all := make(chan struct{})
	go func() { sum.wait.Wait(); close(all) }()
	look := time.NewTicker(replayPatience)
	defer look.Stop()
	for troubled := false; ; {
		select {
		case <-all:
			return sum.answer(nil)
		case <-ctx.Done():
			return sum.answer(fmt.Errorf("wait for the replay, which goes on: %w", ctx.Err()))
		case <-look.C:
			// Twice in a row: a store that failed once is asked again at once.
			was := troubled
			if troubled = p.Trouble() != ""; troubled && was {
				return sum.answer(replayAway("what was sent is in the log, and goes on once it does"))
			}
		}
	}
}

// replayPatience is how often a replay that waits looks whether the store takes
// anything.
const replayPatience = 5 * time.Second

func replayAway(rest string) error {
	return &store.Error{Kind: store.ErrUnavailable, Noun: "replay", Msg: "the store does not take readings at present; " + rest}
}

// replaySum adds up what becomes of the messages of a replay.
type replaySum struct {
	mu                          sync.Mutex
	wait                        sync.WaitGroup
	stored, duplicate, rejected int
}

func (s *replaySum) add(r *Result) {
	s.mu.Lock()
	s.stored += r.Stored
	s.duplicate += r.Duplicate
	s.rejected += len(r.Rejected)
	s.mu.Unlock()
	s.wait.Done()
}

func (s *replaySum) answer(err error) (stored, duplicate, rejected int, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored, s.duplicate, s.rejected, err
}

// replayMessage makes the message that brings back letters of one original
// message.
func (p *Pipeline) replayMessage(ctx context.Context, ids []store.LetterID, o ReplayOptions) (*Message, error) {
	var m *Message
	for _, id := range ids {
		l, payload, err := p.o.State.DeadLetter(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read dead letter %s: %w", id, err)
		}
		if l.Size > len(payload) {
			return nil, store.Conflict("dead letter", id.String(),
				"only the first %d of its %d bytes were kept, so it cannot be replayed; send it again in smaller messages", len(payload), l.Size)
		}
		if m == nil {
			m = &Message{
				Source: SourceReplay, Principal: l.Principal, OrgID: l.OrgID, DeviceID: l.DeviceID, Topic: l.Topic,
				Payload: payload, ReceivedAt: int64(l.ReceivedAt), AnyTime: l.Source == SourceImport.String(),
				ClockUntrusted: l.ClockUntrusted,
				replay:         &replay{useReceivedAt: o.UseReceivedAt, zone: o.Zone, unregistered: l.UID == 0},
			}
			m.UID, _ = p.o.Registry.Lookup(l.OrgID, l.DeviceID)
		}
		m.replay.letters = append(m.replay.letters, id)
	}
	if m == nil {
		return nil, store.NotFound("dead letter", ids[0].String())
	}
	return m, nil
}

// letter answers the letter that the reading at index stands for.
func (r *replay) letter(index uint32) store.LetterID {
	for _, id := range r.letters {
		if id.Index == index {
			return id
		}
	}
	return store.LetterID{}
}

// judgeReplay judges the letters that a replay brings back, and no other
// reading of the payload.
func (w *writer) judgeReplay(ctx context.Context, j *judged, at int32, d *Device, known bool) error {
	m := j.m
	hour := hourOf(m.ReceivedAt)
	for _, id := range m.replay.letters {
		claimed, err := w.p.o.State.Claim(ctx, j.seq, id.Index, id)
		if err != nil {
			return fmt.Errorf("claim dead letter %s: %w", id, err)
		}
		if !claimed || (known && w.p.o.State.Rejected(j.seq, id.Index)) {
			continue // another replay brought it back, it was deleted, or it was rejected again
		}
		switch {
		case m.decoded.reason != "":
			w.reject(j, id.Index, "", m.decoded.reason, m.decoded.detail)
		case int(id.Index) < len(m.decoded.items):
			w.judgeItem(j, at, d, &m.decoded.items[id.Index], id.Index, hour, known)
		default: // it cannot be; a claim is settled all the same
			w.reject(j, id.Index, "", store.ReasonMalformedJSON, "the message has no such reading")
		}
	}
	return nil
}

func itoa(n uint16) string { return strconv.Itoa(int(n)) }
