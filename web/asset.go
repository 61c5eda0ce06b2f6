package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// asset is a file as it is answered.
type asset struct {
	body  []byte
	kind  string // Content-Type
	cache string // Cache-Control
	etag  string // without quotes
	// zipped answers the body compressed, nil when that saves nothing. It is
	// made at the first request that takes it.
	zipped func() []byte
}

// kind answers the type of what the page is made of. The system's table is not
// asked: it differs between machines, and a module with a wrong type does not
// run.
func kind(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return "text/plain; charset=utf-8"
}

func newAsset(name string, body []byte, cache string) *asset {
	sum := sha256.Sum256(body)
	return &asset{
		body:  body,
		kind:  kind(name),
		cache: cache,
		etag:  base64.RawURLEncoding.EncodeToString(sum[:15]),
		zipped: sync.OnceValue(func() []byte {
			var b bytes.Buffer
			z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
			_, _ = z.Write(body)
			_ = z.Close() // a bytes.Buffer does not fail
			if b.Len() >= len(body) {
				return nil
			}
			return b.Bytes()
		}),
	}
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", a.cache)
	h.Set("Vary", "Accept-Encoding")
	body, etag := a.body, a.etag
	if acceptsGzip(r.Header.Get("Accept-Encoding")) {
		if z := a.zipped(); z != nil {
			body, etag = z, etag+"-gz"
			h.Set("Content-Encoding", "gzip")
		}
	}
	etag = `"` + etag + `"`
	h.Set("ETag", etag)
	if matches(r.Header.Values("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that has gone is not our fault
	}
}

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3): gzip, or * for any not
// named, unless its weight is 0.
func acceptsGzip(header string) bool {
	anyOther := false
	for part := range strings.SplitSeq(header, ",") {
		name, weight, weighed := strings.Cut(part, ";")
		allowed := true
		if weighed {
			q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
			allowed = err == nil && q > 0
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip":
			return allowed
		case "*":
			anyOther = allowed
		}
	}
	return anyOther
}

// matches compares weakly, as RFC 9110, 13.1.2 says for If-None-Match.
func matches(headers []string, etag string) bool {
	for _, header := range headers {
		for tag := range strings.SplitSeq(header, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			if tag == etag || tag == "*" {
				return true
			}
		}
	}
	return false
}
