package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"tidegate/store"
)

// secretBytes is the length of each key.
const secretBytes = 32

// Secrets are the keys of a data folder. They are made once, never shown, and
// part of every backup: without device.key no device can log in.
type Secrets struct {
	Device []byte // HMAC key of device secrets and API keys
	JWT    []byte // HMAC key of access tokens
	// MadeDevice says that device.key was made just now. With a catalogue that
	// holds devices this means that the key is lost.
	MadeDevice bool

	dir string
}

var secretNames = [...]string{"device.key", "jwt.key"}

// OpenSecrets reads the keys in dir, and makes those that are absent. The
// folder has mode 0700 and the files 0600; a file that others may read, or of
// another length, is refused: it may be known, or was cut off.
func OpenSecrets(dir string) (*Secrets, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the keys: %w", err)
	}
	if err := checkOwnerOnly(dir); err != nil {
		return nil, err
	}
	s := &Secrets{dir: dir}
	for _, k := range []struct {
		name string
		key  *[]byte
		made *bool
	}{{secretNames[0], &s.Device, &s.MadeDevice}, {secretNames[1], &s.JWT, new(bool)}} {
		var err error
		if *k.key, *k.made, err = openSecret(filepath.Join(dir, k.name)); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func openSecret(path string) (key []byte, made bool, err error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := makeSecret(path); err != nil {
			return nil, false, fmt.Errorf("make %s: %w", path, err)
		}
		made = true
	}
	if err := checkOwnerOnly(path); err != nil {
		return nil, false, err
	}
	key, err = os.ReadFile(path)
	if err != nil {
		return nil, false, fmt.Errorf("read key: %w", err)
	}
	if len(key) != secretBytes {
		return nil, false, fileError(store.ErrInvalid, path, "has %d bytes where a key has %d; put it back from a backup (a new key would lock out every device or login)", len(key), secretBytes)
	}
	return key, made, nil
}

func checkOwnerOnly(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return fmt.Errorf("look at %s: %w", path, err)
	}
	mode, kind := fs.FileMode(0o600), "the keys"
	if info.IsDir() {
		mode, kind = 0o700, "the folder of the keys"
	} else if !info.Mode().IsRegular() {
		return fileError(store.ErrInvalid, path, "is not a plain file; put it back from a backup")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fileError(store.ErrInvalid, path, "may be read or changed by others (mode %04o), and %s must not; chmod %04o %s", info.Mode().Perm(), kind, mode, path)
	}
	return nil
}

// makeSecret makes the file appear whole and durable, so that a crash leaves
// no short key behind.
func makeSecret(path string) error {
	tmp := path + ".tmp"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	key := make([]byte, secretBytes)
	_, _ = rand.Read(key) // never fails: see crypto/rand
	_, err = f.Write(key)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return moveFile(tmp, path)
}

// Undo takes a device.key back that was made just now: the start went no
// further, and the next one must say again that it is new.
func (s *Secrets) Undo() error {
	if !s.MadeDevice {
		return nil
	}
	s.MadeDevice = false
	return os.Remove(filepath.Join(s.dir, secretNames[0]))
}

// Snapshot implements Source.
func (s *Secrets) Snapshot(ctx context.Context, write func(name string, size int64, r io.Reader) error) error {
	for _, name := range secretNames {
		if err := snapshotFile(ctx, filepath.Join(s.dir, name), filepath.Base(s.dir)+"/"+name, -1, write); err != nil {
			return err
		}
	}
	return nil
}
