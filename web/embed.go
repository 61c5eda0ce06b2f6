package web

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed static
var static embed.FS

const (
	cacheForEver = "public, max-age=31536000, immutable"
	cacheNever   = "no-cache" // kept, and asked for at each use
)

// page is the handler of all of it.
type page struct {
	index  *asset
	assets map[string]*asset // by URL path
	policy string
}

// Handler answers the page at "/" and all paths that nobody else has. It sets
// the headers that make the page safe; whoever wraps it leaves them alone.
func Handler() http.Handler {
	p, err := newPage(static)
	if err != nil {
		panic(err) // the files are embedded: a fault of the build, seen by every test
	}
	return p
}

func newPage(files fs.FS) (*page, error) {
	bodies := map[string][]byte{}
	all := sha256.New()
	err := fs.WalkDir(files, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		bodies[strings.TrimPrefix(name, "static/")] = b
		_, _ = fmt.Fprintf(all, "%s %d\n", name, len(b))
		_, _ = all.Write(b)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the page's files: %w", err)
	}
	index, ok := bodies["index.html"]
	if !ok {
		return nil, fmt.Errorf("read the page's files: index.html is not there")
	}
	delete(bodies, "index.html")
	root := "/static/" + hex.EncodeToString(all.Sum(nil)[:8]) + "/"
	whole, err := preload(string(index), bodies)
	if err != nil {
		return nil, err
	}
	html := strings.ReplaceAll(whole, "/static/", root)
	policy, err := contentPolicy(html)
	if err != nil {
		return nil, err
	}
	p := &page{index: newAsset("index.html", []byte(html), cacheNever), assets: map[string]*asset{}, policy: policy}
	for name, b := range bodies {
		p.assets[root+name] = newAsset(name, b, cacheForEver)
	}
	return p, nil
}

// contentPolicy allows this origin, and the one inline script by its hash.
func contentPolicy(html string) (string, error) {
	_, rest, ok1 := strings.Cut(html, `<script type="importmap">`)
	importMap, rest, ok2 := strings.Cut(rest, "</script>")
	if !ok1 || !ok2 || strings.Contains(rest, "<script>") {
		return "", fmt.Errorf("index.html: want one inline script, the import map")
	}
	sum := sha256.Sum256([]byte(importMap))
	return "default-src 'none'; script-src 'self' 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; " +
		"style-src 'self'; connect-src 'self'; img-src 'self' data:; font-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'", nil
}

// ServeHTTP implements http.Handler.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", p.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "the page is read only", http.StatusMethodNotAllowed)
		return
	}
	if a, ok := p.assets[r.URL.Path]; ok {
		a.serve(w, r)
		return
	}
	if strings.HasPrefix(path.Clean(r.URL.Path)+"/", "/static/") || strings.Contains(r.URL.Path, ".") {
		h.Set("Cache-Control", "no-store") // another version may have it
		http.Error(w, "no such file", http.StatusNotFound)
		return
	}
	p.index.serve(w, r)
}
