package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"tidegate/cli/config"
)

func (p *program) backupVerb() *cobra.Command {
	var force bool
	c := verb("backup [FILE]", "Write everything to one file while the server runs", func(ctx context.Context, args []string) error {
		name := "tidegate-" + time.Now().UTC().Format("20060102T150405Z") + ".backup"
		if len(args) == 1 {
			name = args[0]
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		s, err := cl.Status(ctx)
		if err != nil {
			return err
		}
		if s.Database != nil {
			p.warn("the readings are in MongoDB, and not in this backup: make a dump of them when it is done, such as with mongodump --db %s. A dump made before it would lack what the backup takes for stored", s.Database.Name)
		}
		g := p.newProgress(0)
		defer g.done()
		told := func(n int64) { g.set(n, config.FormatSize(n>>20<<20)+" written") }
		if name == "-" {
			_, err := cl.Backup(ctx, &meter{w: p.Stdout, told: told})
			return err
		}
		if _, err := os.Lstat(name); err == nil && !force {
			return fmt.Errorf("%s exists: name another file, or --force replaces it", name)
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		var n int64
		err = writeWhole(name, func(f *os.File) (err error) {
			n, err = cl.Backup(ctx, &meter{w: f, told: told})
			return err
		})
		if err != nil {
			return err
		}
		return p.object(map[string]any{"file": name, "bytes": n}, field{"file", name}, field{"bytes", n})
	})
	c.Long = c.Short + " (default: tidegate-TIME.backup in the working folder; - is standard output).\n\n" +
		"`tidegate restore FILE --data DIR` verifies and unpacks it. It holds secrets: keep it like a key.\n" +
		"With MongoDB the readings are not in it: make a dump with mongodump afterwards, and restore both."
	c.Args = cobra.MaximumNArgs(1)
	c.Flags().BoolVar(&force, "force", false, "replace the file if it exists")
	return c
}

// writeWhole writes a file that is there whole and on disk, or not at all.
func writeWhole(name string, fill func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*") // readable by its owner alone
	if err != nil {
		return err
	}
	defer func() {
		_ = f.Close()           // closed below when all went well
		_ = os.Remove(f.Name()) // renamed below when all went well
	}()
	if err := fill(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", name, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close %s: %w", name, err)
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync the folder of %s: %w", name, err)
	}
	return nil
}
