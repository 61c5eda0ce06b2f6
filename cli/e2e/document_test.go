package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// document is a page of docs/: what it says is taken from it and run, so that
// page and test cannot drift apart.
type document struct {
	name, text string
}

func readDocument(t *testing.T, name string) document {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return document{name, string(b)}
}

// section answers what stands under a heading, until the next.
func (d document) section(t *testing.T, heading string) string {
	t.Helper()
	_, text, ok := strings.Cut(d.text, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("%s has no heading %q", d.name, heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// block answers the n-th block of code in a language under a heading, from 0.
func (d document) block(t *testing.T, heading, language string, n int) string {
	t.Helper()
	blocks := regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(d.section(t, heading), -1)
	if n >= len(blocks) {
		t.Fatalf("%s has %d blocks of %s under %q", d.name, len(blocks), language, heading)
	}
	return blocks[n][1]
}

// with replaces what depends on where it is run; each old text must be there.
func with(t *testing.T, text string, oldNew ...string) string {
	t.Helper()
	for i := 0; i < len(oldNew); i += 2 {
		if !strings.Contains(text, oldNew[i]) {
			t.Fatalf("it does not say %q any more:\n%s", oldNew[i], text)
		}
		text = strings.ReplaceAll(text, oldNew[i], oldNew[i+1])
	}
	return text
}
