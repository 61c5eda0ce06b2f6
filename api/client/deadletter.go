package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"tidegate/store"
)

// DeadLetterQuery chooses dead letters; zero fields choose all.
type DeadLetterQuery struct {
	OrgID    string
	DeviceID string
	Reason   store.Reason
	From, To time.Time // of receipt
	Page
}

func (q DeadLetterQuery) values() url.Values {
	v := q.Page.values()
	set(v, "orgId", q.OrgID)
	set(v, "deviceId", q.DeviceID)
	set(v, "reason", string(q.Reason))
	setTime(v, "from", q.From)
	setTime(v, "to", q.To)
	return v
}

// LetterSelection names dead letters by id, or chooses them by filter; All
// must be set to choose every one.
type LetterSelection struct {
	IDs      []string     `json:"ids,omitempty"`
	OrgID    string       `json:"orgId,omitempty"`
	DeviceID string       `json:"deviceId,omitempty"`
	Reason   store.Reason `json:"reason,omitempty"`
	From     *store.Time  `json:"from,omitempty"`
	To       *store.Time  `json:"to,omitempty"`
	All      bool         `json:"all,omitempty"`
}

// Replay says which letters to bring back, and how.
type Replay struct {
	LetterSelection
	UseReceivedAt bool   `json:"useReceivedAt,omitempty"` // where the reading's own time is the fault
	Zone          string `json:"zone,omitempty"`          // of times without zone
}

// ReplayResult counts what became of the letters.
type ReplayResult struct {
	Stored    int `json:"stored"`
	Duplicate int `json:"duplicate"`
	Rejected  int `json:"rejected"` // again
}

// DeadLetters lists newest first.
func (c *Client) DeadLetters(ctx context.Context, q DeadLetterQuery) (List[store.DeadLetter], error) {
	var out List[store.DeadLetter]
	return out, c.call(ctx, http.MethodGet, "/dead-letters", q.values(), nil, &out)
}

// LetterCount is how many letters there are; More: or more than that.
type LetterCount struct {
	Count int64 `json:"count"`
	More  bool  `json:"more"`
}

// CountDeadLetters counts those that a query chooses, whatever its page.
func (c *Client) CountDeadLetters(ctx context.Context, q DeadLetterQuery) (LetterCount, error) {
	q.Page = Page{}
	var out LetterCount
	return out, c.call(ctx, http.MethodGet, "/dead-letters/count", q.values(), nil, &out)
}

// DeadLetter answers one.
func (c *Client) DeadLetter(ctx context.Context, id string) (store.DeadLetter, error) {
	var out store.DeadLetter
	return out, c.call(ctx, http.MethodGet, "/dead-letters"+seg(id), nil, nil, &out)
}

// ReplayDeadLetters brings letters back into the store.
func (c *Client) ReplayDeadLetters(ctx context.Context, r Replay) (ReplayResult, error) {
	var out ReplayResult
	return out, c.call(ctx, http.MethodPost, "/dead-letters/replay", nil, r, &out)
}

// DeleteDeadLetters deletes letters and answers how many. It changes no count
// of the ledger.
func (c *Client) DeleteDeadLetters(ctx context.Context, s LetterSelection) (int, error) {
	var out struct {
		Deleted int `json:"deleted"`
	}
	err := c.call(ctx, http.MethodPost, "/dead-letters/delete", nil, s, &out)
	return out.Deleted, err
}
