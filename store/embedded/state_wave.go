package embedded

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"tidegate/store"
)

// wave is what Reject was told and the file does not have yet. Its rejections
// are only appended to, so that a reader may keep the slice.
type wave struct {
	through    uint64
	rejections []store.Rejection // Seq is the public position
	index      map[store.LetterID]*store.Letter
	changed    map[store.LetterID]change // letters of the file, or of rejections
	verdicts   []verdict
	hours      store.HourCounts
	reasons    map[store.Reason]int64
	total      int64
	bytes      int
}

// change is what a settlement does to a letter.
type change struct {
	gone   bool
	reason store.Reason
	detail string
}

func newWave(through uint64) *wave {
	return &wave{
		through: through, index: map[store.LetterID]*store.Letter{}, changed: map[store.LetterID]change{},
		hours: store.HourCounts{}, reasons: map[store.Reason]int64{},
	}
}

// empty reports whether there is nothing but a position.
func (w *wave) empty() bool {
	return len(w.rejections) == 0 && len(w.changed) == 0 && len(w.verdicts) == 0 && len(w.hours) == 0
}

func (w *wave) full() bool {
	return max(len(w.index)+len(w.changed), len(w.verdicts)) >= waitingLetters || w.bytes >= waitingBytes
}

// add takes a rejection whose Seq is the public position.
func (w *wave) add(r store.Rejection) {
	r.Payload = bytes.Clone(r.Payload)
	r.Letters = slices.Clone(r.Letters)
	slices.SortFunc(r.Letters, func(a, b store.Letter) int { return cmp.Compare(a.Index, b.Index) })
	w.rejections = append(w.rejections, r)
	w.bytes += len(r.Payload)
	for i := range r.Letters {
		l := &r.Letters[i]
		w.index[store.LetterID{Seq: r.Seq, Index: l.Index}] = l
		w.reasons[l.Reason]++
		w.bytes += len(l.Detail) + len(l.Port) + 64
	}
	w.count(hourOf(r.ReceivedAt), r.UID, int64(len(r.Letters)))
}

func (w *wave) count(hour int64, uid uint32, n int64) {
	w.hours.Add(hour, uid, n)
	w.total += n
}

// change applies to a letter whose reason is was.
func (w *wave) change(id store.LetterID, was store.Reason, c change) {
	w.reasons[was]--
	if !c.gone {
		w.reasons[c.reason]++
	}
	w.changed[id] = c
	w.bytes += len(c.detail) + 64
}

// overlay is a wave as a reader may keep it after the lock is released.
type overlay struct {
	rejections []store.Rejection
	changed    map[store.LetterID]change
}

func (w *wave) overlay() overlay {
	return overlay{rejections: w.rejections, changed: maps.Clone(w.changed)}
}

// apply answers the letter as it is after its change, and whether it is there.
func (o overlay) apply(id store.LetterID, l store.Letter) (store.Letter, bool) {
	if c, ok := o.changed[id]; ok {
		if c.gone {
			return l, false
		}
		l.Reason, l.Detail = c.reason, c.detail
	}
	return l, true
}

// hourOf answers the Unix hour of ms.
func hourOf(ms int64) int64 { return floorDiv(ms, 3_600_000) }
