package embedded

import (
	"context"
	"encoding/json"
	"fmt"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

type silenceRecord struct {
	OrgID     string            `json:"org"`
	Comment   string            `json:"comment"`
	DeviceIDs []string          `json:"devices,omitempty"`
	RuleIDs   []string          `json:"rules,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	StartsAt  int64             `json:"starts"`
	EndsAt    *int64            `json:"ends,omitempty"`
	Schedule  *scheduleRecord   `json:"schedule,omitempty"`
	CreatedBy string            `json:"by"`
	CreatedAt int64             `json:"created"`
}

type scheduleRecord struct {
	Days []store.Weekday `json:"days,omitempty"`
	From string          `json:"from,omitempty"`
	To   string          `json:"to,omitempty"`
	Zone string          `json:"zone"`
}

func encodeSilence(s *store.Silence) []byte {
	r := silenceRecord{
		OrgID: s.OrgID, Comment: s.Comment, DeviceIDs: s.DeviceIDs, RuleIDs: s.RuleIDs, Labels: s.Labels,
		StartsAt: int64(s.StartsAt), EndsAt: (*int64)(s.EndsAt), CreatedBy: s.CreatedBy, CreatedAt: int64(s.CreatedAt),
	}
	if p := s.Schedule; p != nil {
		r.Schedule = &scheduleRecord{p.Days, string(p.From), string(p.To), p.Zone}
	}
	return encodeRecord(r)
}

func (a *Alerts) decodeSilence(id, b []byte) (store.Silence, error) {
	s, err := decodeSilence(id, b)
	if err != nil {
		return s, fileError(store.ErrInvalid, a.path, "%v; %s", err, wayOut)
	}
	return s, nil
}

func decodeSilence(id, b []byte) (store.Silence, error) {
	var r silenceRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return store.Silence{}, fmt.Errorf("silence %q is damaged: %w", id, err)
	}
	s := store.Silence{
		ID: string(id), OrgID: r.OrgID, Comment: r.Comment, DeviceIDs: r.DeviceIDs, RuleIDs: r.RuleIDs, Labels: r.Labels,
		StartsAt: store.Time(r.StartsAt), EndsAt: (*store.Time)(r.EndsAt), CreatedBy: r.CreatedBy, CreatedAt: store.Time(r.CreatedAt),
	}
	if p := r.Schedule; p != nil {
		s.Schedule = &store.Schedule{Days: p.Days, From: store.ClockTime(p.From), To: store.ClockTime(p.To), Zone: p.Zone}
	}
	return s, nil
}

// PutSilence implements store.Silences. Of silences there are at most 10,000.
func (a *Alerts) PutSilence(ctx context.Context, s store.Silence) error {
	if s.ID == "" || len(s.ID) > maxAlertID {
		return store.Invalid("silence", "id", "has 1 to %d bytes", maxAlertID)
	}
	if err := s.Validate(); err != nil {
		return err
	}
	full := false
	err := a.write(ctx, "keep a silence", func(t *alertsTx) error {
		b, id := t.tx.Bucket(silenceBucket), []byte(s.ID)
		there := b.Get(id) != nil
		if full = !there && t.meta.Silences >= maxSilences; full {
			return nil
		}
		if !there {
			t.meta.Silences++
		}
		return b.Put(id, encodeSilence(&s))
	})
	if err == nil && full {
		return store.Conflict("silence", s.ID, "is one too many: there are %d; delete those that are over", maxSilences)
	}
	return err
}

// DeleteSilence implements store.Silences.
func (a *Alerts) DeleteSilence(ctx context.Context, id string) error {
	there := false
	err := a.write(ctx, "delete a silence", func(t *alertsTx) error {
		b := t.tx.Bucket(silenceBucket)
		if there = b.Get([]byte(id)) != nil; !there {
			return nil
		}
		t.meta.Silences--
		return b.Delete([]byte(id))
	})
	if err == nil && !there {
		return store.NotFound("silence", id)
	}
	return err
}

// Silence implements store.Silences.
func (a *Alerts) Silence(ctx context.Context, id string) (s store.Silence, err error) {
	err = a.read(ctx, func(tx *bbolt.Tx) error {
		b := tx.Bucket(silenceBucket).Get([]byte(id))
		if b == nil {
			return store.NotFound("silence", id)
		}
		s, err = a.decodeSilence([]byte(id), b)
		return err
	})
	return s, err
}

// ListSilences implements store.Silences.
func (a *Alerts) ListSilences(ctx context.Context, orgID string, p store.Page) (out []store.Silence, err error) {
	err = a.read(ctx, func(tx *bbolt.Tx) error {
		c := tx.Bucket(silenceBucket).Cursor()
		for k, v := c.Seek(append([]byte(p.After), 0)); k != nil && (p.Limit == 0 || len(out) < p.Limit); k, v = c.Next() {
			s, err := a.decodeSilence(k, v)
			if err != nil {
				return err
			}
			if orgID == "" || orgID == s.OrgID {
				out = append(out, s)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
