package embedded

import (
	"tidegate/store"
)

// position is how far a file has applied which log; the zero id is none yet.
type position struct {
	log     store.LogID
	applied uint64
}

// The ways out that Bind names when a log does not fit.
const (
	adoptWayOut  = "if that log is lost for good, run `tidegate doctor --adopt-log`"
	backupWayOut = "restore all files from one backup; " + adoptWayOut
)

// check is Bind for the file at path: why it cannot go on with a log of bounds
// b, or nil. missing says what a new file lacks when the log has trimmed, and
// the way to it.
func (p position) check(path string, b store.Bounds, missing string) error {
	switch {
	case p.log == (store.LogID{}) && b.After > 0:
		return fileError(store.ErrConflict, path, "is new, but the log %s has trimmed its records up to %d, %s; %s", b.Log, b.After, missing, adoptWayOut)
	case p.log == (store.LogID{}):
		return nil
	}
	if err := p.within(path, b); err != nil {
		return err
	}
	if p.applied < b.After {
		return fileError(store.ErrConflict, path, "has applied position %d, the log has trimmed up to %d: an older copy of the file was put in place; %s", p.applied, b.After, backupWayOut)
	}
	return nil
}

// within is check without asking whether the log still holds what comes next.
func (p position) within(path string, b store.Bounds) error {
	switch {
	case p.log != b.Log:
		return fileError(store.ErrConflict, path, "has applied log %s, this is log %s: bring back its buffer.db, or %s", p.log, b.Log, backupWayOut)
	case p.applied > b.Head:
		return fileError(store.ErrConflict, path, "has applied position %d, the log ends at %d: an older buffer.db was put in place; bring back the newer one, or %s", p.applied, b.Head, backupWayOut)
	}
	return nil
}
