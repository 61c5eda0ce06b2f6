package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Ceiling is what the driver alone makes of the readings of a Load: unordered
// InsertMany of documents that are grouped by series from the first to the last,
// as only somebody can who knows them all beforehand.
type Ceiling struct {
	Writers int // side by side, on disjoint series
	Batch   int // documents of an InsertMany
}

// ceilings are what is tried; the best counts.
func ceilings() (all []Ceiling) {
	for _, w := range []int{1, 2, 4} {
		for _, b := range []int{1_000, 5_000, 20_000} {
			all = append(all, Ceiling{w, b})
		}
	}
	return all
}

func (c Ceiling) String() string { return fmt.Sprintf("%d x %d", c.Writers, c.Batch) }

// insert inserts so many messages of each client of l.
func (c Ceiling) insert(ctx context.Context, to *mongo.Collection, l *Load, messages int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all := len(l.Clients) * l.Readings
	errs := make([]error, c.Writers)
	var wg sync.WaitGroup
	for w := range c.Writers {
		wg.Go(func() {
			if errs[w] = c.share(ctx, to, l, messages, all*w/c.Writers, all*(w+1)/c.Writers); errs[w] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// share inserts the series from, from+1, … below to.
func (c Ceiling) share(ctx context.Context, into *mongo.Collection, l *Load, messages, from, to int) error {
	b := batch{to: into, size: c.Batch}
	received := time.Now().UnixMilli()
	for n := from; n < to; n++ {
		s := newSeries(l.Clients[n/l.Readings].User, n%l.Readings)
		for i := range messages {
			ts := l.Start.Add(time.Duration(i) * l.Step).UnixMilli()
			if err := b.add(ctx, s, ts, received+int64(i), i); err != nil {
				return err
			}
		}
	}
	return b.send(ctx)
}

// batch gathers documents of one InsertMany.
type batch struct {
	to    *mongo.Collection
	size  int
	bytes []byte
	ends  []int
}

func (b *batch) add(ctx context.Context, s series, ts, received int64, message int) error {
	b.bytes = s.document(b.bytes, ts, received, message)
	if b.ends = append(b.ends, len(b.bytes)); len(b.ends) < b.size {
		return nil
	}
	return b.send(ctx)
}

func (b *batch) send(ctx context.Context) error {
	if len(b.ends) == 0 {
		return nil
	}
	docs, at := make([]any, len(b.ends)), 0
	for i, end := range b.ends {
		docs[i], at = bson.Raw(b.bytes[at:end]), end
	}
	b.bytes, b.ends = b.bytes[:0], b.ends[:0]
	_, err := b.to.InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
	return err
}

// series makes the documents that tidegate makes of one port of a Load.
type series struct {
	index    int // of the reading in its message
	metadata []byte
}

func newSeries(device string, index int) series {
	b, err := bson.Marshal(bson.D{{Key: "deviceId", Value: device}, {Key: "orgId", Value: "acme"}, {Key: "portNumber", Value: int32(index + 1)}})
	if err != nil {
		panic(err) // three plain values
	}
	return series{index: index, metadata: b}
}

// document appends message i's document. It is made by hand, so that the driver
// is all that a ceiling measures.
func (s series) document(b []byte, ts, received int64, i int) []byte {
	value := float64(Value(i, s.index)) / 10
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	b = appendElement(b, bson.TypeDateTime, "ts", uint64(ts))
	b = append(append(append(b, byte(bson.TypeEmbeddedDocument)), "metadata\x00"...), s.metadata...)
	b = appendElement(b, bson.TypeDouble, "rawValue", math.Float64bits(value))
	b = appendElement(b, bson.TypeDouble, "calibratedValue", math.Float64bits(value))
	b = append(append(b, byte(bson.TypeString)), "quality\x00\x05\x00\x00\x00good\x00"...)
	b = appendElement(b, bson.TypeDateTime, "ingestTs", uint64(received))
	b = append(append(b, byte(bson.TypeInt32)), "cal\x00\x00\x00\x00\x00\x00"...)
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at))
	return b
}

func appendElement(b []byte, kind bson.Type, key string, value uint64) []byte {
	b = append(append(append(b, byte(kind)), key...), 0)
	return binary.LittleEndian.AppendUint64(b, value)
}

// sameShape holds a document of ours against one that tidegate made: the same
// fields of the same types. Its _id is made by whoever inserts, and their order
// is the server's.
func sameShape(ours, theirs bson.Raw) error {
	a, errA := shape(ours)
	b, errB := shape(theirs)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if !maps.Equal(a, b) {
		return fmt.Errorf("the ceiling inserts %s, tidegate %s", ours, theirs)
	}
	return nil
}

func shape(doc bson.Raw) (map[string]bson.Type, error) {
	elements, err := doc.Elements()
	if err != nil {
		return nil, err
	}
	types := map[string]bson.Type{}
	for _, e := range elements {
		v := e.Value()
		if v.Type == bson.TypeEmbeddedDocument {
			inner, err := shape(v.Document())
			if err != nil {
				return nil, err
			}
			for k, t := range inner {
				types[e.Key()+"."+k] = t
			}
		}
		types[e.Key()] = v.Type
	}
	delete(types, "_id")
	return types, nil
}
