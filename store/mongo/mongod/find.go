package mongod

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// ErrNone says that this machine has no mongod.
var ErrNone = errors.New("no mongod")

// Find answers the program: the one that TIDEGATE_MONGOD names, else the one
// that make deps puts into the project's .cache, else one in the PATH. An error
// that wraps ErrNone says how to get one.
func Find() (string, error) {
	if p := os.Getenv("TIDEGATE_MONGOD"); p != "" {
		if _, err := exec.LookPath(p); err != nil {
			return "", fmt.Errorf("TIDEGATE_MONGOD: %w", err)
		}
		return p, nil
	}
	if root, ok := moduleRoot(); ok {
		found, err := filepath.Glob(filepath.Join(root, ".cache", "mongod", "lib", "python3*", "site-packages", "fiftyone", "db", "bin", "mongod"))
		if err == nil && len(found) > 0 {
			return found[0], nil
		}
	}
	if p, err := exec.LookPath("mongod"); err == nil {
		return p, nil
	}
	if !Fetchable() {
		return "", fmt.Errorf("%w, and make deps has none for %s/%s: install MongoDB 5.0 or newer, or name one in TIDEGATE_MONGOD", ErrNone, runtime.GOOS, runtime.GOARCH)
	}
	return "", fmt.Errorf("%w: make deps fetches one into .cache; or name one in TIDEGATE_MONGOD", ErrNone)
}

// Fetchable answers whether make deps can fetch a mongod for this machine.
func Fetchable() bool { return runtime.GOOS == "linux" && runtime.GOARCH == "amd64" }

// moduleRoot answers the folder of go.mod, above whichever package's folder
// this is.
func moduleRoot() (string, bool) {
	dir, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, true
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", false
		}
		dir = up
	}
}
