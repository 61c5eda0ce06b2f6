package api

import (
	"cmp"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

// AlertCondition is what a rule looks for; store.Condition with words for
// readers.
type AlertCondition struct {
	Kind       store.ConditionKind `json:"kind" enum:"above,below,between,outside,equals,changed,rate,no_data,deviation,stuck"`
	High       *float64            `json:"high,omitempty" doc:"of above, between, outside: beyond it; absent: each port's own high"`
	Low        *float64            `json:"low,omitempty" doc:"of below, between, outside: beyond it; absent: each port's own low"`
	Clear      *float64            `json:"clear,omitempty" doc:"of above, below: at this level, or beyond, it is over; absent: at high or low"`
	Hysteresis float64             `json:"hysteresis,omitempty" minimum:"0" doc:"of above, below, between, outside, rate, deviation: how far within the levels a value has to come back"`
	Value      *float64            `json:"value,omitempty" doc:"of equals"`
	Rise       *float64            `json:"rise,omitempty" minimum:"0" doc:"of rate: more than this upwards"`
	Fall       *float64            `json:"fall,omitempty" minimum:"0" doc:"of rate: more than this downwards"`
	Per        store.Duration      `json:"per,omitempty" doc:"of rate: in so long; absent: 1s"`
	Window     store.Duration      `json:"window,omitempty" doc:"of rate (absent: since the reading before), deviation, stuck: how far back it looks"`
	SilentFor  store.Duration      `json:"silentFor,omitempty" doc:"of no_data: nothing for more than this; absent: factor times the port's own cadence"`
	Factor     float64             `json:"factor,omitempty" minimum:"0" doc:"of no_data without silentFor; absent: 5"`
	Sigmas     float64             `json:"sigmas,omitempty" minimum:"0" doc:"of deviation: so many standard deviations from the mean of the window"`
	Distance   float64             `json:"distance,omitempty" minimum:"0" doc:"of deviation: so far from the mean of the window"`
	Tolerance  float64             `json:"tolerance,omitempty" minimum:"0" doc:"of stuck: within this of one value"`
}

// AlertSelection chooses the ports that a rule watches; store.Selection with
// words for readers.
type AlertSelection struct {
	DeviceIDs []string `json:"deviceIds,omitempty" maxItems:"1000" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" nullable:"false" doc:"absent: all devices"`
	Ports     []uint16 `json:"ports,omitempty" maxItems:"1000" nullable:"false" doc:"numbers; absent: all ports"`
	PortNames []string `json:"portNames,omitempty" maxItems:"1000" nullable:"false" doc:"in the place of numbers"`
	Tags      []string `json:"tags,omitempty" maxItems:"1000" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" nullable:"false" doc:"of devices, which carry all of them"`
}

// inOrder answers s as it is kept.
func (s AlertSelection) inOrder() store.Selection {
	return store.Selection{DeviceIDs: inOrder(s.DeviceIDs), Ports: inOrder(s.Ports), PortNames: inOrder(s.PortNames), Tags: inOrder(s.Tags)}
}

// inOrder answers a list ascending; an empty one is none.
func inOrder[T cmp.Ordered](s []T) []T {
	if len(s) == 0 {
		return nil
	}
	return slices.Sorted(slices.Values(s))
}

// AlertSchedule are recurring hours, of a rule or a silence; store.Schedule with words for readers.
type AlertSchedule struct {
	Days []store.Weekday `json:"days,omitempty" enum:"mon,tue,wed,thu,fri,sat,sun" maxItems:"7" nullable:"false" doc:"absent: every day"`
	From store.ClockTime `json:"from,omitempty" pattern:"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$" patternDescription:"a time of day such as 07:30" doc:"absent, and to too: the whole day" example:"22:00"`
	To   store.ClockTime `json:"to,omitempty" pattern:"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$" patternDescription:"a time of day such as 07:30" doc:"at or before from: on the next day" example:"06:00"`
	Zone string          `json:"zone" maxLength:"100" example:"Europe/Berlin"`
}

// duration describes a store.Duration.
type duration string

// durationText is what a duration is written as: such as 90s, 10m, 1h30m or 7d.
const durationText = `^(0|[0-9]{1,4}d|([0-9]{1,6}(\.[0-9]{1,3})?(h|m|s|ms))+)$`

// Schema implements huma.SchemaProvider.
func (duration) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type: huma.TypeString, Pattern: durationText, PatternDescription: "a duration such as 90s, 10m, 1h30m or 7d", Examples: []any{"5m"},
	}
}
