package embedded

import (
	"bytes"
	"time"
)

// trimmedAtOnce bounds what one transaction looks at, beside twice what it
// wrote, to find what is too old or too many: so it keeps up with any writer
// and takes no longer than others. The next one goes on.
const trimmedAtOnce = 64

// dropped counts what the limits took.
type dropped struct{ byAge, byNumber int }

// aged is what the limits ask of an entry.
type aged struct {
	began, ended int64
	over         bool // it may go
}

// trim drops the oldest that are too old or too many.
func (t *alertsTx) trim(o AlertsOptions, now time.Time) error {
	before := now.Add(-o.KeepFor).UnixMilli()
	keys, err := t.oldest(0, eventBucket, before, t.meta.Resolved-o.MaxEvents, func(_, v []byte) (aged, error) {
		h, _, err := readEventHead(v)
		return aged{h.startedAt, max(h.startedAt, h.endedAt), !h.open()}, err
	})
	if err != nil {
		return err
	}
	for _, id := range keys {
		h, _, err := readEventHead(t.tx.Bucket(eventBucket).Get(id))
		if err != nil {
			return err
		}
		if err := t.dropEvent(id, &h); err != nil {
			return err
		}
	}
	keys, err = t.oldest(1, notifiedBucket, before, t.meta.Final-o.MaxNotifications, func(k, v []byte) (aged, error) {
		h, _, err := readNotificationHead(v)
		at, _ := parseTimedKey(k)
		return aged{int64(at), int64(at), h.final()}, err
	})
	if err != nil {
		return err
	}
	for _, key := range keys {
		h, _, err := readNotificationHead(t.tx.Bucket(notifiedBucket).Get(key))
		if err != nil {
			return err
		}
		if err := t.dropNotification(key, &h); err != nil {
			return err
		}
	}
	return nil
}

// oldest answers which entries of a bucket, whose keys are in order of age, go:
// those that were over before a time, and the first tooMany that are over. It
// looks at some, from where the transaction before has stopped, so that it does
// not hang on many old ones that stay.
func (t *alertsTx) oldest(which int, bucket []byte, before int64, tooMany int, look func(k, v []byte) (aged, error)) (keys [][]byte, err error) {
	c := t.tx.Bucket(bucket).Cursor()
	k, v := c.First()
	if from := t.old[which]; from != nil {
		k, v = c.Seek(from)
	}
	t.old[which] = nil
	for budget := trimmedAtOnce + 2*t.put; k != nil; k, v = c.Next() {
		a, err := look(k, v)
		if err != nil {
			return nil, err
		}
		if a.began >= before && tooMany <= 0 {
			break
		}
		if budget--; budget < 0 {
			t.old[which] = bytes.Clone(k)
			break
		}
		switch {
		case !a.over:
		case a.ended < before:
			t.dropped[which].byAge++
			tooMany--
			keys = append(keys, bytes.Clone(k))
		case tooMany > 0:
			t.dropped[which].byNumber++
			tooMany--
			keys = append(keys, bytes.Clone(k))
		}
	}
	return keys, nil
}
