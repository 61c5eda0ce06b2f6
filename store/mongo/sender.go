package mongo

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/description"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"tidegate/store"
)

// sendPatience bounds one command. A server that takes longer goes on with it;
// the command that is sent again waits there for the first.
const sendPatience = 30 * time.Second

// codeTransactionTooOld says that a session has seen a higher number.
const codeTransactionTooOld = 225

// sender sends inserts with a session and a number of our own choosing, which
// the driver's public API does not let us choose. All that rests on the driver's
// x packages, which may change with any release, is in this file.
type sender struct {
	db      *Database
	writers int
	metrics *seriesMetrics

	mu      sync.Mutex
	top     *topology.Topology // nil: not connected
	appName string             // of its connections
}

func newSender(db *Database, writers int, m *seriesMetrics) *sender {
	return &sender{db: db, writers: writers, metrics: m}
}

// sessionID is the id of a lane's session: the same for every process that
// follows the same log into the same database.
func sessionID(database string, log store.LogID, lane int) [16]byte {
	h := sha256.Sum256(fmt.Appendf(nil, "tidegate session %s %s %d", database, log, lane))
	id := [16]byte(h[:16])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // a UUID of version 4
	return id
}

// connected answers the writer's own connections, and makes them.
func (s *sender) connected() (*topology.Topology, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.top != nil {
		return s.top, nil
	}
	o, err := s.db.clientOptions()
	if err != nil {
		return nil, err
	}
	var token [6]byte
	_, _ = rand.Read(token[:]) // never fails
	name := s.namePrefix() + hex.EncodeToString(token[:])
	o.SetAppName(name).SetMaxPoolSize(uint64(s.writers) + 1)
	cfg, err := topology.NewConfig(o, nil)
	if err != nil {
		return nil, fmt.Errorf("connect the writer to MongoDB: %w", redacted{err})
	}
	top, err := topology.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("connect the writer to MongoDB: %w", redacted{err})
	}
	if err := top.Connect(); err != nil {
		return nil, fault(fmt.Errorf("connect the writer to MongoDB: %w", redacted{err}))
	}
	s.top, s.appName = top, name
	return top, nil
}

// namePrefix begins the application name of every writer into this database, so
// that a standalone server can be asked for their connections.
func (s *sender) namePrefix() string { return "tidegate writer " + s.db.identity()[:8] + " " }

// close ends the connections; the next command makes new ones.
func (s *sender) close(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.top == nil {
		return nil
	}
	err := s.top.Disconnect(ctx)
	s.top = nil
	if errors.Is(err, topology.ErrTopologyClosed) {
		return nil
	}
	return err
}

// numbering is the session and number of a command; nil: it has none.
type numbering struct {
	session [16]byte
	number  int64
}

// insert sends documents. What the server will not have of them is in refused.
// An error that is errOutnumbered says that the session has seen a higher number; of
// any other it is not known whether it has happened.
func (s *sender) insert(ctx context.Context, n *numbering, docs *documents) ([]refused, error) {
	began := time.Now()
	no, err := s.command(ctx, n, func(b []byte) []byte {
		b = bsoncore.AppendStringElement(b, "insert", valuesCollection)
		return bsoncore.AppendBooleanElement(b, "ordered", false)
	}, &batch{docs: docs})
	s.metrics.insertSeconds.Observe(time.Since(began).Seconds())
	if err == nil {
		s.metrics.documents.Add(float64(len(docs.ends) - len(no)))
	}
	return no, err
}

// bump takes a number of a session: afterwards nothing that was sent under a
// lower one happens any more, and nothing is under way.
func (s *sender) bump(ctx context.Context, n numbering) error {
	_, err := s.command(ctx, &n, func(b []byte) []byte {
		b = bsoncore.AppendStringElement(b, "update", leasesCollection)
		id := "session-" + hex.EncodeToString(n.session[:])
		q := bsoncore.BuildDocument(nil, bsoncore.AppendStringElement(nil, "_id", id))
		set := bsoncore.BuildDocument(nil, bsoncore.AppendInt64Element(nil, "number", n.number))
		u := bsoncore.BuildDocument(nil, bsoncore.AppendDocumentElement(nil, "$set", set))
		one := bsoncore.AppendDocumentElement(nil, "q", q)
		one = bsoncore.AppendDocumentElement(one, "u", u)
		one = bsoncore.AppendBooleanElement(one, "upsert", true)
		return bsoncore.AppendArrayElement(b, "updates", bsoncore.BuildArray(nil, bsoncore.Value{Type: bsoncore.TypeEmbeddedDocument, Data: bsoncore.BuildDocument(nil, one)}))
	}, nil)
	return err
}

