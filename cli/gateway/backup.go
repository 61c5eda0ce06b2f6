package gateway

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"tidegate/store/embedded"
)

// backup writes a copy of everything into w while everything goes on. With a
// database that is what the folder has: the log, the state, the journal, the
// commands, the copy of the catalogue, the audit trail and the keys.
//
// Sessions stay out. Restored, an older copy would take refresh tokens that were
// used or revoked since: a thief's would be good again. People log in again.
//
// A dump of the database that is made after it fits it: what the dump has and
// the journal does not know of is found there when the log is applied again.
// One that was made before does not.
func (g *gateway) backup(ctx context.Context, w io.Writer) error {
	if g.files.remote != nil {
		// So that little of the log is applied again after a restore: a reading
		// without a time of its own cannot be known again in the database.
		fctx, cancel := context.WithTimeout(ctx, databaseGrace)
		err := g.flow.Flush(fctx)
		cancel()
		if err != nil && !passing(err) {
			return err
		}
	}
	_, err := embedded.Backup(ctx, w, embedded.BackupSources{
		HoldLog:  g.flow.HoldLog,
		Readings: g.files.readingsFile, Alerts: g.files.alerts, State: g.files.state, Log: g.buf,
		Commands: g.files.commands, Catalog: g.files.catalogFile, Audit: g.files.audit, Secrets: g.files.secrets,
		Others: []embedded.Source{embedded.FileSource(filepath.Join(g.o.Dir, "config.yaml")), ownAuthority{g.o.Dir}},
	}, embedded.BackupOptions{Version: g.o.Version, Spool: g.o.Dir, Elsewhere: g.elsewhere()})
	return err
}

// elsewhere says where the readings are when a backup of the folder does not
// hold them.
func (g *gateway) elsewhere() string {
	if g.files.remote == nil {
		return ""
	}
	return "MongoDB " + g.files.remote.place()
}

// Restore unpacks a backup into a folder that is empty or absent, after every
// checksum was found right.
func Restore(ctx context.Context, file, dir string) (embedded.Manifest, error) {
	f, err := os.Open(file)
	if err != nil {
		return embedded.Manifest{}, fmt.Errorf("open the backup: %w", err)
	}
	defer f.Close()
	m, err := embedded.Restore(ctx, f, dir)
	if err != nil {
		return m, fmt.Errorf("restore %s: %w", file, err)
	}
	return m, nil
}
