package store

import "context"

// Scan asks for samples with From <= TS < To of some series.
type Scan struct {
	Series []Series // also the tie-break: equal times come in this order (in Desc the other way round)
	From   int64    // Unix ms, inclusive
	To     int64    // Unix ms, exclusive
	Desc   bool     // newest first
	Limit  int      // at most this many rows; must be at least 1
	// After resumes behind a row (TS, index into Series) of an earlier answer.
	After *RowKey
}

// RowKey is the place of a row within a Scan.
type RowKey struct {
	TS     int64
	Series int // index into Scan.Series
}

// Row is one sample of a Scan.
type Row struct {
	Series int // index into Scan.Series
	Sample Sample
}

// SeriesCalibrations is a series with what maps its raw values.
type SeriesCalibrations struct {
	Series       Series
	Calibrations []Calibration // empty: identity
	// Ingested takes the calibration whose number each sample carries, instead
	// of the one in force at its time by today's knowledge.
	Ingested bool
}

// Aggregation asks for buckets of Every milliseconds, aligned to the Unix
// epoch, over From <= TS < To. Empty buckets are left out. Order: (bucket
// start, series index).
type Aggregation struct {
	Series []SeriesCalibrations
	From   int64
	To     int64
	Every  int64 // ms, at least 1
	Limit  int   // at most this many buckets; must be at least 1
	After  *RowKey
}

// Bucket is an aggregate of calibrated values. First and Last are by time.
type Bucket struct {
	Series int   // index into Aggregation.Series
	Start  int64 // Unix ms
	Count  uint64
	Sum    float64 // compensated
	Min    float64
	Max    float64
	First  float64
	Last   float64
}

// Mean answers Sum / Count.
func (b Bucket) Mean() float64 { return b.Sum / float64(b.Count) }

// Readings answers questions about what Append stored. No transaction is held
// open between calls, so an answer may be sent over a slow network.
type Readings interface {
	Scan(ctx context.Context, q Scan) ([]Row, error)
	Aggregate(ctx context.Context, q Aggregation) ([]Bucket, error)
	// Latest answers the newest sample of each series, and whether there is one.
	Latest(ctx context.Context, series []Series) ([]Sample, []bool, error)
}

// Counters are the two sums of the ledger that the store of readings keeps, in
// the same transaction as the readings.
type Counters interface {
	// Totals answers all readings ever stored and all duplicates ever seen,
	// those in months that retention dropped included.
	Totals(ctx context.Context) (stored, duplicate uint64, err error)
	// Hours adds what it holds for fromHour <= hour < toHour (Unix hours of
	// receipt) to stored and duplicate.
	Hours(ctx context.Context, fromHour, toHour int64, stored, duplicate HourCounts) error
}

// SeriesStore is the whole of a store of readings.
type SeriesStore interface {
	Appender
	Readings
	Counters
	Close() error
}
