package mongo

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const (
	ledgerEvery  = time.Minute
	ledgerRecent = 2         // days that are looked at each time
	ledgerOldest = 3660      // days back; all that is older is one piece
	ledgerFew    = 10_000    // rows of a piece: below it the next spans twice the days,
	ledgerMany   = 50_000    // and above it half of them,
	ledgerWidest = 512       // up to so many
	ledgerBatch  = 500       // rows written at once
	hoursADay    = 24        // of the ledger's
	msPerHour    = 3_600_000 // of a Unix hour
	firstHour    = -1 << 40  // before all,
	lastHour     = 1<<40 - 1 // and behind all that a clock can say
)

// ledgerMirror copies the rows of the ledger, which change for as long as an
// hour has readings that are pending, or dead letters that may come back. It
// remembers a sum of each hour as it was copied, and writes hours whose sum
// differs.
//
// Asking for the ledger holds up the writer for a moment, whatever the span of
// hours: so it is asked twice a minute, and for as many days as give a few
// thousand rows.
type ledgerMirror struct {
	m    *Mirror
	log  string
	sums map[int64]uint64 // by hour, as it is there
	late map[int64]bool   // hours that are known to differ
	due  time.Time
	// The sweep goes backwards: the next piece is of so many days, and ends
	// before an hour.
	back int64
	span int64
	// whole says that every hour was looked at once by this process.
	whole bool
}

func newLedgerMirror(m *Mirror) *ledgerMirror {
	return &ledgerMirror{m: m, log: m.o.Log.String(), sums: map[int64]uint64{}, late: map[int64]bool{}, back: lastHour, span: 1}
}

func (c *ledgerMirror) name() string { return ledgerCollection }

// recent answers the hour with which the recent days begin.
func (c *ledgerMirror) recent() int64 {
	today := floorDiv(c.m.o.Now().UnixMilli(), msPerHour*hoursADay)
	return (today - ledgerRecent + 1) * hoursADay
}

// behind looks for hours that differ, when it is time to.
func (c *ledgerMirror) behind(ctx context.Context) (int64, error) {
	if c.m.o.Now().Before(c.due) {
		return int64(len(c.late)), nil
	}
	rows, err := c.rows(ctx, c.recent(), lastHour)
	if err != nil {
		return 0, err
	}
	for hour, r := range rows {
		if c.sums[hour] != sumOfRows(r) {
			c.late[hour] = true
		}
	}
	return int64(len(c.late)), nil
}

func (c *ledgerMirror) rows(ctx context.Context, from, to int64) (map[int64][]ledgerDoc, error) {
	list, err := c.m.o.Ledger.LedgerHours(ctx, from, to)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	rows := map[int64][]ledgerDoc{}
	for _, h := range list {
		hour := floorDiv(int64(h.Hour), msPerHour)
		rows[hour] = append(rows[hour], docOfHour(c.log, h))
	}
	return rows, nil
}

// sumOfRows is never 0.
func sumOfRows(rows []ledgerDoc) uint64 {
	h := fnv.New64a()
	var b []byte
	for _, r := range rows {
		b = append(append(b[:0], r.DeviceID...), 0)
		for _, n := range []int64{r.Received, r.Stored, r.Duplicate, r.Rejected, r.Pending} {
			b = binary.BigEndian.AppendUint64(b, uint64(n))
		}
		_, _ = h.Write(b) // never fails
	}
	return h.Sum64() | 1
}

func (c *ledgerMirror) step(ctx context.Context) (more bool, err error) {
	early := c.m.o.Now().Before(c.due)
	if early && c.whole && len(c.late) == 0 {
		return false, nil
	}
	if !early {
		if _, err := c.copy(ctx, c.recent(), lastHour); err != nil {
			return false, err
		}
	}
	if len(c.late) > 0 { // of an outage that was longer
		oldest := slices.Min(slices.Collect(maps.Keys(c.late)))
		if _, err := c.copy(ctx, oldest, oldest+hoursADay); err != nil {
			return false, err
		}
	}
	if !early || !c.whole {
		if err := c.sweep(ctx); err != nil {
			return false, err
		}
		c.due = c.m.o.Now().Add(ledgerEvery)
	}
	return !c.whole || len(c.late) > 0, nil
}

