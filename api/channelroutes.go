package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

type listChannelsInput struct {
	PageInput
	OrgID string            `query:"orgId" as:"id" doc:"of this organization"`
	Type  store.ChannelType `query:"type" enum:"email,webhook,sms,ntfy,slack,telegram,teams,pagerduty"`
	Q     string            `query:"q" maxLength:"200" doc:"is in the id or the name, whatever the case"`
}

// wanted answers what the parameters choose; nil: every channel.
func (in *listChannelsInput) wanted() func(store.Channel) bool {
	if in.Q == "" && in.Type == "" {
		return nil
	}
	q := newSearch(in.Q)
	return func(c store.Channel) bool { return is(string(in.Type), string(c.Type)) && q.in(c.ID, c.Name) }
}

func (s *Server) listChannels(ctx context.Context, in *listChannelsInput) (*answer[List[Channel]], error) {
	seen := s.admin.seen(ctx)
	if in.OrgID != "" {
		if _, err := seen.organization(ctx, in.OrgID); err != nil {
			return nil, err
		}
	}
	l := lister[store.Channel]{
		piece: func(after string, n int) ([]store.Channel, error) {
			return seen.listChannels(ctx, store.ChannelFilter{OrgID: in.OrgID, Page: store.Page{After: after, Limit: n}})
		},
		id:     func(c store.Channel) string { return c.ID },
		wanted: in.wanted(),
	}
	channels, next, err := l.page(in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	return listOf(channels, next, newChannel), nil
}

// Channels are read by those who write rules, not by all who read: their
// addresses are people's.
func (s *Server) routeChannels() {
	tags := []string{"channels"}
	const path = "/api/v1/channels"
	type IDInput struct {
		ID string `path:"id"`
	}
	route(s, writes, huma.Operation{
		OperationID: "list-channels", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "List channels in order of id", Description: shortPages,
	}, s.listChannels)
	route(s, admins, huma.Operation{
		OperationID: "create-channel", Method: http.MethodPost, Path: path, Tags: tags,
		Summary:       "Make a channel",
		Description:   "Its secret and the values of its headers are not answered again.",
		DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *struct{ Body NewChannel }) (*answer[Channel], error) {
		c, err := s.admin.CreateChannel(ctx, in.Body)
		return &answer[Channel]{c}, err
	})
	route(s, writes, huma.Operation{
		OperationID: "get-channel", Method: http.MethodGet, Path: path + "/{id}", Tags: tags,
		Summary: "Get a channel",
	}, func(ctx context.Context, in *IDInput) (*answer[Channel], error) {
		c, err := s.admin.seen(ctx).channel(ctx, in.ID)
		return &answer[Channel]{newChannel(c)}, err
	})
	route(s, admins, huma.Operation{
		OperationID: "update-channel", Method: http.MethodPatch, Path: path + "/{id}", Tags: tags,
		Summary:     "Change a channel",
		Description: "What is not given stays, secret and headers included.",
	}, func(ctx context.Context, in *struct {
		IDInput
		Body ChannelChange
	},
	) (*answer[Channel], error) {
		c, err := s.admin.UpdateChannel(ctx, in.ID, in.Body)
		return &answer[Channel]{c}, err
	})
	route(s, admins, huma.Operation{
		OperationID: "delete-channel", Method: http.MethodDelete, Path: path + "/{id}", Tags: tags,
		Summary: "Delete a channel that no rule names", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *IDInput) (*none, error) {
		return &none{}, s.admin.DeleteChannel(ctx, in.ID)
	})
}
