package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// The buckets of commands.db. Keys are UID, id, so that a device's are together
// and in order.
var (
	commandBucket = []byte("commands") // UID, id → commandRecord in JSON
	openBucket    = []byte("open")     // UID, id → 1: those that are not ended
)

const commandsFormat = 1

// CommandsOptions of Commands; the zero value works.
type CommandsOptions struct {
	Now func() time.Time // nil: the time; of a new file
}

// Commands keeps what devices are told to do, in one file. A change is one
// fsynced transaction. A folder without the file starts, and has no commands.
//
// After a failed fsync nothing is written any more, because nobody knows what
// the file has.
type Commands struct {
	db *bbolt.DB

	mu     sync.Mutex // held over a change
	broken error      // after it nothing is written any more
	closed bool
}

var _ store.Commands = (*Commands)(nil)

// OpenCommands opens the file, or makes it.
func OpenCommands(path string, o CommandsOptions) (*Commands, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	db, err := openFile(path, fileSpec{kind: "commands", format: commandsFormat, made: o.Now()})
	if errors.Is(err, store.ErrInvalid) {
		return nil, fmt.Errorf("%w. It holds commands to devices alone: without it those that wait are not sent", err)
	}
	if err != nil {
		return nil, err
	}
	if err := ensureBuckets(db, commandBucket, openBucket); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Commands{db: db}, nil
}

// Close closes the file.
func (c *Commands) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	return c.db.Close()
}

// Snapshot implements Source.
func (c *Commands) Snapshot(ctx context.Context, write func(name string, size int64, r io.Reader) error) error {
	return snapshotBolt(ctx, c.db, filepath.Base(c.db.Path()), write)
}

