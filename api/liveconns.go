package api

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"tidegate/store"
)

// Defaults of Options.
const (
	defaultLiveConnections     = 2000
	defaultLiveConnectionsUser = 64
)

const (
	liveStrangers = 64 // connections that have not logged in yet
	liveSnapshots = 4  // snapshots that are read at once
)

// liveConns is what all live connections share.
type liveConns struct {
	ctx       context.Context // ends with the server
	end       context.CancelFunc
	strangers chan struct{}
	snapshots chan struct{}
	most      int // connections
	mostUser  int // of one person or key

	mu    sync.Mutex
	open  int
	users map[string]int // by Actor.Name
}

func newLiveConns(most, mostUser int) *liveConns {
	if most <= 0 {
		most = defaultLiveConnections
	}
	if mostUser <= 0 {
		mostUser = defaultLiveConnectionsUser
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &liveConns{
		ctx: ctx, end: cancel, strangers: make(chan struct{}, liveStrangers), snapshots: make(chan struct{}, liveSnapshots),
		most: most, mostUser: mostUser, users: map[string]int{},
	}
}

// livePlace is room for one connection.
type livePlace struct {
	of   *liveConns
	user string // empty: nobody's yet
}

// take takes a place.
func (c *liveConns) take() (*livePlace, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open >= c.most {
		p := problem(http.StatusServiceUnavailable, "full", fmt.Sprintf(
			"%d live connections are open on this server, which is the most (http.live_connections); try again later", c.open))
		p.retryAfter = 10
		return nil, p.limited("live_connections", int64(c.most))
	}
	c.open++
	return &livePlace{of: c}, nil
}

// count answers how many connections there are.
func (c *liveConns) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// belong says whose the place is, in place of whoever had it.
func (p *livePlace) belong(user string) error {
	c := p.of
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.user == user {
		return nil
	}
	if n := c.users[user]; n >= c.mostUser {
		e := problem(http.StatusTooManyRequests, "too_many_requests", fmt.Sprintf(
			"%s has %d live connections, which is the most of one user or key (http.live_connections_user); close one, or put several subscriptions on one connection", user, n))
		e.retryAfter = 10
		return e.limited("live_connections_user", int64(c.mostUser))
	}
	p.away()
	c.users[user]++
	p.user = user
	return nil
}

// away takes the place from its user. Under mu.
func (p *livePlace) away() {
	c := p.of
	if p.user == "" {
		return
	}
	if c.users[p.user]--; c.users[p.user] == 0 {
		delete(c.users, p.user)
	}
	p.user = ""
}

// leave gives the place back.
func (p *livePlace) leave() {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.away()
	p.of.open--
}

// stranger makes room for one who has not logged in yet.
func (c *liveConns) stranger() (done func(), err error) {
	select {
	case c.strangers <- struct{}{}:
		return func() { <-c.strangers }, nil
	default:
		return nil, &store.Error{Kind: store.ErrFull, Noun: "live", Msg: fmt.Sprintf("%d connections have not logged in yet, which is the most at once; try again in some seconds", liveStrangers)}
	}
}
