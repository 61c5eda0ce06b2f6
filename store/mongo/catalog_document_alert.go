package mongo

import (
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
)

// alertRuleDoc names its organization as queries of others rely on.
type alertRuleDoc struct {
	ID            string         `bson:"_id"`
	OrgID         string         `bson:"organizationId"`
	Name          string         `bson:"name"`
	Enabled       bool           `bson:"enabled"`
	Selection     selectionDoc   `bson:"selection"`
	Condition     conditionDoc   `bson:"condition"`
	For           store.Duration `bson:"forNanos,omitempty"`
	KeepFiring    store.Duration `bson:"keepFiringForNanos,omitempty"`
	JoinWithin    store.Duration `bson:"joinWithinNanos,omitempty"`
	Severity      string         `bson:"severity"`
	Message       string         `bson:"message,omitempty"`
	Labels        []pairDoc      `bson:"labels,omitempty"`
	Channels      []string       `bson:"channels,omitempty"`
	RepeatEvery   store.Duration `bson:"repeatEveryNanos,omitempty"`
	EscalateAfter store.Duration `bson:"escalateAfterNanos,omitempty"`
	EscalateTo    []string       `bson:"escalateTo,omitempty"`
	Schedule      *scheduleDoc   `bson:"schedule,omitempty"`
	Owner         string         `bson:"owner,omitempty"`
	Revision      int64          `bson:"revision"`
	CreatedAt     bson.DateTime  `bson:"createdAt"`
	UpdatedAt     bson.DateTime  `bson:"updatedAt"`
	UpdatedBy     string         `bson:"updatedBy"`
	Rev           int64          `bson:"rev"`
}

type selectionDoc struct {
	DeviceIDs []string `bson:"deviceIds,omitempty"`
	Ports     []int32  `bson:"ports,omitempty"`
	PortNames []string `bson:"portNames,omitempty"`
	Tags      []string `bson:"tags,omitempty"`
}

type conditionDoc struct {
	Kind       string         `bson:"kind"`
	High       *float64       `bson:"high,omitempty"`
	Low        *float64       `bson:"low,omitempty"`
	Clear      *float64       `bson:"clear,omitempty"`
	Hysteresis float64        `bson:"hysteresis,omitempty"`
	Value      *float64       `bson:"value,omitempty"`
	Rise       *float64       `bson:"rise,omitempty"`
	Fall       *float64       `bson:"fall,omitempty"`
	Per        store.Duration `bson:"perNanos,omitempty"`
	Window     store.Duration `bson:"windowNanos,omitempty"`
	SilentFor  store.Duration `bson:"silentForNanos,omitempty"`
	Factor     float64        `bson:"factor,omitempty"`
	Sigmas     float64        `bson:"sigmas,omitempty"`
	Distance   float64        `bson:"distance,omitempty"`
	Tolerance  float64        `bson:"tolerance,omitempty"`
}

type scheduleDoc struct {
	Days []string `bson:"days,omitempty"`
	From string   `bson:"from,omitempty"`
	To   string   `bson:"to,omitempty"`
	Zone string   `bson:"zone"`
}

// pairDoc is an entry of a map whose keys are anybody's: a dot in one is no
// path. They come in order, so that the same catalogue is the same document.
type pairDoc struct {
	Name  string `bson:"name"`
	Value string `bson:"value"`
}

type channelDoc struct {
	ID          string         `bson:"_id"`
	OrgID       string         `bson:"orgId"`
	Name        string         `bson:"name"`
	Type        string         `bson:"type"`
	Enabled     bool           `bson:"enabled"`
	Severities  []string       `bson:"severities,omitempty"`
	URL         string         `bson:"url,omitempty"`
	Method      string         `bson:"method,omitempty"`
	Headers     []pairDoc      `bson:"headers,omitempty"`
	Secret      string         `bson:"secret,omitempty"`
	Provider    string         `bson:"provider,omitempty"`
	Body        string         `bson:"body,omitempty"`
	Subject     string         `bson:"subject,omitempty"`
	Text        string         `bson:"text,omitempty"`
	To          []string       `bson:"to,omitempty"`
	From        string         `bson:"from,omitempty"`
	RatePerHour int64          `bson:"ratePerHour,omitempty"`
	ExpireAfter store.Duration `bson:"expireAfterNanos,omitempty"`
	DigestEvery store.Duration `bson:"digestEveryNanos,omitempty"`
	DigestOf    []string       `bson:"digestOf,omitempty"`
	CreatedAt   bson.DateTime  `bson:"createdAt"`
	UpdatedAt   bson.DateTime  `bson:"updatedAt"`
	Rev         int64          `bson:"rev"`
}

