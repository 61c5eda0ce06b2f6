package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// The buckets of catalog.db. Values are JSON in the forms of catalog_record.go.
var (
	organizationBucket = []byte("organizations") // id → organization
	userBucket         = []byte("users")         // id → user
	emailBucket        = []byte("emails")        // address in lower case → user id
	orgUserBucket      = []byte("org_users")     // organization 0 user id → nothing
	linkBucket         = []byte("user_links")    // hash of a pending link → user id
	deviceBucket       = []byte("devices")       // id → device; its sequence is the last UID
	nameBucket         = []byte("names")         // id or serial number → device id; API key id → itself
	orgDeviceBucket    = []byte("org_devices")   // organization 0 device id → nothing
	portBucket         = []byte("ports")         // device id 0 number → port
	portNameBucket     = []byte("port_names")    // device id 0 name → number
	apiKeyBucket       = []byte("api_keys")      // id → API key
	orgAPIKeyBucket    = []byte("org_api_keys")  // organization 0 API key id → nothing
	alertRuleBucket    = []byte("alert_rules")   // id → alert rule
	orgAlertRuleBucket = []byte("org_alert_rules")
	channelBucket      = []byte("channels") // id → channel
	orgChannelBucket   = []byte("org_channels")
	channelNameBucket  = []byte("channel_names") // organization 0 name → channel id
)

// CatalogOptions of a Catalog.
type CatalogOptions struct {
	Now func() time.Time // nil: the time
	// Copy opens one that follows another catalogue, or shall. Without it a
	// catalogue that follows is refused: it is not the folder's to change.
	Copy bool
}

// The formats of catalog.db. A file says the one that a tidegate must know in
// order to change it, which rises with what is put there and not before.
const (
	// formatCopies has the mark of a copy: one that does not know of copies must
	// not change it.
	formatCopies = 2
	// formatKeys has API keys, or users with names or links. One that does not
	// know of them would delete an organization and leave its keys, which then
	// let in to whoever gets the id next; and would lose name and link of a user
	// with the next change of anything else about that user.
	formatKeys = 3
	// formatAlerts has alert rules, channels, or devices with tags. One that does
	// not know of them would delete an organization and leave its rules and
	// channels, with their secrets, to whoever gets the id next; and would lose the
	// tags of a device with the next change of anything else about it.
	formatAlerts  = 4
	catalogFormat = formatAlerts // the newest, and that of a new file
)

// Catalog is the record of what exists, in one file. Each change is one fsynced
// transaction: when a method returns nil the change survives a power cut, and
// when it returns an error nothing has changed. Reads see the last change.
//
// A UID comes from a counter in the same file that only grows, so none is ever
// given twice, whatever is deleted.
type Catalog struct {
	db  *bbolt.DB
	now func() time.Time
	// trying is the transaction of a Try, whose catalogue this is; nil: not.
	trying *bbolt.Tx
}

var _ store.Catalog = (*Catalog)(nil)

// OpenCatalog opens the file, or makes it.
func OpenCatalog(path string, o CatalogOptions) (*Catalog, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	db, err := openFile(path, fileSpec{kind: "catalog", format: catalogFormat, made: o.Now()})
	if err != nil {
		return nil, err
	}
	err = ensureBuckets(db, catalogBuckets()...)
	if err == nil && !o.Copy {
		err = view(db, func(tx *bbolt.Tx) error { return (&catalogTx{tx: tx}).refuseCopy(path) })
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Catalog{db: db, now: o.Now}, nil
}

func catalogBuckets() [][]byte {
	return [][]byte{
		organizationBucket, userBucket, emailBucket, orgUserBucket, linkBucket, deviceBucket, nameBucket,
		orgDeviceBucket, portBucket, portNameBucket, apiKeyBucket, orgAPIKeyBucket,
		alertRuleBucket, orgAlertRuleBucket, channelBucket, orgChannelBucket, channelNameBucket,
	}
}

// ensureBuckets writes only when one is absent, so that opening costs no fsync.
func ensureBuckets(db *bbolt.DB, names ...[]byte) error {
	missing := false
	err := view(db, func(tx *bbolt.Tx) error {
		for _, n := range names {
			missing = missing || tx.Bucket(n) == nil
		}
		return nil
	})
	if err != nil || !missing {
		return err
	}
	return update(db, func(tx *bbolt.Tx) error {
		for _, n := range names {
			if _, err := tx.CreateBucketIfNotExists(n); err != nil {
				return err
			}
		}
		return nil
	})
}

// Close closes the file.
func (c *Catalog) Close() error { return c.db.Close() }

// Snapshot implements Source. In a backup the catalogue comes last: a UID that
// it has not given yet must not occur in what was copied before.
func (c *Catalog) Snapshot(ctx context.Context, write func(name string, size int64, r io.Reader) error) error {
	return snapshotBolt(ctx, c.db, filepath.Base(c.db.Path()), write)
}

// catalogTx is the catalogue within a transaction. Its methods check
// everything before they write anything, so that one that fails has no effect
// and the transaction may go on.
type catalogTx struct {
	tx  *bbolt.Tx
	now time.Time
}

func (t *catalogTx) bucket(name []byte) *bbolt.Bucket { return t.tx.Bucket(name) }

func (c *Catalog) view(ctx context.Context, fn func(*catalogTx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.trying != nil {
		return fn(&catalogTx{tx: c.trying})
	}
	return view(c.db, func(tx *bbolt.Tx) error { return fn(&catalogTx{tx: tx}) })
}

// update makes a change of the catalogue's own.
func (c *Catalog) update(ctx context.Context, doing string, fn func(*catalogTx) error) error {
	if c.trying != nil {
		return fn(&catalogTx{tx: c.trying, now: c.now()})
	}
	return c.change(ctx, doing, func(t *catalogTx) error {
		if err := t.refuseCopy(c.db.Path()); err != nil {
			return err
		}
		return fn(t)
	})
}

// change is one fsynced transaction.
func (c *Catalog) change(ctx context.Context, doing string, fn func(*catalogTx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := update(c.db, func(tx *bbolt.Tx) error { return fn(&catalogTx{tx: tx, now: c.now()}) })
	if err == nil || errors.As(err, new(*store.Error)) {
		return err
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// needFormat raises the format of the file, where it is lower.
func (t *catalogTx) needFormat(f uint32) error {
	b := t.bucket(headerBucket)
	if is := b.Get(headerFormat); len(is) == 4 && binary.BigEndian.Uint32(is) >= f {
		return nil
	}
	return b.Put(headerFormat, binary.BigEndian.AppendUint32(nil, f))
}

// pair is the key of an index: a name, a zero byte, which no id holds, and what
// the name leads to.
func pair(name, to string) []byte {
	return append(append(append(make([]byte, 0, len(name)+1+len(to)), name...), 0), to...)
}

// hasPrefix reports whether any key of b begins so.
func hasPrefix(b *bbolt.Bucket, prefix []byte) bool {
	k, _ := b.Cursor().Seek(prefix)
	return k != nil && len(k) >= len(prefix) && string(k[:len(prefix)]) == string(prefix)
}
