package embedded

import (
	"context"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// importState is how far readings of elsewhere were brought into the database
// of a journal; empty: they were not, or a log is bound since.
type importState string

const (
	importBegun importState = "begun"
	importEnded importState = "ended" // Reset has said so
)

func importUnfinished(path string) error {
	return fileError(store.ErrConflict, path, "says that readings were being brought into MongoDB, and that this did not end: run `tidegate migrate --to mongo` again")
}

// importable answers why readings of elsewhere are not to be brought in.
func (m *journalMeta) importable(path string) error {
	if m.Import == "" && (m.Applied > 0 || m.Stored+m.Duplicate > 0 || m.Intent != nil) {
		return fileError(store.ErrConflict, path, "follows log %s and has applied it up to %d: readings of another store can only be brought into a database without its own; name another one in MONGO_URI", m.Log, m.Applied)
	}
	return nil
}

// Importable implements store.Journal.
func (j *Journal) Importable(ctx context.Context) error {
	m, err := j.read(ctx)
	if err != nil {
		return err
	}
	return m.importable(j.db.Path())
}

// Import implements store.Journal.
func (j *Journal) Import(ctx context.Context) error {
	m, err := j.read(ctx)
	if err != nil || m.Import == importBegun {
		return err
	}
	return j.change(ctx, "note that readings are brought in", func(_ *bbolt.Tx, m *journalMeta) error {
		if err := m.importable(j.db.Path()); err != nil {
			return err
		}
		m.Import = importBegun
		return nil
	})
}
