package mongo

import (
	"fmt"
	"testing"

	"tidegate/store/mongo/mongotest"
	"tidegate/store/storetest"
)

// TestImporter: the store passes what every importer passes.
func TestImporter(t *testing.T) {
	for _, kind := range mongotest.Kinds() {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			server := mongotest.Shared(t, kind)
			storetest.RunImporter(t, func(t testing.TB, dir string) storetest.SeriesImporter {
				return openBox(t, server.URI(t, folderDatabase(t, dir)), dir, SeriesOptions{})
			})
		})
	}
}
