package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

// get asks for a path; header is alternately a key and its value.
func get(t *testing.T, url string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.URL.Path = url
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestPolicyAllowsTheImportMapAndNothingElseInline(t *testing.T) {
	r := get(t, "/")
	html := body(t, r)
	m := importMapPattern.FindStringSubmatch(html)
	if m == nil {
		t.Fatal("index.html has no import map")
	}
	sum := sha256.Sum256([]byte(m[1]))
	policy := r.Header.Get("Content-Security-Policy")
	for _, want := range []string{
		"default-src 'none'", "script-src 'self' 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'",
		"style-src 'self'", "connect-src 'self'", "img-src 'self' data:", "font-src 'self'",
		"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
	} {
		if !strings.Contains(policy+";", want+";") {
			t.Errorf("policy lacks %q: %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy allows what is unsafe: %s", policy)
	}
	rest := importMapPattern.ReplaceAllString(html, "")
	for _, bad := range []string{"<script>", "<style", " style=", " onclick=", " onload=", "http://", "https://"} {
		if strings.Contains(rest, bad) {
			t.Errorf("index.html has %q, which the policy forbids", bad)
		}
	}
	for _, url := range []string{"/no.such", "/static/"} {
		if get(t, url).Header.Get("Content-Security-Policy") != policy {
			t.Errorf("%s is answered without the policy", url)
		}
	}
}

func TestTypesAndCaching(t *testing.T) {
	p, err := newPage(static)
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]string{
		".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
		".svg": "image/svg+xml", ".LICENSE": "text/plain; charset=utf-8", ".md": "text/plain; charset=utf-8",
	}
	for url := range p.assets {
		r := get(t, url)
		if want := types[path.Ext(url)]; want == "" || r.Header.Get("Content-Type") != want {
			t.Errorf("%s: type %q, want %q", url, r.Header.Get("Content-Type"), want)
		}
		if r.StatusCode != 200 || r.Header.Get("Cache-Control") != cacheForEver || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", url, r.StatusCode, r.Header)
		}
	}
	if r := get(t, "/"); r.Header.Get("Cache-Control") != "no-cache" || r.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("index: %v", r.Header)
	}
}

func TestETags(t *testing.T) {
	for _, accept := range []string{"", "gzip"} {
		first := get(t, "/", "Accept-Encoding", accept)
		etag := first.Header.Get("ETag")
		if !strings.HasPrefix(etag, `"`) {
			t.Fatalf("ETag %s is not strong", etag)
		}
		for _, match := range []string{etag, `"other", ` + etag, "W/" + etag, "*"} {
			r := get(t, "/", "Accept-Encoding", accept, "If-None-Match", match)
			if r.StatusCode != http.StatusNotModified || body(t, r) != "" || r.Header.Get("ETag") != etag {
				t.Errorf("If-None-Match %s: %d, ETag %s", match, r.StatusCode, r.Header.Get("ETag"))
			}
		}
		if r := get(t, "/", "Accept-Encoding", accept, "If-None-Match", `"other"`); r.StatusCode != 200 {
			t.Errorf("another ETag: %d, want 200", r.StatusCode)
		}
	}
	if get(t, "/").Header.Get("ETag") == get(t, "/", "Accept-Encoding", "gzip").Header.Get("ETag") {
		t.Error("two encodings share a strong ETag")
	}
}

func TestGzip(t *testing.T) {
	plain := body(t, get(t, "/"))
	for accept, want := range map[string]bool{
		"": false, "gzip": true, "br, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.000": false,
		"*": true, "*;q=0": false, "*, gzip;q=0": false, "identity": false, "br": false, "GZIP": true, "gzip;q=x": false,
	} {
		r := get(t, "/", "Accept-Encoding", accept)
		got := body(t, r)
		if zipped := r.Header.Get("Content-Encoding") == "gzip"; zipped != want {
			t.Errorf("Accept-Encoding %q: gzip %v, want %v", accept, zipped, want)
		} else if zipped {
			z, err := gzip.NewReader(strings.NewReader(got))
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(z)
			if err != nil {
				t.Fatal(err)
			}
			got = string(b)
		}
		if got != plain {
			t.Errorf("Accept-Encoding %q: another body", accept)
		}
		if r.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("Vary %q", r.Header.Get("Vary"))
		}
	}
}

func TestPaths(t *testing.T) {
	index := body(t, get(t, "/"))
	for url, want := range map[string]int{
		"/": 200, "/devices": 200, "/devices/d1": 200, "/a/b/c": 200,
		"/favicon.ico": 404, "/devices/plant.7": 404, "/index.html": 404, "/embed.go": 404,
		"/static": 404, "/static/": 404, "/static/app.js": 404, "/static/0000000000000000/app.js": 404, "/static/lib": 404, "/static/x": 404,
		"/../embed.go": 404, "/static/../embed.go": 404, "/static/../../etc/passwd": 404, "/..": 404, "/x/../static/": 404,
	} {
		r := get(t, url)
		if r.StatusCode != want {
			t.Errorf("%s: %d, want %d", url, r.StatusCode, want)
		}
		if b := body(t, r); want == 200 && b != index || want != 200 && (strings.Contains(b, "<") || strings.Contains(b, "package")) {
			t.Errorf("%s: unexpected body %.60q", url, b)
		}
	}
}