// errOutnumbered says that a session has seen a higher number.
var errOutnumbered = errors.New("the session has seen a higher number")

// command executes one command at the primary.
func (s *sender) command(ctx context.Context, n *numbering, head func([]byte) []byte, docs *batch) ([]refused, error) {
	top, err := s.connected()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, sendPatience)
	defer cancel()
	op := driver.Operation{
		CommandFn: func(b []byte, _ description.SelectedServer) ([]byte, error) {
			b = head(b)
			if n != nil {
				id := bsoncore.BuildDocument(nil, bsoncore.AppendBinaryElement(nil, "id", 4, n.session[:]))
				b = bsoncore.AppendDocumentElement(b, "lsid", id)
				b = bsoncore.AppendInt64Element(b, "txnNumber", n.number)
			}
			concern := bsoncore.AppendStringElement(nil, "w", "majority")
			concern = bsoncore.AppendBooleanElement(concern, "j", true)
			return bsoncore.AppendDocumentElement(b, "writeConcern", bsoncore.BuildDocument(nil, concern)), nil
		},
		ProcessResponseFn: func(context.Context, bsoncore.Document, driver.ResponseInfo) error { return nil },
		Database:          s.db.uri.database, Deployment: top, Selector: primarySelector{}, Type: driver.Write, Name: "insert",
		// A time-series insert that the server breaks off leaves readings behind in
		// the buckets that it has not come to, and puts them into the collection with
		// the next insert that has no number (6.0.5). So it is never told to.
		OmitMaxTimeMS: true,
	}
	if docs != nil {
		op.Batches = docs
	}
	err = op.Execute(ctx)
	var we driver.WriteCommandError
	if errors.As(err, &we) && we.WriteConcernError == nil && docs != nil {
		return refusals(we.WriteErrors, len(docs.docs.ends))
	}
	var de driver.Error
	if errors.As(err, &de) && de.Code == codeTransactionTooOld {
		return nil, errOutnumbered
	}
	return nil, fault(err)
}

// Codes of the server that say that a document itself is at fault: bad value,
// type mismatch, overflow, invalid BSON, validation, too large, key too long.
var ofTheDocument = map[int64]bool{2: true, 14: true, 15: true, 22: true, 121: true, 10334: true, 17280: true}

// refusals answers which documents the server will not have, out of many. When
// it has none of them, for a reason that need not be theirs, the collection or
// the server may be at fault: then nothing is given up.
func refusals(errs driver.WriteErrors, docs int) ([]refused, error) {
	var out []refused
	for _, e := range errs {
		if isPassing(int(e.Code)) {
			return nil, fmt.Errorf("%w: %s", store.ErrUnavailable, e.Message)
		}
		if len(errs) == docs && !ofTheDocument[e.Code] {
			return nil, fmt.Errorf("insert readings: the server takes none of %d: %s (code %d)", docs, e.Message, e.Code)
		}
		out = append(out, refused{index: int(e.Index), words: fmt.Sprintf("%s (code %d)", e.Message, e.Code)})
	}
	return out, nil
}

// primarySelector chooses the server that takes writes.
type primarySelector struct{}

func (primarySelector) SelectServer(_ description.Topology, all []description.Server) ([]description.Server, error) {
	var out []description.Server
	for _, d := range all {
		switch d.Kind {
		case description.ServerKindRSPrimary, description.ServerKindMongos, description.ServerKindStandalone, description.ServerKindLoadBalancer:
			out = append(out, d)
		}
	}
	return out, nil
}

// batch hands a command's documents to the driver as they are, whole.
type batch struct {
	docs *documents
	gone bool
}

// errSplit says that the driver would cut a command in two, which would need two
// numbers.
var errSplit = errors.New("a command has more than the server takes at once")

func (b *batch) AppendBatchSequence(dst []byte, maxCount, totalSize int) (int, []byte, error) {
	n, section := len(b.docs.ends), b.docs.section()
	switch {
	case n > maxCount || len(section) > totalSize:
		return 0, dst, errSplit
	case len(dst) == 0:
		return n, section, nil // which the driver copies
	}
	return n, append(dst, section...), nil
}

// AppendBatchArray is for servers before 3.6.
func (b *batch) AppendBatchArray(dst []byte, _, _ int) (int, []byte, error) { return 0, dst, errSplit }

func (b *batch) IsOrdered() *bool { return new(bool) }

func (b *batch) AdvanceBatches(int) { b.gone = true }

func (b *batch) Size() int {
	if b.gone {
		return 0
	}
	return len(b.docs.ends)
}
