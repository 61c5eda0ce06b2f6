package embedded

import (
	"errors"
	"math"
	"testing"

	"tidegate/store"
	"tidegate/store/storetest"
)

// cuttable is a SeriesStore whose flushes the suite can cut between commits.
type cuttable struct {
	*SeriesStore
	left int
}

func (c *cuttable) CutFlush(commits int) { c.left = commits }

func openCuttable(t testing.TB, dir string, o SeriesOptions) *cuttable {
	t.Helper()
	c := &cuttable{left: math.MaxInt}
	o.beforeCommit = func(Month) error {
		if c.left == 0 {
			c.left = math.MaxInt
			return errors.New("cut off")
		}
		c.left--
		return nil
	}
	s, err := OpenSeries(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	c.SeriesStore = s
	return c
}

func TestSeriesContract(t *testing.T) {
	storetest.RunSeries(t, func(t testing.TB, dir string) store.SeriesStore {
		return openCuttable(t, dir, SeriesOptions{})
	})
}

// TestSeriesContractStarved runs the suite with one open file and one cached
// block, so that both are always the wrong ones.
func TestSeriesContractStarved(t *testing.T) {
	storetest.RunSeries(t, func(t testing.TB, dir string) store.SeriesStore {
		return openCuttable(t, dir, SeriesOptions{OpenFiles: 1, CacheBlocks: 1})
	})
}
