package gateway

import (
	"context"
	"time"

	"tidegate/api"
	"tidegate/ingest/alert"
	"tidegate/ingest/notify"
	"tidegate/store"
	"tidegate/store/embedded"
)

// alarmRecords is what the API reads of alarms: the file's, and of episodes what
// the engine knows by now.
type alarmRecords struct {
	*embedded.Alerts
	engine *alert.Engine
}

// AlertEvent implements api.Alarms.
func (r alarmRecords) AlertEvent(ctx context.Context, id string) (store.AlertEvent, error) {
	return r.engine.AlertEvent(ctx, id)
}

// ListAlertEvents implements api.Alarms.
func (r alarmRecords) ListAlertEvents(ctx context.Context, f store.AlertEventFilter) ([]store.AlertEvent, error) {
	return r.engine.ListAlertEvents(ctx, f)
}

// rulesAtWork implements api.AlertRules.
type rulesAtWork struct {
	*alert.Engine
	notify  *notify.Dispatcher
	catalog store.Channels
}

// RefreshChannels lets what waits for a channel be tried with what it is now.
func (r rulesAtWork) RefreshChannels(ctx context.Context) error {
	if err := r.Engine.RefreshChannels(ctx); err != nil {
		return err
	}
	list, err := r.catalog.ListChannels(ctx, store.ChannelFilter{})
	for _, c := range list {
		r.notify.ChannelChanged(c.ID)
	}
	return err
}

// sender implements api.ChannelSender.
type sender struct{ d *notify.Dispatcher }

// TestChannel implements api.ChannelSender.
func (s sender) TestChannel(ctx context.Context, c store.Channel) (api.ChannelTested, error) {
	r, err := s.d.Test(ctx, c)
	return api.ChannelTested{Delivered: r.Delivered, Status: r.Status, Words: r.Words}, err
}

// PreviewChannel implements api.ChannelSender.
func (s sender) PreviewChannel(c store.Channel) (api.ChannelPreview, error) {
	p, err := s.d.Preview(c, notify.Sample(&c, time.Now()))
	return api.ChannelPreview{Subject: p.Subject, Text: p.Text, Body: p.Body}, err
}
