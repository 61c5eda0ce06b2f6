package store

import (
	"slices"
	"strings"
	"time"
)

// Silence keeps alarms quiet for a time, or at recurring times: a maintenance
// window. Episodes are kept as ever, but nobody is told. When it is over and an
// episode goes on, people are told then. Every matcher that is given has to
// match; one without any keeps the whole organization quiet.
type Silence struct {
	ID        string            `json:"id"`
	OrgID     string            `json:"orgId"`
	Comment   string            `json:"comment"`
	DeviceIDs []string          `json:"deviceIds,omitempty"`
	RuleIDs   []string          `json:"ruleIds,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"` // the rule's, all of them
	StartsAt  Time              `json:"startsAt"`
	EndsAt    *Time             `json:"endsAt,omitempty"` // absent: until it is deleted; only with Schedule
	// Schedule, when given, are the hours within StartsAt and EndsAt.
	Schedule  *Schedule `json:"schedule,omitempty"`
	CreatedBy string    `json:"createdBy"`
	CreatedAt Time      `json:"createdAt"`
}

// NewSilenceID answers an id that nobody else gets.
func NewSilenceID() string { return "sil-" + NewSecret()[:alertIDDigits] }

// Validate reports the first thing that is wrong with s.
func (s Silence) Validate() error {
	if err := checkID("organization", s.OrgID); err != nil {
		return err
	}
	if strings.TrimSpace(s.Comment) == "" || len(s.Comment) > maxAlertMessage {
		return Invalid("silence", "comment", "says why, in 1 to %d bytes", maxAlertMessage)
	}
	if len(s.DeviceIDs) > maxSelected || len(s.RuleIDs) > maxSelected {
		return Invalid("silence", "deviceIds", "are at most %d, and so are ruleIds", maxSelected)
	}
	if err := checkLabels(s.Labels); err != nil {
		return err
	}
	if s.EndsAt == nil && s.Schedule == nil {
		return Invalid("silence", "endsAt", "is needed, or recurring hours: a silence without an end is one that is forgotten")
	}
	if s.EndsAt != nil && (*s.EndsAt <= s.StartsAt || s.EndsAt.Time().Sub(s.StartsAt.Time()) > 10*366*24*time.Hour) {
		return Invalid("silence", "endsAt", "is behind startsAt, by at most ten years")
	}
	if s.Schedule != nil {
		return s.Schedule.Validate()
	}
	return nil
}

// Matches reports whether s is about such an episode, whenever that is.
func (s *Silence) Matches(e *AlertEvent) bool {
	if e.OrgID != s.OrgID {
		return false
	}
	if len(s.DeviceIDs) > 0 && !slices.Contains(s.DeviceIDs, e.DeviceID) {
		return false
	}
	if len(s.RuleIDs) > 0 && !slices.Contains(s.RuleIDs, e.RuleID) {
		return false
	}
	for k, v := range s.Labels {
		if e.Labels[k] != v {
			return false
		}
	}
	return true
}
