package broker

import (
	"encoding/json"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"tidegate/store"
)

// lifecycle is the retained message about a device.
type lifecycle struct {
	Status string     `json:"status"`
	TS     store.Time `json:"ts"`
	Reason string     `json:"reason"`
}

func lifecycleTopic(orgID, deviceID string) string {
	return "org/" + orgID + "/device/" + deviceID + "/lifecycle"
}

func (b *Broker) publishLifecycle(orgID, deviceID, status, reason string, at time.Time) {
	payload, err := json.Marshal(lifecycle{status, store.Time(at.UnixMilli()), reason})
	if err == nil {
		err = b.inject("", packets.Packet{
			FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1, Retain: true},
			TopicName:   lifecycleTopic(orgID, deviceID),
			Payload:     payload,
		})
	}
	if err != nil {
		b.log.Error("publish lifecycle", "error", err, "device_id", deviceID)
	}
}

// saysOffline reports whether a device's own lifecycle message says offline.
func saysOffline(payload []byte) bool {
	var l struct {
		Status string `json:"status"`
	}
	return json.Unmarshal(payload, &l) == nil && l.Status == "offline"
}

// said tells what a device says of itself; what is not in the form of a
// lifecycle message is passed over.
func (b *Broker) said(orgID, deviceID string, payload []byte) {
	var l struct {
		Status string `json:"status"`
		Reason string `json:"reason"`
	}
	if json.Unmarshal(payload, &l) == nil && l.Status != "" {
		b.opts.Said(orgID, deviceID, l.Status, l.Reason, b.opts.Now())
	}
}

// refreshPresence tells Presence who was heard of, until the broker closes.
func (b *Broker) refreshPresence() {
	tick := time.NewTicker(b.opts.PresenceInterval)
	defer tick.Stop()
	for {
		select {
		case <-b.listener.stopped:
			return
		case <-tick.C:
		}
		for _, a := range b.allAccounts() {
			a.refresh()
		}
	}
}

// allAccounts answers the accounts, and drops those that are of no use any more.
func (b *Broker) allAccounts() []*account {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]*account, 0, len(b.accounts))
	for key, a := range b.accounts {
		if a.idle() {
			delete(b.accounts, key)
			continue
		}
		all = append(all, a)
	}
	return all
}
