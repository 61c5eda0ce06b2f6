package api

import (
	"context"

	"tidegate/store"
)

// alertEvents limits a filter of episodes to those that are seen; false: none
// is.
func (s scope) alertEvents(f store.AlertEventFilter) (store.AlertEventFilter, bool) {
	var sees bool
	f.OrgID, f.Devices, sees = s.ofDevices(f.OrgID)
	return f, sees
}

// alertEvent reports whether an episode is seen: whoever sees the device sees
// its alarms.
func (s scope) alertEvent(e store.AlertEvent) bool { return s.access.SeesDevice(e.OrgID, e.DeviceID) }

// notifications limits a filter of notifications to those that are seen; false:
// none is.
func (s scope) notifications(f store.NotificationFilter) (store.NotificationFilter, bool) {
	var sees bool
	f.OrgID, f.Devices, sees = s.ofDevices(f.OrgID)
	return f, sees
}

// notification reports whether one is seen.
func (s scope) notification(n store.Notification) bool {
	return s.access.SeesDevice(n.OrgID, n.Event.DeviceID)
}

// ofDevices limits a filter of what belongs to devices.
func (s scope) ofDevices(asked string) (orgID string, devices []string, sees bool) {
	switch {
	case s.access.Whole():
		return asked, nil, true
	case asked != "" && !s.access.AllOrgs && asked != s.access.OrgID, s.access.OrgID == "" && !s.access.AllOrgs:
		return "", nil, false
	case s.access.AllOrgs:
		return asked, s.access.Devices, true
	}
	return s.access.OrgID, s.access.Devices, true
}

// silence reports whether one is seen: it is an organization's own.
func (s scope) silence(n store.Silence) bool { return s.access.SeesOrg(n.OrgID) }

// silencesOf answers whose silences are seen; false: nobody's.
func (s scope) silencesOf(asked string) (orgID string, sees bool) {
	if s.access.Whole() {
		return asked, true
	}
	if asked != "" && asked != s.access.OrgID || !s.access.SeesOrg(s.access.OrgID) {
		return "", false
	}
	return s.access.OrgID, true
}

// devicesOf reports the first of some devices that an organization does not
// have, or that is not seen.
func (s scope) devicesOf(ctx context.Context, orgID string, ids []string) error {
	for _, id := range ids {
		d, err := s.device(ctx, id)
		if err != nil {
			return err
		}
		if d.OrgID != orgID {
			return store.NotFound("device", id)
		}
	}
	return nil
}