func docOfAlertRule(r store.AlertRule, rev int64) alertRuleDoc {
	c := r.Condition
	d := alertRuleDoc{
		ID: r.ID, OrgID: r.OrgID, Name: r.Name, Enabled: r.Enabled,
		Selection: selectionDoc{
			DeviceIDs: r.Selection.DeviceIDs, PortNames: r.Selection.PortNames, Tags: r.Selection.Tags,
			Ports: converted(r.Selection.Ports, func(n uint16) int32 { return int32(n) }),
		},
		Condition: conditionDoc{
			Kind: string(c.Kind), High: c.High, Low: c.Low, Clear: c.Clear, Hysteresis: c.Hysteresis, Value: c.Value,
			Rise: c.Rise, Fall: c.Fall, Per: c.Per, Window: c.Window, SilentFor: c.SilentFor, Factor: c.Factor,
			Sigmas: c.Sigmas, Distance: c.Distance, Tolerance: c.Tolerance,
		},
		For: r.For, KeepFiring: r.KeepFiring, JoinWithin: r.JoinWithin, Severity: string(r.Severity), Message: r.Message,
		Labels: docsOfMap(r.Labels), Channels: r.Channels, RepeatEvery: r.RepeatEvery, EscalateAfter: r.EscalateAfter,
		EscalateTo: r.EscalateTo, Owner: r.Owner, Revision: int64(r.Revision),
		CreatedAt: dateOf(r.CreatedAt), UpdatedAt: dateOf(r.UpdatedAt), UpdatedBy: r.UpdatedBy, Rev: rev,
	}
	if s := r.Schedule; s != nil {
		d.Schedule = &scheduleDoc{Days: texts[string](s.Days), From: string(s.From), To: string(s.To), Zone: s.Zone}
	}
	return d
}

func (d alertRuleDoc) alertRule() store.AlertRule {
	c := d.Condition
	r := store.AlertRule{
		ID: d.ID, OrgID: d.OrgID, Name: d.Name, Enabled: d.Enabled,
		Selection: store.Selection{
			DeviceIDs: d.Selection.DeviceIDs, PortNames: d.Selection.PortNames, Tags: d.Selection.Tags,
			Ports: converted(d.Selection.Ports, func(n int32) uint16 { return uint16(n) }),
		},
		Condition: store.Condition{
			Kind: store.ConditionKind(c.Kind), High: c.High, Low: c.Low, Clear: c.Clear, Hysteresis: c.Hysteresis, Value: c.Value,
			Rise: c.Rise, Fall: c.Fall, Per: c.Per, Window: c.Window, SilentFor: c.SilentFor, Factor: c.Factor,
			Sigmas: c.Sigmas, Distance: c.Distance, Tolerance: c.Tolerance,
		},
		For: d.For, KeepFiring: d.KeepFiring, JoinWithin: d.JoinWithin, Severity: store.Severity(d.Severity), Message: d.Message,
		Labels: mapOfDocs(d.Labels), Channels: d.Channels, RepeatEvery: d.RepeatEvery, EscalateAfter: d.EscalateAfter,
		EscalateTo: d.EscalateTo, Owner: d.Owner, Revision: uint64(d.Revision),
		CreatedAt: timeOf(d.CreatedAt), UpdatedAt: timeOf(d.UpdatedAt), UpdatedBy: d.UpdatedBy,
	}
	if s := d.Schedule; s != nil {
		r.Schedule = &store.Schedule{Days: texts[store.Weekday](s.Days), From: store.ClockTime(s.From), To: store.ClockTime(s.To), Zone: s.Zone}
	}
	return r
}

func docOfChannel(c store.Channel, rev int64) channelDoc {
	return channelDoc{
		ID: c.ID, OrgID: c.OrgID, Name: c.Name, Type: string(c.Type), Enabled: c.Enabled, Severities: texts[string](c.Severities),
		URL: c.URL, Method: c.Method, Headers: docsOfMap(c.Headers), Secret: c.Secret, Provider: c.Provider,
		Body: c.Body, Subject: c.Subject, Text: c.Text, To: c.To, From: c.From, RatePerHour: int64(c.RatePerHour),
		ExpireAfter: c.ExpireAfter, DigestEvery: c.DigestEvery, DigestOf: texts[string](c.DigestOf),
		CreatedAt: dateOf(c.CreatedAt), UpdatedAt: dateOf(c.UpdatedAt), Rev: rev,
	}
}

func (d channelDoc) channel() store.Channel {
	return store.Channel{
		ID: d.ID, OrgID: d.OrgID, Name: d.Name, Type: store.ChannelType(d.Type), Enabled: d.Enabled, Severities: texts[store.Severity](d.Severities),
		URL: d.URL, Method: d.Method, Headers: mapOfDocs(d.Headers), Secret: d.Secret, Provider: d.Provider,
		Body: d.Body, Subject: d.Subject, Text: d.Text, To: d.To, From: d.From, RatePerHour: int(d.RatePerHour),
		ExpireAfter: d.ExpireAfter, DigestEvery: d.DigestEvery, DigestOf: texts[store.Severity](d.DigestOf),
		CreatedAt: timeOf(d.CreatedAt), UpdatedAt: timeOf(d.UpdatedAt),
	}
}

func docsOfMap(m map[string]string) []pairDoc {
	return converted(slices.Sorted(maps.Keys(m)), func(k string) pairDoc { return pairDoc{k, m[k]} })
}

func mapOfDocs(docs []pairDoc) map[string]string {
	if docs == nil {
		return nil
	}
	m := make(map[string]string, len(docs))
	for _, d := range docs {
		m[d.Name] = d.Value
	}
	return m
}

// texts answers s as texts of another type; nil stays nil.
func texts[To, From ~string](s []From) []To {
	return converted(s, func(v From) To { return To(v) })
}

// converted answers fn of each of s; nil stays nil.
func converted[From, To any](s []From, fn func(From) To) []To {
	if s == nil {
		return nil
	}
	out := make([]To, len(s))
	for i, v := range s {
		out[i] = fn(v)
	}
	return out
}
