package gateway

import (
	"context"
	"strings"

	"tidegate/store"
)

// setupSecret answers what lets a browser make the first user, while there is
// none. It is another one at each start, and kept nowhere: whoever may read the
// server's output may make the first user over the socket as well.
func (g *gateway) setupSecret(ctx context.Context) (string, error) {
	users, err := g.files.catalog.ListUsers(ctx, store.UserFilter{Page: store.Page{Limit: 1}})
	if err != nil || len(users) > 0 {
		return "", err
	}
	return store.NewSecret(), nil
}

// address is where a browser on this machine finds the page.
func (g *gateway) address() string {
	if g.addrs.HTTP == "" {
		return "https" + strings.TrimPrefix(browsable(g.addrs.HTTPS), "http")
	}
	return browsable(g.addrs.HTTP)
}
