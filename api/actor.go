package api

import (
	"context"
	"net"
	"strconv"
	"time"

	"tidegate/ingest"
	"tidegate/store"
)

// Actor is who does something: the name that the audit trail keeps.
type Actor struct {
	Name   string     // user:ann@example.org, uid:0, setup
	Role   store.Role // of a person; empty for a program
	Access store.Access
	Remote string      // address; empty: on the box
	User   *store.User // nil when it is no person with a login
	// Session is the login of a person; empty: none.
	Session string

	expires time.Time         // of a token; zero: it does not
	key     *ingest.Principal // of an API key; nil: none
}

type contextKey int

const (
	actorKey contextKey = iota
	principalKey
	peerKey
	requestIDKey
	headKey
)

// WithActor says who acts in ctx.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey, a)
}

// ActorName answers the name of who acts in ctx, as the audit trail keeps it.
func ActorName(ctx context.Context) string {
	a, _ := actorFrom(ctx)
	return a.Name
}

func actorFrom(ctx context.Context) (Actor, bool) {
	a, ok := ctx.Value(actorKey).(Actor)
	return a, ok
}

// peerContext is the ConnContext of the socket's server.
func peerContext(ctx context.Context, c net.Conn) context.Context {
	if uid, ok := peerUID(c); ok {
		return context.WithValue(ctx, peerKey, uid)
	}
	return ctx
}

// peerActor answers who sits at the other end of the socket. Who may open it
// is decided by its file mode.
func peerActor(ctx context.Context) (Actor, bool) {
	uid, ok := ctx.Value(peerKey).(uint32)
	if !ok {
		return Actor{}, false
	}
	return Actor{Name: "uid:" + strconv.FormatUint(uint64(uid), 10), Role: store.RoleCompanyAdmin, Access: store.Everything()}, true
}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey).(string)
	return id
}
