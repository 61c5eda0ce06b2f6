package embedded

import (
	"encoding/json"
	"fmt"

	"tidegate/store"
)

// notificationHead is what filters ask of a notification: it is read without
// the rest. Its texts are those of the transaction.
type notificationHead struct {
	org, channel, event, device, state []byte
}

func finalNotification(state store.NotificationState) bool { return state != store.NotificationQueued }

func (h *notificationHead) final() bool { return finalNotification(store.NotificationState(h.state)) }

type notificationRecord struct {
	Cause       string `json:"cause"`
	NotBefore   int64  `json:"notBefore,omitempty"`
	ExpiresAt   int64  `json:"expires,omitempty"`
	DeliveryID  string `json:"delivery,omitempty"`
	Attempts    int    `json:"attempts,omitempty"`
	LastError   string `json:"err,omitempty"`
	DeliveredAt *int64 `json:"delivered,omitempty"`
}

// encodeNotification writes the head, the event, and the rest as JSON.
func encodeNotification(n *store.Notification) []byte {
	var b []byte
	for _, s := range [...]string{n.OrgID, n.ChannelID, n.Event.ID, n.Event.DeviceID, string(n.State)} {
		b = appendText(b, s)
	}
	b = appendText(b, encodeEvent(&n.Event, 0))
	return append(b, encodeRecord(notificationRecord{
		Cause: string(n.Cause), NotBefore: int64(n.NotBefore), ExpiresAt: int64(n.ExpiresAt), DeliveryID: n.DeliveryID,
		Attempts: n.Attempts, LastError: n.LastError, DeliveredAt: (*int64)(n.DeliveredAt),
	})...)
}

func readNotificationHead(b []byte) (h notificationHead, rest []byte, err error) {
	f := fields{b: b}
	h.org, h.channel, h.event, h.device, h.state = f.text(), f.text(), f.text(), f.text(), f.text()
	if f.bad {
		return h, nil, fmt.Errorf("a notification is damaged")
	}
	return h, f.b, nil
}

func parseTimedKey(k []byte) (at store.Time, id string) {
	if len(k) < 8 {
		return 0, ""
	}
	return store.Time(parseHourKey(k)), string(k[8:])
}

func decodeNotification(k, b []byte) (store.Notification, error) {
	at, id := parseTimedKey(k)
	n := store.Notification{ID: id, CreatedAt: at}
	h, rest, err := readNotificationHead(b)
	if err == nil {
		f := fields{b: rest}
		if n.Event, err = decodeEvent(string(h.event), f.text()); err == nil {
			var r notificationRecord
			err = json.Unmarshal(f.b, &r)
			n.Cause, n.NotBefore, n.ExpiresAt = store.NotificationCause(r.Cause), store.Time(r.NotBefore), store.Time(r.ExpiresAt)
			n.DeliveryID, n.Attempts, n.LastError, n.DeliveredAt = r.DeliveryID, r.Attempts, r.LastError, (*store.Time)(r.DeliveredAt)
		}
	}
	if err != nil {
		return store.Notification{}, fmt.Errorf("notification %q is damaged: %w", id, err)
	}
	n.OrgID, n.ChannelID, n.State = string(h.org), string(h.channel), store.NotificationState(h.state)
	return n, nil
}

// checkNotification answers why the file could not find n again.
func checkNotification(n *store.Notification) error {
	switch {
	case n.ID == "" || len(n.ID) > maxAlertID:
		return store.Invalid("notification", "id", "has 1 to %d bytes", maxAlertID)
	case len(n.Event.ID) > maxAlertID:
		return store.Invalid("notification", "eventId", "has at most %d bytes", maxAlertID)
	}
	switch n.State {
	case store.NotificationQueued, store.NotificationDelivered, store.NotificationDead, store.NotificationObsolete:
		return nil
	}
	return store.Invalid("notification", "state", "%q is unknown", n.State)
}