func TestMethods(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		w := httptest.NewRecorder()
		Handler().ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/", nil))
	if w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") == "0" {
		t.Errorf("HEAD: %d with %d bytes, Content-Length %s", w.Code, w.Body.Len(), w.Header().Get("Content-Length"))
	}
}

var linkPattern = regexp.MustCompile(`(?:href|src)="(/static/[^"]+)"`)

// TestEveryImportIsThere follows the imports from app.js, also those of places
// that are loaded later: each must be a file that is served, and each file must
// be needed. What is fetched before the first place is seen has a budget.
func TestEveryImportIsThere(t *testing.T) {
	bodies, html := pageFiles(t)
	m, err := newModules(html, bodies)
	if err != nil {
		t.Fatal(err)
	}
	dynamic := regexp.MustCompile(`import\(['"` + "`" + `]([^'"` + "`" + `]+)['"` + "`" + `]\)`)
	loaded := map[string]bool{"index.html": true}
	var load func(entry string)
	load = func(entry string) {
		needed, err := m.closure(entry)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range needed {
			if loaded[name] {
				continue
			}
			loaded[name] = true
			for _, match := range dynamic.FindAllStringSubmatch(string(bodies[name]), -1) {
				switch target := match[1]; {
				case strings.Contains(target, "${"):
					files, err := fs.Glob(static, path.Join("static", path.Dir(name), strings.ReplaceAll(target, "${next}", "*")))
					if err != nil || len(files) < 2 {
						t.Fatalf("%s imports %s: %v, %v", name, target, files, err)
					}
					for _, f := range files {
						load(strings.TrimPrefix(f, "static/"))
					}
				case m.names[target] != "":
					load(m.names[target])
				default:
					load(path.Join(path.Dir(name), target))
				}
			}
		}
	}
	for _, match := range linkPattern.FindAllStringSubmatch(html, -1) {
		if name := strings.TrimPrefix(match[1], "/static/"); path.Ext(name) != ".js" {
			loaded[name] = true
			if bodies[name] == nil {
				t.Errorf("index.html asks for %s, which is not embedded", name)
			}
		}
	}
	load("app.js")
	for name := range bodies {
		if ext := path.Ext(name); !loaded[name] && ext != ".md" && ext != ".LICENSE" {
			t.Errorf("%s is embedded and never loaded", name)
		}
	}

	needed := map[string]bool{"index.html": true}
	for _, entry := range []string{"app.js", "overview/overview.js"} {
		names, err := m.closure(entry)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			needed[name] = true
		}
	}
	for _, match := range linkPattern.FindAllStringSubmatch(html, -1) {
		needed[strings.TrimPrefix(match[1], "/static/")] = true
	}
	total := 0
	for name := range needed {
		total += gzipped(t, bodies[name])
	}
	t.Logf("first load: %d files, %d bytes compressed", len(needed), total)
	if total > 150_000 {
		t.Errorf("the first load weighs %d bytes compressed, want at most 150,000", total)
	}
}

// pageFiles answers the embedded files by their path below static/, and the
// text of index.html.
func pageFiles(t *testing.T) (map[string][]byte, string) {
	t.Helper()
	bodies := map[string][]byte{}
	err := fs.WalkDir(static, "static", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			bodies[strings.TrimPrefix(name, "static/")], err = fs.ReadFile(static, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bodies, string(bodies["index.html"])
}

// TestPreload: a browser learns from index.html of every module that the page
// needs, at the addresses at which they are served.
func TestPreload(t *testing.T) {
	p, err := newPage(static)
	if err != nil {
		t.Fatal(err)
	}
	links := regexp.MustCompile(`<link rel="modulepreload" href="([^"]+)">`).FindAllStringSubmatch(string(p.index.body), -1)
	if len(links) < 20 {
		t.Errorf("%d modules are named", len(links))
	}
	for _, l := range links {
		if p.assets[l[1]] == nil {
			t.Errorf("%s is named and not served", l[1])
		}
	}
	for _, bad := range []string{"import { a } from './gone.js';", "import x from 'unknown';"} {
		bodies, html := pageFiles(t)
		bodies["app.js"] = []byte(bad)
		if _, err := preload(html, bodies); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func gzipped(t *testing.T, b []byte) int {
	t.Helper()
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Len()
}

// TestEveryModuleHasItsLicence: what others wrote is named in the README of
// lib/, with a licence beside it.
func TestEveryModuleHasItsLicence(t *testing.T) {
	readme, err := fs.ReadFile(static, "static/lib/README.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.Glob(static, "static/lib/*.[mc]*s")
	if err != nil || len(files) != 8 {
		t.Fatalf("modules: %v, %v", files, err)
	}
	for _, f := range files {
		name := path.Base(f)
		i := strings.Index(string(readme), "| "+name+" |")
		if i < 0 {
			t.Errorf("README.md does not name %s", name)
			continue
		}
		line, _, _ := strings.Cut(string(readme[i:]), "\n")
		licence := regexp.MustCompile(`[a-z-]+\.LICENSE`).FindString(line)
		if b, err := fs.ReadFile(static, "static/lib/"+licence); err != nil || len(b) < 500 {
			t.Errorf("%s: licence %q: %d bytes, %v", name, licence, len(b), err)
		}
	}
}
