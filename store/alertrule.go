package store

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"
)

// Severity says how much an alarm matters.
type Severity string

// The severities, lowest first.
const (
	SeverityInfo     Severity = "info"
	SeverityWarning  Severity = "warning"
	SeverityCritical Severity = "critical"
)

// Severities are all of them, lowest first.
func Severities() []Severity { return []Severity{SeverityInfo, SeverityWarning, SeverityCritical} }

// ConditionKind is what a rule looks for.
type ConditionKind string

// The kinds. Those about levels take calibrated values.
const (
	CondAbove     ConditionKind = "above"     // value > High
	CondBelow     ConditionKind = "below"     // value < Low
	CondBetween   ConditionKind = "between"   // Low <= value <= High
	CondOutside   ConditionKind = "outside"   // value < Low or value > High
	CondEquals    ConditionKind = "equals"    // value = Value
	CondChanged   ConditionKind = "changed"   // value differs from the one before
	CondRate      ConditionKind = "rate"      // change per Per, over Window, beyond Rise upwards or Fall downwards
	CondNoData    ConditionKind = "no_data"   // nothing for SilentFor; 0: for Factor times the port's own cadence
	CondDeviation ConditionKind = "deviation" // further than Distance, or Sigmas standard deviations, from the mean of the last Window
	CondStuck     ConditionKind = "stuck"     // within Tolerance of one value for Window, while readings come
)

// ConditionKinds are all of them.
func ConditionKinds() []ConditionKind {
	return []ConditionKind{
		CondAbove, CondBelow, CondBetween, CondOutside, CondEquals, CondChanged, CondRate, CondNoData, CondDeviation, CondStuck,
	}
}

// Condition is what a rule looks for in a port's readings. Which fields a kind
// takes is said beside each; the others are empty.
type Condition struct {
	Kind ConditionKind `json:"kind"`
	// High and Low are the levels of above, below, between and outside. Absent
	// ones are the port's own high and low: a port that has none is not watched
	// there.
	High *float64 `json:"high,omitempty"`
	Low  *float64 `json:"low,omitempty"`
	// Clear is the level at which above and below end: at it, or beyond; absent:
	// High and Low themselves.
	Clear *float64 `json:"clear,omitempty"`
	// Hysteresis is how far within the levels a value has to come back; for
	// above, below, between, outside, rate and deviation, in their units.
	Hysteresis float64 `json:"hysteresis,omitempty"`

	Value *float64 `json:"value,omitempty"` // of equals

	Rise *float64 `json:"rise,omitempty"` // of rate: beyond +Rise per Per
	Fall *float64 `json:"fall,omitempty"` // of rate: beyond -Fall per Per; above 0
	Per  Duration `json:"per,omitempty"`  // of rate: the unit of time; 0: a second

	// Window is how far back rate (0: to the reading before), deviation and stuck look.
	Window    Duration `json:"window,omitempty"`
	SilentFor Duration `json:"silentFor,omitempty"` // of no_data
	Factor    float64  `json:"factor,omitempty"`    // of no_data without SilentFor; 0: 5
	Sigmas    float64  `json:"sigmas,omitempty"`    // of deviation
	Distance  float64  `json:"distance,omitempty"`  // of deviation
	Tolerance float64  `json:"tolerance,omitempty"` // of stuck
}

// DefaultSilenceFactor is how many times its cadence a port may be silent.
const DefaultSilenceFactor = 5

// Selection chooses the ports of an organization that a rule watches. Every
// list that is given has to match; an empty selection is all ports.
type Selection struct {
	DeviceIDs []string `json:"deviceIds,omitempty"` // ascending
	Ports     []uint16 `json:"ports,omitempty"`     // numbers, ascending
	PortNames []string `json:"portNames,omitempty"` // ascending
	Tags      []string `json:"tags,omitempty"`      // devices that carry all of them; ascending
}

// Schedule is when a rule is active: on the given days between the times, in
// the zone. A span that ends before it begins goes over midnight, and belongs to
// the day on which it begins.
type Schedule struct {
	Days []Weekday `json:"days,omitempty"` // empty: every day
	From ClockTime `json:"from,omitempty"` // both empty: the whole day
	To   ClockTime `json:"to,omitempty"`
	Zone string    `json:"zone"` // IANA name
}

