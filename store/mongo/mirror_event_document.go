package mongo

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
)

// alertEventDoc is an episode with the fields of the API's JSON, times as dates,
// but for its state, which is called status, and its organization.
type alertEventDoc struct {
	ID           string         `bson:"_id"`
	Log          string         `bson:"log"` // of the folder that has it
	OrgID        string         `bson:"organizationId"`
	RuleID       string         `bson:"ruleId"`
	RuleName     string         `bson:"ruleName"`
	Revision     int64          `bson:"ruleRevision"`
	DeviceID     string         `bson:"deviceId"`
	PortNumber   int32          `bson:"portNumber"`
	PortName     string         `bson:"portName,omitempty"`
	Unit         string         `bson:"unit,omitempty"`
	Kind         string         `bson:"kind"`
	Severity     string         `bson:"severity"`
	Labels       bson.D         `bson:"labels,omitempty"`
	Status       string         `bson:"status"`
	StartedAt    bson.DateTime  `bson:"startedAt"`
	FiredAt      bson.DateTime  `bson:"triggeredAt"`
	ResolvedAt   *bson.DateTime `bson:"resolvedAt,omitempty"`
	End          string         `bson:"end,omitempty"`
	First        *float64       `bson:"first,omitempty"`
	Worst        *float64       `bson:"worst,omitempty"`
	WorstAt      *bson.DateTime `bson:"worstAt,omitempty"`
	Last         *float64       `bson:"last,omitempty"`
	Flaps        int64          `bson:"flaps,omitempty"`
	Message      string         `bson:"message"`
	Silenced     string         `bson:"silencedBy,omitempty"`
	Acknowledged *ackDoc        `bson:"acknowledged,omitempty"`
	Escalated    bool           `bson:"escalated,omitempty"`
	Comments     []commentDoc   `bson:"comments,omitempty"`
	Sum          int64          `bson:"sum"`    // of the fields above: whether the copy is as the event is
	Change       int64          `bson:"change"` // number of the change that it was last copied with
}

type ackDoc struct {
	By      string        `bson:"by"`
	At      bson.DateTime `bson:"at"`
	Comment string        `bson:"comment,omitempty"`
}

type commentDoc struct {
	By   string        `bson:"by"`
	At   bson.DateTime `bson:"at"`
	Text string        `bson:"text"`
}

// docOfEvent answers the document of an event, without its change.
func docOfEvent(log string, e *store.AlertEvent) (alertEventDoc, error) {
	d := alertEventDoc{
		ID: e.ID, Log: log, OrgID: e.OrgID, RuleID: e.RuleID, RuleName: valid(e.RuleName), Revision: int64(e.Revision),
		DeviceID: e.DeviceID, PortNumber: int32(e.PortNumber), PortName: valid(e.PortName), Unit: valid(e.Unit),
		Kind: string(e.Kind), Severity: string(e.Severity), Status: string(e.State), StartedAt: bson.DateTime(e.StartedAt),
		FiredAt: bson.DateTime(e.FiredAt), ResolvedAt: (*bson.DateTime)(e.ResolvedAt), End: string(e.End),
		First: e.First, Worst: e.Worst, WorstAt: (*bson.DateTime)(e.WorstAt), Last: e.Last, Flaps: int64(e.Flaps),
		Message: valid(e.Message), Silenced: e.Silenced, Escalated: e.Escalated,
	}
	for _, k := range slices.Sorted(maps.Keys(e.Labels)) {
		d.Labels = append(d.Labels, bson.E{Key: k, Value: valid(e.Labels[k])})
	}
	if a := e.Acknowledged; a != nil {
		d.Acknowledged = &ackDoc{valid(a.By), bson.DateTime(a.At), valid(a.Comment)}
	}
	for _, c := range e.Comments {
		d.Comments = append(d.Comments, commentDoc{valid(c.By), bson.DateTime(c.At), valid(c.Text)})
	}
	b, err := bson.Marshal(d)
	if err != nil {
		return d, fmt.Errorf("encode alert event %s: %w", e.ID, err)
	}
	h := fnv.New64a()
	_, _ = h.Write(b) // never fails
	d.Sum = int64(h.Sum64())
	return d, nil
}
