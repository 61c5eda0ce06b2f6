package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"tidegate/store"
	"tidegate/store/embedded"
)

// makeFolder makes a folder within the data folder.
func (m *migration) makeFolder(name string) error {
	if err := os.MkdirAll(m.file(name), 0o700); err != nil {
		return err
	}
	return syncFolder(m.o.Dir)
}

// move renames files of one folder into another, durably, in the order given;
// what was moved before is fine. Each belongs to the data folder's owner
// afterwards: root may migrate what another user serves.
func (m *migration) move(from, to string, names ...string) error {
	for _, name := range names {
		err := os.Rename(filepath.Join(m.file(from), name), filepath.Join(m.file(to), name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return err
		}
		err = errors.Join(m.own(filepath.Join(to, name)), syncFolder(m.file(to)), syncFolder(m.file(from)))
		if err = m.then("moved "+name, err); err != nil {
			return fmt.Errorf("move %s to %s: %w", name, m.file(to), err)
		}
	}
	return nil
}

// own gives a file of the folder to the folder's owner.
func (m *migration) own(name string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(m.o.Dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return nil
	}
	return os.Lchown(m.file(name), int(owner.Uid), int(owner.Gid))
}

// months answers the names of the files of readings in a folder within the data
// folder: the months, and behind them the index, which is there once all is.
func (m *migration) months(in string) (months []string, index bool, err error) {
	files, err := filepath.Glob(filepath.Join(m.file(in), monthNames))
	if err != nil {
		return nil, false, err
	}
	for _, f := range files {
		months = append(months, filepath.Base(f))
	}
	index, err = m.exists(filepath.Join(in, indexName))
	return months, index, err
}

func (m *migration) exists(name string) (bool, error) {
	_, err := os.Lstat(m.file(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// end writes the migration into the audit trail, and forgets it.
func (m *migration) end(ctx context.Context) error {
	if err := m.then("recorded", m.record(ctx)); err != nil {
		return fmt.Errorf("record the migration: %w", err)
	}
	if err := m.then("stage removed", os.RemoveAll(m.file(stageName))); err != nil {
		return err
	}
	if err := os.Remove(m.file(noteName)); err != nil {
		return err
	}
	return syncFolder(m.o.Dir)
}

// record writes one entry, which is the last of the trail if it was written
// before.
func (m *migration) record(ctx context.Context) (err error) {
	a, err := embedded.OpenAudit(m.file("audit.log"), embedded.AuditOptions{Logger: m.log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	what, err := json.Marshal(map[string]any{"migration": m.note.ID, "database": m.note.Place, "kept": m.note.Aside, "applied": m.note.Applied})
	if err != nil {
		return err
	}
	n, err := a.LastAudit(ctx)
	if err != nil {
		return err
	}
	if n > 0 {
		last, err := a.ListAudit(ctx, n-1, 1)
		if err != nil || len(last) == 1 && bytes.Equal(last[0].After, what) {
			return err
		}
	}
	_, err = a.Record(ctx, store.AuditEntry{
		At: store.Time(time.Now().UnixMilli()), Actor: m.o.Actor, Action: "store.migrate", Noun: "store", ID: m.note.To, After: what,
	})
	return err
}
