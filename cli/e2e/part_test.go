package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Parts that a test runs against, and that are not ours. One that is missing
// fails in CI; elsewhere the test is skipped by name.

// needProgram answers the path of a program.
func needProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name)
	}
	return path
}

// needFile answers the path of a file, one below .cache in the project's folder;
// name is what it belongs to.
func needFile(t *testing.T, path, name string) string {
	t.Helper()
	if !filepath.IsAbs(path) {
		var err error
		if path, err = filepath.Abs(filepath.Join("..", "..", path)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(path); err != nil {
		missing(t, name)
	}
	return path
}

func missing(t *testing.T, name string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal("missing; install it with make deps: " + name)
	}
	t.Skip("missing: " + name)
}
