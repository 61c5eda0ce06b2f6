package api

import "net/http"

// Headers of every answer. The page and /docs widen the policy of content to
// what they need; see there.
//
// Strict-Transport-Security is not among them: a box is often known by an
// address, or by a certificate that it has made itself, and a browser that holds
// such a header against it locks its owner out for as long as it says.
const (
	contentPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	// What no page of this server has a use for.
	permissions = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
)

// guard sets what keeps an answer from being taken for something else, shown
// within something else, or kept by somebody else.
func guard(h http.Header, path string) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", permissions)
	h.Set("Content-Security-Policy", contentPolicy)
	if ours(path) {
		h.Set("Cache-Control", "no-store") // the page says itself what of it may be kept
	}
}
