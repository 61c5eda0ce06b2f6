package api

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// What shows /openapi.json to a reader, without the network.
//
//go:embed docs/docs.html
var docsHTML string

//go:embed docs/docs.css
var docsCSS string

//go:embed docs/docs.js
var docsJS string

// docs answers the page in one piece, and the policy that lets it do what it
// does and nothing beyond.
func docs() (page, policy string) {
	page = strings.Replace(docsHTML, "<style></style>", "<style>\n"+docsCSS+"</style>", 1)
	page = strings.Replace(page, "<script></script>", "<script>\n"+docsJS+"</script>", 1)
	return page, "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" +
		"; script-src '" + inlineHash(page, "script") + "'; style-src '" + inlineHash(page, "style") + "'; require-trusted-types-for 'script'"
}

// routeDocuments adds what needs no credentials and is no resource.
func (s *Server) routeDocuments() error {
	openapi, err := s.OpenAPI()
	if err != nil {
		return err
	}
	asyncapi, err := s.asyncDocument()
	if err != nil {
		return err
	}
	page, policy := docs()
	s.echo.GET("/asyncapi.json", func(c echo.Context) error { return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, asyncapi) })
	s.echo.GET("/openapi.json", func(c echo.Context) error { return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, openapi) })
	s.echo.GET("/docs", func(c echo.Context) error {
		c.Response().Header().Set("Content-Security-Policy", policy)
		return c.HTML(http.StatusOK, page)
	})
	s.echo.GET("/healthz", func(c echo.Context) error { return c.JSON(http.StatusOK, map[string]string{"status": "ok"}) })
	s.echo.GET("/readyz", func(c echo.Context) error {
		if s.o.Ready != nil {
			if err := s.o.Ready(); err != nil {
				return fmt.Errorf("not ready: %w", err)
			}
		}
		return c.JSON(http.StatusOK, map[string]string{"status": "ready"})
	})
	if s.o.Metrics != nil {
		s.echo.GET("/metrics", echo.WrapHandler(s.o.Metrics))
	}
	return nil
}

// inlineHash answers the source expression of the one inline element of a page.
func inlineHash(page, element string) string {
	_, rest, _ := strings.Cut(page, "<"+element+">")
	body, _, _ := strings.Cut(rest, "</"+element+">")
	sum := sha256.Sum256([]byte(body))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
