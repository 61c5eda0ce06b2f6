package mongo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
)

// Kind is how a deployment is made up.
type Kind uint8

// The kinds. Exactly-once inserts rest on retryable writes, which a standalone
// server does not have: there we read back.
const (
	KindStandalone Kind = iota
	KindReplicaSet
	KindSharded
)

func (k Kind) String() string {
	switch k {
	case KindStandalone:
		return "standalone"
	case KindReplicaSet:
		return "replica set"
	case KindSharded:
		return "sharded"
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// Capability is what a deployment can do.
type Capability struct {
	Version      string // such as 6.0.5
	Major, Minor int
	Kind         Kind
	// SessionTimeout is how long the server remembers a session, and with it
	// what it executed, without use; 0: it has no sessions.
	SessionTimeout time.Duration
}

// AtLeast reports whether the version is major.minor or later.
func (c Capability) AtLeast(major, minor int) bool {
	return c.Major > major || c.Major == major && c.Minor >= minor
}

// hello and buildInfo need no privilege but a login.
type hello struct {
	Msg            string    `bson:"msg"`
	SetName        string    `bson:"setName"`
	Writable       bool      `bson:"isWritablePrimary"`
	Uninitiated    bool      `bson:"isreplicaset"` // started as a member of a replica set that there is not
	SessionMinutes int64     `bson:"logicalSessionTimeoutMinutes"`
	LocalTime      time.Time `bson:"localTime"`
}

type buildInfo struct {
	Version string  `bson:"version"`
	Array   []int32 `bson:"versionArray"`
}

// tooOld refuses a server for good: waiting does not mend it.
type tooOld struct{ found string }

func (e tooOld) Error() string {
	return fmt.Sprintf("time-series needs MongoDB 5.0; found %s. Unset MONGO_URI for the embedded store", e.found)
}

func (tooOld) Unwrap() error { return store.ErrInvalid }

var errUninitiated = fmt.Errorf("%w: the server was started as a member of a replica set that nobody initiated; run rs.initiate() on it once", store.ErrUnavailable)

// capabilityOf reads what the server said of itself.
func capabilityOf(h hello, b buildInfo) (Capability, error) {
	c := Capability{Version: b.Version, SessionTimeout: time.Duration(h.SessionMinutes) * time.Minute}
	if len(b.Array) >= 2 {
		c.Major, c.Minor = int(b.Array[0]), int(b.Array[1])
	} else if _, err := fmt.Sscanf(b.Version, "%d.%d", &c.Major, &c.Minor); err != nil {
		return c, fmt.Errorf("the server's version %q is not one: %w", b.Version, store.ErrInvalid)
	}
	switch {
	case h.Msg == "isdbgrid":
		c.Kind = KindSharded
	case h.SetName != "":
		c.Kind = KindReplicaSet
	}
	switch {
	case c.Major < 5:
		return c, tooOld{fmt.Sprintf("%d.%d", c.Major, c.Minor)}
	case h.Uninitiated:
		return c, errUninitiated
	case c.Kind == KindReplicaSet && !h.Writable:
		return c, fmt.Errorf("%w: the server is not the primary of %s; name all members in MONGO_URI, without directConnection, or wait for an election", store.ErrUnavailable, h.SetName)
	}
	return c, nil
}

// tooOldForDriver recognizes that the driver itself no longer speaks with the
// server: it names the wire version alone.
func tooOldForDriver(err error) (tooOld, bool) {
	versions := []string{"2.4", "2.4", "2.6", "3.0", "3.2", "3.4", "3.6", "4.0", "4.2", "4.4"}
	_, rest, found := strings.Cut(err.Error(), "reports wire version ")
	var wire int
	if _, serr := fmt.Sscanf(rest, "%d", &wire); !found || serr != nil || wire < 0 || wire >= len(versions) {
		return tooOld{}, false
	}
	return tooOld{versions[wire]}, true
}

// readCapability asks the server.
func (d *Database) readCapability(ctx context.Context) (Capability, error) {
	h, err := d.hello(ctx)
	if err != nil {
		if old, ok := tooOldForDriver(err); ok {
			return Capability{}, old
		}
		return Capability{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, helloPatience)
	defer cancel()
	var b buildInfo
	if err := d.client.Database("admin").RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&b); err != nil {
		return Capability{}, fault(fmt.Errorf("ask for the server's version: %w", err))
	}
	return capabilityOf(h, b)
}

// hello asks the server how it is. Whoever asks, it is given up soon: a
// connection may live on without an answer ever.
func (d *Database) hello(ctx context.Context) (h hello, err error) {
	ctx, cancel := context.WithTimeout(ctx, helloPatience)
	defer cancel()
	if err := d.client.Database("admin").RunCommand(ctx, bson.D{{Key: "hello", Value: 1}}).Decode(&h); err != nil {
		return h, fault(fmt.Errorf("reach the server: %w", err))
	}
	return h, nil
}

// capability answers what the deployment can do; false: it was never reached.
func (d *Database) capability() (Capability, bool) {
	if c := d.able.Load(); c != nil {
		return *c, true
	}
	return Capability{}, false
}

// serverTime answers the clock of the server that takes our writes.
func (d *Database) serverTime(ctx context.Context) (time.Time, error) {
	h, err := d.hello(ctx)
	return h.LocalTime, err
}
