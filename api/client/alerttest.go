package client

import (
	"context"
	"net/http"

	"tidegate/store"
)

// AlertTest asks what a rule would have done: Rule, or the one with the id, also
// with a Change.
type AlertTest struct {
	Rule   *NewAlertRule    `json:"rule,omitempty"`
	RuleID string           `json:"ruleId,omitempty"`
	Change *AlertRuleChange `json:"change,omitempty"`
	From   store.Time       `json:"from"`
	To     store.Time       `json:"to"`
	Cursor string           `json:"cursor,omitempty"`
}

// AlertTested is what a rule would have done at Tested of its Ports.
type AlertTested struct {
	Ports      int            `json:"ports"`
	Tested     int            `json:"tested"`
	Readings   int            `json:"readings"`
	Episodes   []PastEpisode  `json:"episodes"`
	LeftOut    int            `json:"leftOut"`
	Lasted     float64        `json:"lastedSeconds"`
	Before     *AlertTestedAs `json:"before,omitempty"` // of a change: without it
	NextCursor string         `json:"nextCursor,omitempty"`
}

// AlertTestedAs is what the rule would have done without the change.
type AlertTestedAs struct {
	Episodes []PastEpisode `json:"episodes"`
	LeftOut  int           `json:"leftOut"`
	Lasted   float64       `json:"lastedSeconds"`
}

// PastEpisode is an episode that a rule would have made.
type PastEpisode struct {
	DeviceID   string         `json:"deviceId"`
	PortNumber uint16         `json:"portNumber"`
	Start      store.Time     `json:"start"`
	FiredAt    store.Time     `json:"firedAt"`
	End        *store.Time    `json:"end,omitempty"` // nil: it went on
	Why        store.AlertEnd `json:"endReason,omitempty"`
	First      *float64       `json:"first,omitempty"`
	Worst      *float64       `json:"worst,omitempty"`
	WorstAt    *store.Time    `json:"worstAt,omitempty"`
	Last       *float64       `json:"last,omitempty"`
	Flaps      int            `json:"flaps,omitempty"`
	Curve      []CurvePoint   `json:"curve"`
}

// CurvePoint is one reading of a curve.
type CurvePoint struct {
	TS    store.Time `json:"ts"`
	Value float64    `json:"value"`
}

// TestAlertRule runs a test over some ports; NextCursor asks for more.
func (c *Client) TestAlertRule(ctx context.Context, t AlertTest) (AlertTested, error) {
	var out AlertTested
	return out, c.call(ctx, http.MethodPost, "/alert-rules/test", nil, t, &out)
}
