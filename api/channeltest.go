package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

// ChannelTested is what became of a test.
type ChannelTested struct {
	Delivered bool   `json:"delivered" doc:"the receiver took it"`
	Status    string `json:"status,omitempty" doc:"the receiver's; absent: it gave none" example:"HTTP 200"`
	Words     string `json:"words,omitempty" doc:"what the receiver said, or what else went wrong"`
}

// ChannelPreview is a message that is not sent.
type ChannelPreview struct {
	Subject string `json:"subject"`
	Text    string `json:"text" doc:"what people read"`
	Body    string `json:"body" doc:"what is sent: JSON, a form, the HTML of an email; without secrets"`
}

// ChannelSender sends and shows what a channel says.
type ChannelSender interface {
	// TestChannel sends a made-up alarm at once.
	TestChannel(ctx context.Context, c store.Channel) (ChannelTested, error)
	// PreviewChannel shows the same one.
	PreviewChannel(c store.Channel) (ChannelPreview, error)
}

// sender answers who sends.
func (s *Server) sender() (ChannelSender, error) {
	if s.o.Sender == nil {
		return nil, store.Unavailable("channel", "this server sends no messages")
	}
	return s.o.Sender, nil
}

func (s *Server) routeChannelTest() {
	tags := []string{"channels"}
	type IDInput struct {
		ID string `path:"id"`
	}
	route(s, admins, huma.Operation{
		OperationID: "test-channel", Method: http.MethodPost, Path: "/api/v1/channels/{id}/test", Tags: tags,
		Summary:     "Send a made-up alarm",
		Description: "At once, also by a channel that is disabled. It is tried once, and answers what the receiver said.",
	}, func(ctx context.Context, in *IDInput) (*answer[ChannelTested], error) {
		c, err := s.admin.seen(ctx).channel(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		to, err := s.sender()
		if err != nil {
			return nil, err
		}
		out, err := to.TestChannel(ctx, c)
		return &answer[ChannelTested]{out}, err
	})
	route(s, admins, huma.Operation{
		OperationID: "preview-channel", Method: http.MethodPost, Path: "/api/v1/channels/{id}/preview", Tags: tags,
		Summary: "Show what a made-up alarm would look like, also with a change of the channel",
	}, func(ctx context.Context, in *struct {
		IDInput
		Body struct {
			Change *ChannelChange `json:"change,omitempty" doc:"that is not made"`
		}
	},
	) (*answer[ChannelPreview], error) {
		c, err := s.admin.seen(ctx).channel(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		if in.Body.Change != nil {
			if err := in.Body.Change.apply(&c); err != nil {
				return nil, err
			}
			if err := s.admin.checkChannel(c); err != nil {
				return nil, err
			}
		}
		to, err := s.sender()
		if err != nil {
			return nil, err
		}
		out, err := to.PreviewChannel(c)
		return &answer[ChannelPreview]{out}, err
	})
}
