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
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"

	"github.com/klauspost/compress/zstd"

	"tidegate/store"
)

const (
	restoreFolder = ".restore" // within the data folder, while a restore is under way
	maxManifest   = 16 << 20
)

// restoreIgnores are entries that leave a folder empty for a restore: that of
// the one who runs it, and of a file system.
var restoreIgnores = []string{"tidegate.lock", "lost+found"}

// restorableName is a file in the data folder or one folder below it.
var restorableName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$`)

func restorable(name string) bool {
	return restorableName.MatchString(name) && !slices.Contains(restoreIgnores, name) && name != backupHead && name != backupManifest
}

// Restore unpacks a backup into dir, which must be empty or absent. Everything
// is unpacked beside, checked against the manifest and fsynced before the first
// file gets its name. On an error dir is as it was. When the process or the
// power ends in between, RestoreUnfinished says so at the next start.
func Restore(ctx context.Context, r io.Reader, dir string) (Manifest, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Manifest{}, fmt.Errorf("restore: %w", err)
	}
	if err := checkEmpty(dir); err != nil {
		return Manifest{}, err
	}
	tmp := filepath.Join(dir, restoreFolder)
	if err := errors.Join(os.RemoveAll(tmp), os.Mkdir(tmp, 0o700)); err != nil {
		return Manifest{}, fmt.Errorf("restore: %w", err)
	}
	u := unpacker{ctx: ctx, dir: tmp}
	err := u.unpack(r)
	if err == nil {
		err = u.place(dir)
	}
	if err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			err = fmt.Errorf("%w: %w", store.ErrFull, err)
		}
		return u.m, errors.Join(fmt.Errorf("restore into %s: %w", dir, err), u.undo(dir))
	}
	return u.m, nil
}

// RestoreUnfinished answers an error if a restore into dir was cut off.
func RestoreUnfinished(dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, restoreFolder)); err != nil {
		return nil //nolint:nilerr // it is not there
	}
	return fileError(store.ErrConflict, dir, "holds part of a restore that was cut off; empty the folder and run `tidegate restore` again")
}

func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	for _, e := range entries {
		if slices.Contains(restoreIgnores, e.Name()) || e.Name() == restoreFolder {
			continue
		}
		if err := RestoreUnfinished(dir); err != nil {
			return err
		}
		return fileError(store.ErrConflict, dir, "is not empty (it holds %s); restore into an empty folder with --data, or move this one away", e.Name())
	}
	return nil
}

type unpacker struct {
	ctx    context.Context // of the one call that the unpacker lives for
	dir    string
	m      Manifest
	files  []BackupFile // as unpacked
	placed []string
}

func broken(format string, args ...any) error {
	return &store.Error{Kind: store.ErrInvalid, Noun: "backup", Msg: fmt.Sprintf(format, args...)}
}

func (u *unpacker) unpack(r io.Reader) error {
	z, err := zstd.NewReader(contextReader{u.ctx, r}, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(64<<20))
	if err != nil {
		return err
	}
	defer z.Close()
	t := tar.NewReader(z)
	if err := u.head(t); err != nil {
		return err
	}
	for {
		h, err := t.Next()
		if err != nil {
			return u.broke(err, "it ends before its manifest")
		}
		if h.Typeflag != tar.TypeReg {
			return broken("it holds %q, which is no plain file", h.Name)
		}
		if h.Name == backupManifest {
			if err := u.manifest(t); err != nil {
				return err
			}
			break
		}
		if !restorable(h.Name) {
			return broken("it holds a file with the name %q, which does not belong into a data folder", h.Name)
		}
		if err := u.file(h, t); err != nil {
			return err
		}
	}
	if _, err := t.Next(); !errors.Is(err, io.EOF) {
		return u.broke(err, "something follows its manifest")
	}
	if n, err := io.Copy(io.Discard, z); err != nil || n != 0 {
		return u.broke(err, "something follows its end")
	}
	return nil
}

// broke tells a broken backup from one that cannot be read.
func (u *unpacker) broke(err error, what string) error {
	if cerr := u.ctx.Err(); cerr != nil {
		return cerr
	}
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return broken("it is not whole: %s; take another copy", what)
	}
	return broken("it is damaged or not a backup of tidegate's (%v); take another copy", err)
}

func (u *unpacker) head(t *tar.Reader) error {
	h, err := t.Next()
	if err != nil {
		return u.broke(err, "it has no beginning")
	}
	if h.Name != backupHead {
		return broken("it is not one of tidegate's: it begins with %q", h.Name)
	}
	var m Manifest
	if err := u.decode(t, &m); err != nil {
		return err
	}
	if m.Format > backupFormat {
		return broken("it has format %d, written by tidegate %s; this tidegate knows up to %d: run a newer one", m.Format, m.Version, backupFormat)
	}
	return nil
}

func (u *unpacker) decode(t io.Reader, m *Manifest) error {
	b, err := io.ReadAll(io.LimitReader(t, maxManifest+1))
	if err == nil && len(b) > maxManifest {
		err = errors.New("its manifest is too large")
	}
	if err == nil {
		err = json.Unmarshal(b, m)
	}
	if err != nil {
		return u.broke(err, "its manifest is cut off")
	}
	return nil
}

// file unpacks one file and fsyncs it.
func (u *unpacker) file(h *tar.Header, t io.Reader) error {
	to := filepath.Join(u.dir, filepath.FromSlash(h.Name))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return broken("it holds %s twice", h.Name)
	}
	if err != nil {
		return err
	}
	sum := sha256.New()
	in := &readErrors{r: t}
	n, err := io.Copy(io.MultiWriter(f, sum), in)
	if in.err != nil {
		err = u.broke(in.err, h.Name+" is cut off")
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	u.files = append(u.files, BackupFile{h.Name, n, hex.EncodeToString(sum.Sum(nil))})
	return nil
}

// readErrors remembers an error of reading, to tell it from one of writing.
type readErrors struct {
	r   io.Reader
	err error
}

func (r *readErrors) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// manifest compares what was unpacked with what it should be.
func (u *unpacker) manifest(t io.Reader) error {
	if err := u.decode(t, &u.m); err != nil {
		return err
	}
	if len(u.m.Files) != len(u.files) {
		return broken("it holds %d files, its manifest says %d", len(u.files), len(u.m.Files))
	}
	for i, want := range u.m.Files {
		if got := u.files[i]; got != want {
			return broken("%s is damaged: %d bytes with SHA-256 %s, the manifest says %s, %d bytes, %s; take another copy", got.Name, got.Size, got.SHA256, want.Name, want.Size, want.SHA256)
		}
	}
	return nil
}

// place gives the files their names. The folder that they come from goes last:
// while it is there the restore is not complete.
func (u *unpacker) place(dir string) error {
	folders := []string{u.dir}
	for _, f := range u.files {
		if sub := path.Dir(f.Name); sub != "." && !slices.Contains(folders, filepath.Join(u.dir, sub)) {
			folders = append(folders, filepath.Join(u.dir, sub))
			if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
				return err
			}
			u.placed = append(u.placed, sub)
		}
	}
	for _, d := range append(folders, dir) {
		if err := syncDir(d); err != nil {
			return err
		}
	}
	for _, f := range u.files {
		name := filepath.FromSlash(f.Name)
		if err := os.Rename(filepath.Join(u.dir, name), filepath.Join(dir, name)); err != nil {
			return err
		}
		u.placed = append(u.placed, name)
	}
	for _, d := range folders[1:] {
		rel, err := filepath.Rel(u.dir, d)
		if err != nil {
			return err
		}
		if err := syncDir(filepath.Join(dir, rel)); err != nil {
			return err
		}
	}
	if err := errors.Join(syncDir(dir), os.RemoveAll(u.dir)); err != nil {
		return err
	}
	return syncDir(dir)
}

// undo leaves dir as it was.
func (u *unpacker) undo(dir string) error {
	var err error
	for _, name := range slices.Backward(u.placed) {
		err = errors.Join(err, os.Remove(filepath.Join(dir, name)))
	}
	return errors.Join(err, os.RemoveAll(u.dir))
}
