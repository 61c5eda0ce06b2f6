package embedded

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidegate/store"
)

func TestSecrets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	s, err := OpenSecrets(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Device) != 32 || len(s.JWT) != 32 || bytes.Equal(s.Device, s.JWT) || !s.MadeDevice {
		t.Fatalf("made %d and %d bytes", len(s.Device), len(s.JWT))
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, "device.key"): 0o600, filepath.Join(dir, "jwt.key"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v: %v", path, info.Mode(), err)
		}
	}
	again, err := OpenSecrets(dir)
	if err != nil || !bytes.Equal(again.Device, s.Device) || !bytes.Equal(again.JWT, s.JWT) || again.MadeDevice {
		t.Fatalf("other keys at the second start: %v", err)
	}
}

func TestSecretsRefused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(dir string) error
		want  string
	}{
		{"short", func(dir string) error { return os.WriteFile(filepath.Join(dir, "jwt.key"), make([]byte, 31), 0o600) }, "has 31 bytes where a key has 32; put it back from a backup"},
		{"readable by others", func(dir string) error { return os.Chmod(filepath.Join(dir, "device.key"), 0o644) }, "chmod 0600"},
		{"open folder", func(dir string) error { return os.Chmod(dir, 0o755) }, "chmod 0700"},
		{"a link", func(dir string) error {
			path := filepath.Join(dir, "jwt.key")
			return errors.Join(os.Rename(path, path+".old"), os.Symlink(path+".old", path))
		}, "not a plain file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "secrets")
			if _, err := OpenSecrets(dir); err != nil {
				t.Fatal(err)
			}
			if err := tt.spoil(dir); err != nil {
				t.Fatal(err)
			}
			_, err := OpenSecrets(dir)
			if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), dir) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestUndo: a key that was made for nothing is as if it never was, and one that
// was there stays.
func TestUndo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	for range 2 {
		s, err := OpenSecrets(dir)
		if err != nil || !s.MadeDevice {
			t.Fatalf("open: made %v, %v", s.MadeDevice, err)
		}
		if err := s.Undo(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := OpenSecrets(dir); err != nil {
		t.Fatal(err)
	}
	s, err := OpenSecrets(dir)
	if err != nil || s.MadeDevice {
		t.Fatalf("open: made %v, %v", s.MadeDevice, err)
	}
	if err := s.Undo(); err != nil {
		t.Fatal(err)
	}
	if again, err := OpenSecrets(dir); err != nil || again.MadeDevice {
		t.Errorf("the key that was there is gone: %v", err)
	}
}
