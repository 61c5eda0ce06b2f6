package embedded

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"tidegate/store"
	"tidegate/store/storetest"
)

func openTestCopy(t testing.TB, dir string) *Catalog {
	t.Helper()
	c, err := OpenCatalog(filepath.Join(dir, "catalog.db"), CatalogOptions{Copy: true})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCatalogCopy(t *testing.T) {
	storetest.RunCatalogCopy(t, func(t testing.TB, dir string) storetest.CatalogCopy { return openTestCopy(t, dir) })
}

// TestCatalogCopyIsNotOpenedAsAnOriginal: without MONGO_URI its folder would go
// on from an old catalogue.
func TestCatalogCopyIsNotOpenedAsAnOriginal(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	path := filepath.Join(dir, "catalog.db")
	c := openTestCopy(t, dir)
	if err := c.Follow(ctx, store.CatalogMark{Database: "1", Name: "db.example:27017/plant", Revision: 3}, store.CatalogChange{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := OpenCatalog(path, CatalogOptions{})
	if !errors.Is(err, store.ErrConflict) {
		t.Fatalf("a copy was opened: %v", err)
	}
	for _, s := range []string{path, "db.example:27017/plant", "MONGO_URI", "tidegate migrate --to embedded"} {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%q does not name %s", err, s)
		}
	}
	c = openTestCopy(t, dir)
	if err := errors.Join(c.Detach(ctx), c.Close()); err != nil {
		t.Fatal(err)
	}
	if c, err = OpenCatalog(path, CatalogOptions{}); err != nil {
		t.Fatalf("detached: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}