// AlertRule says what is an alarm, and who hears of it.
type AlertRule struct {
	ID         string    `json:"id"`
	OrgID      string    `json:"orgId"`
	Name       string    `json:"name"`
	Enabled    bool      `json:"enabled"`
	Selection  Selection `json:"selection"`
	Condition  Condition `json:"condition"`
	For        Duration  `json:"for,omitempty"`           // the condition has to last so long
	KeepFiring Duration  `json:"keepFiringFor,omitempty"` // and to be over for so long
	// JoinWithin: an episode that begins so soon after the one before is that one
	// again, with one more flap.
	JoinWithin Duration          `json:"joinWithin,omitempty"`
	Severity   Severity          `json:"severity"`
	Message    string            `json:"message,omitempty"` // template; empty: a sentence of its own for each kind
	Labels     map[string]string `json:"labels,omitempty"`
	// Channels are ids; empty: those of the organization that take the severity
	// by themselves.
	Channels      []string  `json:"channels,omitempty"`
	RepeatEvery   Duration  `json:"repeatEvery,omitempty"` // while it fires and nobody acknowledged; 0: never
	EscalateAfter Duration  `json:"escalateAfter,omitempty"`
	EscalateTo    []string  `json:"escalateTo,omitempty"` // channels
	Schedule      *Schedule `json:"schedule,omitempty"`
	// Owner is who answers for the rule: an address or a name.
	Owner string `json:"owner,omitempty"`
	// Revision counts the edits, from 1.
	Revision  uint64    `json:"revision"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	UpdatedBy string    `json:"updatedBy"` // the actor's name
}

const (
	ruleIDPrefix    = "rule-"
	channelIDPrefix = "ch-"
	alertIDDigits   = 16

	maxAlertName     = 200
	maxAlertMessage  = 2000
	maxSelected      = 1000
	maxLabels        = 32
	maxRuleChannels  = 20
	maxAlertDuration = Duration(366 * 24 * time.Hour)
)

// NewRuleID answers an id that nobody else gets.
func NewRuleID() string { return ruleIDPrefix + NewSecret()[:alertIDDigits] }

// LimitsRuleName is how the rule is called with which an organization begins.
const LimitsRuleName = "limits"

// LimitsRule answers the rule that every new organization begins with, an
// ordinary one: each port that has a low or a high of its own is watched by them.
func LimitsRule(orgID string) AlertRule {
	return AlertRule{
		ID: NewRuleID(), OrgID: orgID, Name: LimitsRuleName, Enabled: true, Severity: SeverityWarning,
		Condition: Condition{Kind: CondOutside}, Revision: 1,
	}
}

// Validate reports the first thing that is wrong with r.
func (r AlertRule) Validate() error {
	if err := checkID("alert rule", r.ID); err != nil {
		return err
	}
	if err := checkID("organization", r.OrgID); err != nil {
		return err
	}
	if err := checkAlertName("alert rule", r.Name); err != nil {
		return err
	}
	if !slices.Contains(Severities(), r.Severity) {
		return Invalid("alert rule", "severity", "%q is unknown; use info, warning or critical", r.Severity)
	}
	if len(r.Message) > maxAlertMessage {
		return Invalid("alert rule", "message", "has at most %d bytes", maxAlertMessage)
	}
	if len(r.Owner) > maxAlertName {
		return Invalid("alert rule", "owner", "has at most %d bytes", maxAlertName)
	}
	for _, d := range []struct {
		name string
		d    Duration
	}{
		{"for", r.For},
		{"keepFiringFor", r.KeepFiring},
		{"joinWithin", r.JoinWithin},
		{"repeatEvery", r.RepeatEvery},
		{"escalateAfter", r.EscalateAfter},
	} {
		if err := checkAlertDuration(d.name, d.d); err != nil {
			return err
		}
	}
	switch {
	case r.RepeatEvery != 0 && r.RepeatEvery < Duration(time.Minute):
		return Invalid("alert rule", "repeatEvery", "is at least a minute, or 0 for never")
	case (r.EscalateAfter != 0) != (len(r.EscalateTo) != 0):
		return Invalid("alert rule", "escalateTo", "and escalateAfter go together")
	case len(r.Channels) > maxRuleChannels || len(r.EscalateTo) > maxRuleChannels:
		return Invalid("alert rule", "channels", "are at most %d", maxRuleChannels)
	}
	for _, id := range append(slices.Clone(r.Channels), r.EscalateTo...) {
		if err := checkID("channel", id); err != nil {
			return err
		}
	}
	if err := checkLabels(r.Labels); err != nil {
		return err
	}
	if err := r.Selection.Validate(); err != nil {
		return err
	}
	if err := r.Condition.Validate(); err != nil {
		return err
	}
	if r.For != 0 && r.Condition.Kind == CondChanged {
		return Invalid("alert rule", "for", "does not go with changed, which holds for one reading; use keepFiringFor")
	}
	if r.Schedule != nil {
		return r.Schedule.Validate()
	}
	return nil
}

func checkAlertName(noun, name string) error {
	if strings.TrimSpace(name) == "" || len(name) > maxAlertName || strings.ContainsAny(name, "\x00\n\r") {
		return Invalid(noun, "name", "must have 1 to %d bytes in one line", maxAlertName)
	}
	return nil
}

func checkAlertDuration(field string, d Duration) error {
	if d < 0 || d > maxAlertDuration {
		return Invalid("alert rule", field, "is from 0 to %s", maxAlertDuration)
	}
	return nil
}

func checkLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return Invalid("alert rule", "labels", "are at most %d", maxLabels)
	}
	for k, v := range labels {
		if !ValidID(k) || len(v) > maxAlertName || strings.ContainsAny(v, "\x00\n\r") {
			return Invalid("alert rule", "labels", "%q: a name is as an id is, a value has at most %d bytes in one line", k, maxAlertName)
		}
	}
	return nil
}

// Validate reports the first thing that is wrong with s.
func (s Selection) Validate() error {
	if len(s.DeviceIDs) > maxSelected || len(s.Ports) > maxSelected || len(s.PortNames) > maxSelected || len(s.Tags) > maxSelected {
		return Invalid("alert rule", "selection", "has at most %d of a kind; use a tag", maxSelected)
	}
	for _, id := range s.DeviceIDs {
		if err := checkID("device", id); err != nil {
			return err
		}
	}
	for _, t := range s.Tags {
		if err := checkTag("alert rule", t); err != nil {
			return err
		}
	}
	if len(s.Ports) > 0 && len(s.PortNames) > 0 {
		return Invalid("alert rule", "selection", "takes port numbers or names, not both")
	}
	if !ascending(s.DeviceIDs) || !ascending(s.Ports) || !ascending(s.PortNames) || !ascending(s.Tags) {
		return Invalid("alert rule", "selection", "must be in order, each once")
	}
	return nil
}

// Matches reports whether a rule of the organization watches the port.
func (s Selection) Matches(d Device, p Port) bool {
	if len(s.DeviceIDs) > 0 {
		if _, ok := slices.BinarySearch(s.DeviceIDs, d.ID); !ok {
			return false
		}
	}
	for _, t := range s.Tags {
		if !slices.Contains(d.Tags, t) {
			return false
		}
	}
	if len(s.Ports) > 0 {
		_, ok := slices.BinarySearch(s.Ports, p.Number)
		return ok
	}
	if len(s.PortNames) > 0 {
		_, ok := slices.BinarySearch(s.PortNames, p.Name)
		return ok
	}
	return true
}

// Validate reports the first thing that is wrong with c.
func (c Condition) Validate() error {
	if !slices.Contains(ConditionKinds(), c.Kind) {
		return Invalid("alert rule", "condition", "%q is unknown; use above, below, between, outside, equals, changed, rate, no_data, deviation or stuck", c.Kind)
	}
	for name, v := range map[string]*float64{"high": c.High, "low": c.Low, "clear": c.Clear, "value": c.Value, "rise": c.Rise, "fall": c.Fall} {
		if v != nil && !finite(*v) {
			return Invalid("alert rule", name, "must be a finite number")
		}
	}
	for name, v := range map[string]float64{"hysteresis": c.Hysteresis, "factor": c.Factor, "sigmas": c.Sigmas, "distance": c.Distance, "tolerance": c.Tolerance} {
		if !finite(v) || v < 0 {
			return Invalid("alert rule", name, "must be a finite number of at least 0")
		}
	}
	for name, d := range map[string]Duration{"per": c.Per, "window": c.Window, "silentFor": c.SilentFor} {
		if err := checkAlertDuration(name, d); err != nil {
			return err
		}
	}
	if field := c.foreign(); field != "" {
		return Invalid("alert rule", field, "does not go with %s", c.Kind)
	}
	switch c.Kind {
	case CondAbove:
		if c.Clear != nil && (c.Hysteresis != 0 || c.High != nil && *c.Clear > *c.High) {
			return Invalid("alert rule", "clear", "is at most high, and does not go with hysteresis")
		}
	case CondBelow:
		if c.Clear != nil && (c.Hysteresis != 0 || c.Low != nil && *c.Clear < *c.Low) {
			return Invalid("alert rule", "clear", "is at least low, and does not go with hysteresis")
		}
	case CondBetween, CondOutside:
		if c.Low != nil && c.High != nil && *c.Low > *c.High {
			return Invalid("alert rule", "low", "%g is above high %g", *c.Low, *c.High)
		}
		if c.Kind == CondBetween && (c.Low == nil || c.High == nil) {
			return Invalid("alert rule", "low", "and high are needed for between")
		}
		if c.Kind == CondOutside && c.Low != nil && c.High != nil && 2*c.Hysteresis > *c.High-*c.Low {
			return Invalid("alert rule", "hysteresis", "leaves nothing between low and high at which it would end")
		}
	case CondEquals:
		if c.Value == nil {
			return Invalid("alert rule", "value", "is needed for equals")
		}
	case CondRate:
		if c.Rise == nil && c.Fall == nil {
			return Invalid("alert rule", "rise", "or fall is needed for rate: how much per %s", c.per())
		}
		for name, v := range map[string]*float64{"rise": c.Rise, "fall": c.Fall} {
			if v != nil && (*v < 0 || c.Hysteresis > *v) {
				return Invalid("alert rule", name, "is not negative, and not less than hysteresis")
			}
		}
	case CondDeviation:
		if c.Window <= 0 || (c.Sigmas > 0) == (c.Distance > 0) {
			return Invalid("alert rule", "window", "and either sigmas or distance, above 0, are needed for deviation")
		}
	case CondStuck:
		if c.Window <= 0 {
			return Invalid("alert rule", "window", "is needed for stuck: how long one value is suspicious")
		}
	}
	return nil
}

// per answers the unit of time of a rate.
func (c Condition) per() Duration {
	if c.Per == 0 {
		return Duration(time.Second)
	}
	return c.Per
}

// foreign answers a field that is set and that the kind does not take.
func (c Condition) foreign() string {
	is := func(kinds ...ConditionKind) bool { return slices.Contains(kinds, c.Kind) }
	switch {
	case c.High != nil && !is(CondAbove, CondBetween, CondOutside):
		return "high"
	case c.Low != nil && !is(CondBelow, CondBetween, CondOutside):
		return "low"
	case c.Clear != nil && !is(CondAbove, CondBelow):
		return "clear"
	case c.Hysteresis != 0 && !is(CondAbove, CondBelow, CondBetween, CondOutside, CondRate, CondDeviation):
		return "hysteresis"
	case c.Value != nil && !is(CondEquals):
		return "value"
	case c.Rise != nil && !is(CondRate):
		return "rise"
	case c.Fall != nil && !is(CondRate):
		return "fall"
	case c.Per != 0 && !is(CondRate):
		return "per"
	case c.Window != 0 && !is(CondRate, CondDeviation, CondStuck):
		return "window"
	case c.SilentFor != 0 && !is(CondNoData):
		return "silentFor"
	case c.Factor != 0 && !is(CondNoData):
		return "factor"
	case c.Sigmas != 0 && !is(CondDeviation):
		return "sigmas"
	case c.Distance != 0 && !is(CondDeviation):
		return "distance"
	case c.Tolerance != 0 && !is(CondStuck):
		return "tolerance"
	}
	return ""
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// AlertRuleFilter chooses rules; the zero value is all.
type AlertRuleFilter struct {
	OrgID string
	Page
}

// AlertRules keeps the rules.
type AlertRules interface {
	// CreateAlertRule stores r as it is, a Revision of 0 as 1; ErrConflict when
	// its id is taken, ErrNotFound when its organization, or a device that it
	// selects, is not there (deleted ones are not) or another's, ErrInvalid when
	// one of its channels is not there or another organization's.
	CreateAlertRule(ctx context.Context, r AlertRule) error
	// UpdateAlertRule replaces everything but id, organization and CreatedAt.
	// r.Revision must be one more than what is stored: else ErrConflict, because
	// somebody else has changed it meanwhile. A device that was selected may stay
	// so, whatever became of it: deleting one leaves the rule as it is.
	UpdateAlertRule(ctx context.Context, r AlertRule) error
	AlertRule(ctx context.Context, id string) (AlertRule, error)
	// ListAlertRules answers in order of id.
	ListAlertRules(ctx context.Context, f AlertRuleFilter) ([]AlertRule, error)
	DeleteAlertRule(ctx context.Context, id string) error
}
