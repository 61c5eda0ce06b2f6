package store

import "context"

// Extent is what a series has.
type Extent struct {
	Series      Series
	First, Last int64 // times of its oldest and its newest reading
	Count       uint64
}

// Lister is the role of a store of readings that knows what it has.
type Lister interface {
	// ListSeries answers every series that has readings, in order of (UID,
	// Port): also those of deleted devices, and of ports that the catalogue no
	// longer has. Readings that wait in memory are left out. Readings of a device
	// that no catalogue knows are ErrConflict with the way out.
	ListSeries(ctx context.Context) ([]Extent, error)
}
