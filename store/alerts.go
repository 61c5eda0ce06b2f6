package store

import "context"

// WatchState is what a rule remembers of one port.
type WatchState struct {
	RuleID   string
	Series   Series
	Position uint64 // of the log, up to which Body has seen
	Body     []byte // the engine's own; nil: it is to be forgotten
}

// AlertCommit is what the rules have to keep, in one transaction.
type AlertCommit struct {
	// Applied, when not 0, says that every watch is kept as of this position.
	Applied uint64
	// Now is the engine's time, Unix ms: the box was up until then. 0: as it was.
	Now    int64
	States []WatchState
	Events []AlertEvent // put in place of those with their ids
	// Notifications that are kept already stay as they are.
	Notifications []Notification
}

// Alerts is the local memory of rules and notifications. It lives beside either
// store, so that alarms go on while a database is away.
type Alerts interface {
	Follower
	// Commit is durable on return.
	Commit(ctx context.Context, c AlertCommit) error
	// EngineTime answers the last AlertCommit.Now; 0: there was none.
	EngineTime(ctx context.Context) (int64, error)
	// WatchStates calls fn for every watch that is kept, in order of rule and
	// series.
	WatchStates(ctx context.Context, fn func(WatchState) error) error
	// OpenEvents answers the episodes that go on.
	OpenEvents(ctx context.Context) ([]AlertEvent, error)
	AlertEvent(ctx context.Context, id string) (AlertEvent, error)
	// ListAlertEvents answers newest first.
	ListAlertEvents(ctx context.Context, f AlertEventFilter) ([]AlertEvent, error)
	// CountAlertEvents counts the open episodes of an organization (empty: all)
	// by severity.
	CountAlertEvents(ctx context.Context, orgID string) (map[Severity]int, error)

	Silences
	Notifications
	Close() error
}

// Silences keeps the silences. They are local too: a box may be silenced while
// its database is away.
type Silences interface {
	PutSilence(ctx context.Context, s Silence) error
	Silence(ctx context.Context, id string) (Silence, error)
	// ListSilences answers those of an organization (empty: all) in order of id.
	ListSilences(ctx context.Context, orgID string, p Page) ([]Silence, error)
	DeleteSilence(ctx context.Context, id string) error
}

// Notifications keeps what is to be said, and what became of it.
type Notifications interface {
	// QueuedNotifications answers what waits, oldest first.
	QueuedNotifications(ctx context.Context) ([]Notification, error)
	// PutNotifications puts them in place of those with their ids, durably.
	PutNotifications(ctx context.Context, n []Notification) error
	Notification(ctx context.Context, id string) (Notification, error)
	// ListNotifications answers newest first: by CreatedAt, then id, descending.
	ListNotifications(ctx context.Context, f NotificationFilter) ([]Notification, error)
}
