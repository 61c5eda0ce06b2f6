package embedded

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"

	"tidegate/store"
)

// A backup is one tar file in zstd. Its first entry says what it is, so that a
// newer one is refused at once; its last is the manifest, so that one that was
// cut off is never taken for whole.
const (
	backupFormat   = 1
	backupHead     = "tidegate-backup.json" // Manifest without Files
	backupManifest = "manifest.json"        // Manifest
)

// Manifest is what a backup says of itself.
type Manifest struct {
	Format  int        `json:"format"`
	Version string     `json:"tidegateVersion"`
	Created store.Time `json:"created"`
	// Elsewhere names the database that has the readings; empty: the backup has.
	Elsewhere string       `json:"readingsElsewhere,omitempty"`
	Files     []BackupFile `json:"files,omitempty"`
}

// BackupFile is a file of a backup; Name is relative to the data folder.
type BackupFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// BackupSources are the parts of a data folder. Nil ones are left out.
//
// The parts are copied one after the other while all of them are in use, and
// yet fit together, because of the order and of two holds:
//
//   - The followers of the log come first, the log behind them. So the copied
//     log reaches at least as far as each follower has applied, and holding its
//     trimming from before the first copy makes it begin no later. Whatever a
//     follower has not applied is replayed after the restore; so alarms that the
//     copy does not have yet are raised then.
//   - The readings come before the state. The state is made durable before the
//     readings are, so its copy has applied at least what theirs have; and the
//     verdicts between the two positions are held, so that what the state
//     counts as rejected is not stored as well. The journal, which keeps the
//     position of readings in a database elsewhere, comes before the state for
//     the same reason.
//   - The catalogue comes behind the log and the commands: a device number that
//     it has not given yet occurs in no copied record, reading or command, and so
//     cannot be given again.
//   - The audit trail comes behind the catalogue, and names every change in it.
type BackupSources struct {
	// HoldLog keeps the log from being trimmed until release is called.
	HoldLog func() (release func(), err error)

	Readings Source
	Journal  Source
	Alerts   Source
	State    *State
	Log      Source
	Commands Source
	Catalog  Source
	Audit    Source
	Secrets  Source
	Others   []Source
}

// BackupOptions of Backup.
type BackupOptions struct {
	Version string           // tidegate's
	Now     func() time.Time // nil: the time
	// Spool is a folder for the whole backup until it is complete, so that no
	// hold and no transaction waits for a slow reader. Empty: it is written
	// straight away, which is right for a local file.
	Spool string
	// Elsewhere names the database that has the readings, for people.
	Elsewhere string
}

// Backup writes one file that holds everything into w. Only when it answers no
// error is the backup whole.
func Backup(ctx context.Context, w io.Writer, src BackupSources, o BackupOptions) (m Manifest, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Spool == "" {
		return writeBackup(ctx, w, src, o)
	}
	f, err := os.CreateTemp(o.Spool, "backup-*.tmp")
	if err != nil {
		return m, fmt.Errorf("make room for the backup: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := os.Remove(f.Name()); err != nil { // it lives as long as it is open, whatever happens
		return m, fmt.Errorf("make room for the backup: %w", err)
	}
	if m, err = writeBackup(ctx, f, src, o); err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			err = fmt.Errorf("%w: the disk of %s has no room for the backup: %w", store.ErrFull, o.Spool, err)
		}
		return m, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return m, err
	}
	if _, err := io.Copy(w, contextReader{ctx, f}); err != nil {
		return m, fmt.Errorf("send backup: %w", err)
	}
	return m, nil
}

func writeBackup(ctx context.Context, w io.Writer, src BackupSources, o BackupOptions) (Manifest, error) {
	b := backupWriter{m: Manifest{Format: backupFormat, Version: o.Version, Created: store.Time(o.Now().UnixMilli()), Elsewhere: o.Elsewhere}, ctx: ctx}
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true))
	if err != nil {
		return b.m, err
	}
	b.tar = tar.NewWriter(z)
	err = b.json(backupHead)
	if err == nil {
		err = b.followers(src)
	}
	if err == nil {
		err = b.sources(append([]Source{src.Commands, src.Catalog, src.Audit, src.Secrets}, src.Others...)...)
	}
	if err == nil {
		err = b.json(backupManifest)
	}
	if err == nil {
		err = b.tar.Close()
	}
	if cerr := z.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return b.m, fmt.Errorf("back up: %w", err)
	}
	return b.m, nil
}

type backupWriter struct {
	m   Manifest
	tar *tar.Writer
	ctx context.Context // of the one call that the writer lives for
}

// followers copies the log and what follows it, under the holds.
func (b *backupWriter) followers(src BackupSources) error {
	if src.HoldLog != nil {
		release, err := src.HoldLog()
		if err != nil {
			return fmt.Errorf("hold the log: %w", err)
		}
		defer release()
	}
	var state Source
	if src.State != nil {
		defer src.State.HoldVerdicts()()
		state = src.State
	}
	return b.sources(src.Readings, src.Journal, src.Alerts, state, src.Log)
}

func (b *backupWriter) sources(sources ...Source) error {
	for _, s := range sources {
		if s == nil {
			continue
		}
		if err := s.Snapshot(b.ctx, b.file); err != nil {
			return err
		}
	}
	return nil
}

func (b *backupWriter) header(name string, size int64) error {
	return b.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: b.m.Created.Time()})
}

func (b *backupWriter) file(name string, size int64, r io.Reader) error {
	if !restorable(name) {
		return fmt.Errorf("%q cannot be the name of a file in a backup", name)
	}
	if err := b.header(name, size); err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(b.tar, sum), contextReader{b.ctx, r})
	if err != nil {
		return err
	}
	if n != size {
		return fmt.Errorf("%s has %d bytes instead of %d", name, n, size)
	}
	b.m.Files = append(b.m.Files, BackupFile{name, size, hex.EncodeToString(sum.Sum(nil))})
	return nil
}

func (b *backupWriter) json(name string) error {
	doc, err := json.MarshalIndent(b.m, "", "  ")
	if err != nil {
		return err
	}
	if err := b.header(name, int64(len(doc))); err != nil {
		return err
	}
	_, err = b.tar.Write(doc)
	return err
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// FileSource is a small file that is replaced as a whole, such as config.yaml;
// it may be absent.
type FileSource string

// Snapshot implements Source.
func (p FileSource) Snapshot(_ context.Context, write func(name string, size int64, r io.Reader) error) error {
	f, err := os.Open(string(p))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		err = write(filepath.Base(string(p)), info.Size(), io.LimitReader(f, info.Size()))
	}
	return errors.Join(err, f.Close())
}
