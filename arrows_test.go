package main

import (
	"bufio"
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// everything marks the composition root.
const everything = "*"

// arrows says which of our packages each of our packages may import. A package
// that is not listed is an error: a new one states its arrows first.
var arrows = map[string][]string{
	"tidegate":                                  {"cli"},
	"tidegate/api":                              {"store", "ingest", "ingest/live", "ingest/alert"},
	"tidegate/api/client":                       {"store"},
	"tidegate/broker":                           {"ingest", "store"},
	"tidegate/cli":                              {"cli/config", "cli/gateway", "cli/bench", "api/client", "store"},
	"tidegate/cli/bench":                        {"store/mongo/mongod"}, // the database that is measured
	"tidegate/cli/config":                       {"store"},
	"tidegate/cli/e2e":                          {"cli/bench"},
	"tidegate/cli/gateway":                      {everything},
	"tidegate/cli/gateway/certificate":          {"cli/config"}, // it names the settings that are at fault
	"tidegate/cli/gateway/certificate/certtest": {},
	"tidegate/ingest":                           {"store", "ingest/buffer", "ingest/alert", "ingest/live", "ingest/notify"},
	"tidegate/ingest/alert":                     {"store", "ingest/template"}, // messages of alarms are templates

	"tidegate/ingest/buffer":         {},
	"tidegate/ingest/live":           {"store"},
	"tidegate/ingest/notify":         {"store", "ingest/template"}, // and so is what is sent of them
	"tidegate/ingest/template":       {},
	"tidegate/store":                 {},
	"tidegate/store/archive":         {"store"},
	"tidegate/store/embedded":        {"store", "store/runs"},
	"tidegate/store/mongo":           {"store", "store/runs"},
	"tidegate/store/runs":            {"store"}, // samples that wait in memory are the same for every store
	"tidegate/store/mongo/mongod":    {},
	"tidegate/store/mongo/mongotest": {"store/mongo/mongod"},
	"tidegate/store/storetest":       {"store"},
	"tidegate/store/transfer":        {"store"}, // it moves readings between stores that it does not know
	"tidegate/web":                   {},
}

// owners says which packages alone may import a library.
var owners = map[string][]string{
	"github.com/mochi-mqtt/":   {"tidegate/broker"},
	"go.etcd.io/bbolt":         {"tidegate/ingest/buffer", "tidegate/store/embedded", "tidegate/store/mongo", "tidegate/cli/gateway"},
	"go.mongodb.org/":          {"tidegate/store/mongo", "tidegate/store/mongo/mongod", "tidegate/store/mongo/mongotest", "tidegate/cli/bench"},
	"nhooyr.io/websocket":      {"tidegate/api", "tidegate/api/client"},
	"github.com/parquet-go/":   {"tidegate/store/archive"},
	"github.com/labstack/":     {"tidegate/api", "tidegate/cli/gateway"},
	"github.com/danielgtaylor": {"tidegate/api"},
	"github.com/spf13/":        {"tidegate/cli"},
	"text/template":            {},
	"html/template":            {},
}

// TestArrows holds the imports of every package against the arrows. Run it with
// -count=1: the cache of tests does not see other packages change.
func TestArrows(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	packages := 0
	for lines.Scan() {
		packages++
		f := strings.Fields(lines.Text())
		pkg, imports := f[0], f[1:]
		allowed, ok := arrows[pkg]
		if !ok {
			t.Errorf("%s is not in the table of arrows: say what it may import", pkg)
			continue
		}
		for _, imp := range imports {
			if of, ours := strings.CutPrefix(imp, "tidegate/"); ours && !slices.Contains(allowed, of) && !slices.Contains(allowed, everything) {
				t.Errorf("%s imports %s; allowed: %s", pkg, imp, strings.Join(allowed, ", "))
			}
			for lib, by := range owners {
				if strings.HasPrefix(imp, lib) && !slices.Contains(by, pkg) {
					t.Errorf("%s imports %s, which belongs to %v", pkg, imp, by)
				}
			}
		}
	}
	if packages < 10 {
		t.Errorf("go list answered %d packages: %s", packages, out)
	}
}
