package alert

import "tidegate/store"

// reasons complete “closed, because”.
var reasons = map[store.AlertEnd]string{
	store.EndCleared:       "it is over",
	store.EndRuleChanged:   "the rule was changed or is gone",
	store.EndDeviceGone:    "the device or the port is gone",
	store.EndOutsideOfPlan: "the rule's active hours are over",
}

// sentences are those of rules that have no message: while it goes on, and when
// it is over.
var sentences = map[condition][2]string{
	above: {
		"{deviceName} {name}: {reading} is above {threshold}{lasting}",
		"{deviceName} {name}: no longer above {threshold}, after {duration}; the highest was {peak}",
	},
	below: {
		"{deviceName} {name}: {reading} is below {threshold}{lasting}",
		"{deviceName} {name}: no longer below {threshold}, after {duration}; the lowest was {peak}",
	},
	outside: {
		"{deviceName} {name}: {reading} is outside of {threshold}{lasting}",
		"{deviceName} {name}: no longer outside of {threshold}, after {duration}; the furthest was {peak}",
	},
	between: {
		"{deviceName} {name}: {reading} is within {threshold}{lasting}",
		"{deviceName} {name}: no longer within {threshold}, after {duration}",
	},
	equals: {
		"{deviceName} {name} is {threshold}{lasting}",
		"{deviceName} {name} is no longer {threshold}, after {duration}",
	},
	changed: {
		"{deviceName} {name} has changed to {reading}",
		"{deviceName} {name} stays at {reading}, after {duration} of changes",
	},
	rate: {
		"{deviceName} {name}: {reading}, changing faster than {threshold}{lasting}",
		"{deviceName} {name}: no longer changing faster than {threshold}, after {duration}",
	},
	noData: {
		"{deviceName} {name}: no data for {silence}",
		"{deviceName} {name}: data again, after {silence} of silence",
	},
	deviation: {
		"{deviceName} {name}: {reading} is more than {threshold} away from its mean{lasting}",
		"{deviceName} {name}: no longer more than {threshold} away from its mean, after {duration}",
	},
	stuck: {
		"{deviceName} {name} is stuck at {reading}: it has not moved for more than {threshold}",
		"{deviceName} {name} moves again, after {duration}",
	},
}

// closing is told of an episode that something else than readings ended.
const closing = "{deviceName} {name}: closed after {duration}, because {why}; the condition was {condition} {threshold}"

// DefaultMessage is the text of rules of a kind that have none, while an episode
// goes on.
func DefaultMessage(k store.ConditionKind) string { return sentences[conditions[k]][0] }
