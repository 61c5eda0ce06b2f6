package gateway

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"tidegate/store/embedded"
)

// backup writes a copy of everything into w while everything goes on.
func (g *gateway) backup(ctx context.Context, w io.Writer) error {
	_, err := embedded.Backup(ctx, w, embedded.BackupSources{
		HoldLog:  g.flow.HoldLog,
		Readings: g.files.series, State: g.files.state, Log: g.buf,
		Catalog: g.files.catalog, Audit: g.files.audit, Secrets: g.files.secrets,
		Others: []embedded.Source{embedded.FileSource(filepath.Join(g.o.Dir, "config.yaml"))},
	}, embedded.BackupOptions{Version: g.o.Version, Spool: g.o.Dir})
	return err
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
