package gateway

import (
	"context"
	"time"

	"tidegate/api"
	"tidegate/ingest/notify"
	"tidegate/store"
)

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