// change runs fn in a transaction that is on disk when it answers nil.
func (c *Commands) change(ctx context.Context, doing string, fn func(*bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return fileError(store.ErrUnavailable, c.db.Path(), "is closed")
	}
	if c.broken != nil {
		return c.broken
	}
	err := update(c.db, fn)
	if errors.Is(err, errFsync) {
		c.broken = err
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// PutCommands implements store.Commands.
func (c *Commands) PutCommands(ctx context.Context, commands []store.Command) error {
	for i := range commands {
		if err := commands[i].Validate(); err != nil {
			return err
		}
	}
	return c.change(ctx, "keep commands", func(tx *bbolt.Tx) error {
		ended := map[uint32]struct{}{}
		for i := range commands {
			n := &commands[i]
			k := commandKey(n.UID, n.ID)
			if err := tx.Bucket(commandBucket).Put(k, encodeCommand(n)); err != nil {
				return err
			}
			open := tx.Bucket(openBucket)
			if n.State.Open() {
				if err := open.Put(k, []byte{1}); err != nil {
					return err
				}
				continue
			}
			if err := open.Delete(k); err != nil {
				return err
			}
			ended[n.UID] = struct{}{}
		}
		for uid := range ended {
			if err := trimCommands(tx, uid); err != nil {
				return err
			}
		}
		return nil
	})
}

// trimCommands removes the oldest ended commands of a device beyond the limit.
func trimCommands(tx *bbolt.Tx, uid uint32) error {
	open := tx.Bucket(openBucket)
	var keys [][]byte // of ended ones, oldest first
	err := ofDevice(tx.Bucket(commandBucket), uid, func(k, _ []byte) error {
		if open.Get(k) == nil {
			keys = append(keys, bytes.Clone(k))
		}
		return nil
	})
	for _, k := range keys[:max(0, len(keys)-store.CommandsKept)] {
		err = errors.Join(err, tx.Bucket(commandBucket).Delete(k))
	}
	return err
}

// ofDevice calls fn for each pair of a device, in order.
func ofDevice(b *bbolt.Bucket, uid uint32, fn func(k, v []byte) error) error {
	prefix := binary.BigEndian.AppendUint32(nil, uid)
	cur := b.Cursor()
	for k, v := cur.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = cur.Next() {
		if err := fn(k, v); err != nil {
			return err
		}
	}
	return nil
}

// Command implements store.Commands.
func (c *Commands) Command(ctx context.Context, uid uint32, id string) (out store.Command, err error) {
	if err := ctx.Err(); err != nil {
		return out, err
	}
	err = view(c.db, func(tx *bbolt.Tx) error {
		k := commandKey(uid, id)
		v := tx.Bucket(commandBucket).Get(k)
		if v == nil {
			return store.NotFound("command", id)
		}
		out, err = decodeCommand(k, v)
		return err
	})
	return out, err
}

// ListCommands implements store.Commands.
func (c *Commands) ListCommands(ctx context.Context, f store.CommandFilter) (out []store.Command, err error) {
	if f.Limit < 1 {
		return nil, store.Invalid("command", "limit", "must be at least 1")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = view(c.db, func(tx *bbolt.Tx) error {
		prefix := binary.BigEndian.AppendUint32(nil, f.UID)
		cur := tx.Bucket(commandBucket).Cursor()
		k, v := lastOf(cur, f.UID)
		if f.After != "" {
			if k, _ = cur.Seek(commandKey(f.UID, f.After)); k == nil {
				k, v = cur.Last()
			} else {
				k, v = cur.Prev()
			}
		}
		for ; bytes.HasPrefix(k, prefix) && len(out) < f.Limit; k, v = cur.Prev() {
			n, err := decodeCommand(k, v)
			if err != nil {
				return err
			}
			if f.State == "" || n.State == f.State {
				out = append(out, n)
			}
		}
		return nil
	})
	return out, err
}

// OpenCommands implements store.Commands.
func (c *Commands) OpenCommands(ctx context.Context) (out []store.Command, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = view(c.db, func(tx *bbolt.Tx) error {
		return tx.Bucket(openBucket).ForEach(func(k, _ []byte) error {
			n, err := decodeCommand(k, tx.Bucket(commandBucket).Get(k))
			out = append(out, n)
			return err
		})
	})
	return out, err
}

// DeleteCommands implements store.Commands.
func (c *Commands) DeleteCommands(ctx context.Context, uid uint32) error {
	return c.change(ctx, "delete the commands of a device", func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{commandBucket, openBucket} {
			var keys [][]byte
			b := tx.Bucket(name)
			err := ofDevice(b, uid, func(k, _ []byte) error {
				keys = append(keys, bytes.Clone(k))
				return nil
			})
			for _, k := range keys {
				err = errors.Join(err, b.Delete(k))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Verify reads all of it, and answers how many there are and how many are open.
func (c *Commands) Verify(ctx context.Context) (kept, open int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	err = view(c.db, func(tx *bbolt.Tx) error {
		return tx.Bucket(commandBucket).ForEach(func(k, v []byte) error {
			n, err := decodeCommand(k, v)
			if err != nil {
				return err
			}
			kept++
			if n.State.Open() != (tx.Bucket(openBucket).Get(k) != nil) {
				return fileError(store.ErrInvalid, c.db.Path(), "does not agree with itself whether command %q is open; %s", n.ID, wayOut)
			}
			if n.State.Open() {
				open++
			}
			return nil
		})
	})
	return kept, open, err
}

func commandKey(uid uint32, id string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uid), id...)
}

// commandRecord is the form in which commands.db keeps a command; times are
// milliseconds.
type commandRecord struct {
	OrgID     string          `json:"org"`
	DeviceID  string          `json:"device"`
	Name      string          `json:"name"`
	Params    json.RawMessage `json:"params,omitempty"`
	State     string          `json:"state"`
	Actor     string          `json:"actor"`
	CreatedAt int64           `json:"created"`
	ExpiresAt int64           `json:"expires"`
	SentAt    int64           `json:"sentAt,omitempty"`
	AckedAt   int64           `json:"acked,omitempty"`
	EndedAt   int64           `json:"ended,omitempty"`
	Sent      int             `json:"sent,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Detail    string          `json:"detail,omitempty"`
}

func encodeCommand(c *store.Command) []byte {
	return encodeRecord(commandRecord{
		c.OrgID, c.DeviceID, c.Name, c.Params, string(c.State), c.Actor, int64(c.CreatedAt), int64(c.ExpiresAt),
		int64(c.SentAt), int64(c.AckedAt), int64(c.EndedAt), c.Sent, c.Result, c.Detail,
	})
}

func decodeCommand(k, v []byte) (store.Command, error) {
	var r commandRecord
	if len(k) <= 4 || json.Unmarshal(v, &r) != nil {
		return store.Command{}, fmt.Errorf("a command is damaged (key %x)", k)
	}
	return store.Command{
		ID: string(k[4:]), UID: binary.BigEndian.Uint32(k), OrgID: r.OrgID, DeviceID: r.DeviceID, Name: r.Name, Params: slices.Clone(r.Params),
		State: store.CommandState(r.State), Actor: r.Actor, CreatedAt: store.Time(r.CreatedAt), ExpiresAt: store.Time(r.ExpiresAt),
		SentAt: store.Time(r.SentAt), AckedAt: store.Time(r.AckedAt), EndedAt: store.Time(r.EndedAt), Sent: r.Sent,
		Result: slices.Clone(r.Result), Detail: r.Detail,
	}, nil
}
