package store

import "context"

// Importer brings readings and counters in from another store, beside the log.
// It is used on a store of readings that no log is bound to, and SetCounters
// is its last step: from then on Bind accepts that log. Until a log is bound
// all may be repeated; readings of which a log has applied something refuse
// with ErrConflict.
type Importer interface {
	// ImportSamples adds those of samples, in ascending order of TS, that sr
	// does not have yet, durably, and answers how many it added. It counts
	// nothing and moves no position, and may be repeated after any error. A
	// time that is taken is left as it is, whatever its value. cals are the
	// calibrations of the port, by which a store that keeps calibrated values
	// maps each sample with the one of the number that it carries.
	ImportSamples(ctx context.Context, sr Series, cals []Calibration, samples []Sample) (added int, err error)
	// SetCounters makes durable that the readings are those of log up to
	// applied, and what the ledger says of them: it replaces all counters.
	SetCounters(ctx context.Context, log LogID, applied uint64, stored, duplicate HourCounts) error
}