// sweep copies the next piece of what is not recent.
func (c *ledgerMirror) sweep(ctx context.Context) error {
	to := min(c.back, c.recent())
	from := to - c.span*hoursADay
	if from < c.recent()-ledgerOldest*hoursADay {
		from = firstHour
	}
	n, err := c.copy(ctx, from, to)
	if err != nil {
		return err
	}
	switch {
	case n < ledgerFew:
		c.span = min(2*c.span, ledgerWidest)
	case n > ledgerMany:
		c.span = max(c.span/2, 1)
	}
	if c.back = from; from == firstHour {
		c.back, c.span, c.whole = lastHour, 1, true
	}
	return nil
}

// copy makes the hours of a span what the ledger says, and answers how many
// rows that are.
func (c *ledgerMirror) copy(ctx context.Context, from, to int64) (n int, err error) {
	rows, err := c.rows(ctx, from, to)
	if err != nil {
		return 0, err
	}
	for hour, r := range rows {
		n += len(r)
		if c.sums[hour] == sumOfRows(r) {
			delete(rows, hour)
		}
	}
	if err := c.replace(ctx, rows); err != nil {
		return 0, err
	}
	for hour, r := range rows {
		c.sums[hour] = sumOfRows(r)
	}
	maps.DeleteFunc(c.late, func(hour int64, _ bool) bool { return hour >= from && hour < to })
	return n, nil
}

// replace makes some hours what rows says.
func (c *ledgerMirror) replace(ctx context.Context, rows map[int64][]ledgerDoc) error {
	if len(rows) == 0 {
		return nil
	}
	there, err := c.there(ctx, rows)
	if err != nil {
		return err
	}
	var models []mongo.WriteModel
	for _, r := range rows {
		for _, d := range r {
			if was, ok := there[d.Key]; !ok || was != d {
				models = append(models, mongo.NewReplaceOneModel().SetFilter(bson.D{{Key: "_id", Value: d.Key}}).SetReplacement(d).SetUpsert(true))
			}
			delete(there, d.Key)
		}
	}
	for k := range there { // a device that was deleted since has another name
		models = append(models, mongo.NewDeleteOneModel().SetFilter(bson.D{{Key: "_id", Value: k}}))
	}
	for len(models) > 0 {
		n := min(len(models), ledgerBatch)
		if _, err := c.m.write(ctx, ledgerCollection, models[:n]); err != nil {
			return err
		}
		models = models[n:]
	}
	return nil
}

// there answers the rows of some hours as they are in the collection.
func (c *ledgerMirror) there(ctx context.Context, rows map[int64][]ledgerDoc) (map[ledgerKey]ledgerDoc, error) {
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for hour := range rows {
		first, last = min(first, hour), max(last, hour)
	}
	cur, err := c.m.db.db.Collection(ledgerCollection).Find(ctx, bson.D{{Key: "_id", Value: bson.D{
		{Key: "$gte", Value: ledgerKey{Log: c.log, Hour: bson.DateTime(first * msPerHour)}},
		{Key: "$lt", Value: ledgerKey{Log: c.log, Hour: bson.DateTime((last + 1) * msPerHour)}},
	}}}, options.Find().SetBatchSize(queryBatch))
	there := map[ledgerKey]ledgerDoc{}
	if err == nil {
		for cur.Next(ctx) {
			var d ledgerDoc
			if err := cur.Decode(&d); err != nil {
				return nil, errors.Join(fmt.Errorf("read what is there: %w", err), cur.Close(ctx))
			}
			if rows[floorDiv(int64(d.Hour), msPerHour)] != nil {
				there[d.Key] = d
			}
		}
		err = errors.Join(cur.Err(), cur.Close(ctx))
	}
	if err != nil {
		return nil, fmt.Errorf("read what is there: %w", err)
	}
	return there, nil
}
