package e2e

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// TestSecretsAreKeptAsHashes: after a day's work no secret that somebody was
// given is in a file of the folder, in a backup or in the log in clear.
func TestSecretsAreKeptAsHashes(t *testing.T) {
	s := newServer(t)
	secrets := map[string]string{
		"ann's password": "first password of ann", "bob's password": "chosen password of bob",
		"the device's secret": "secret-of-the-device-d1", "a wrong secret": "wrong-secret-of-d1",
	}
	if _, said, code := s.try(secrets["ann's password"]+"\n", "init", "--admin-email", "ann@example.org", "--admin-password-stdin"); code != 0 {
		t.Fatalf("init: %s", said)
	}
	s.start()
	s.tidegate("org", "add", "--id", "acme")
	s.tidegate("device", "add", "--org", "acme", "--id", "d1", "--secret", secrets["the device's secret"], "--ports", "1")
	var made struct{ Secret, Key, Link string }
	s.json(&made, "device", "add", "--org", "acme", "--id", "d2")
	secrets["the secret that was made for a device"] = made.Secret
	s.json(&made, "apikey", "add", "--org", "acme", "--name", "k", "--scopes", "ingest,read")
	_, secrets["the API key's secret"], _ = strings.Cut(made.Key, ".")
	s.json(&made, "user", "add", "--email", "bob@example.org", "--role", "viewer", "--org", "acme")
	_, secrets["the invitation"], _ = strings.Cut(made.Link, "=")
	s.json(&made, "user", "add", "--email", "eve@example.org", "--role", "viewer", "--org", "acme")
	_, secrets["an invitation that is pending"], _ = strings.Cut(made.Link, "=")
	maps.Copy(secrets, s.logIn(t, "ann", "login", `{"email":"ann@example.org","password":"`+secrets["ann's password"]+`"}`))
	maps.Copy(secrets, s.logIn(t, "bob", "accept", `{"token":"`+secrets["the invitation"]+`","password":"`+secrets["bob's password"]+`"}`))
	const topic = "org/acme/device/d1/telemetry"
	s.publish(t, "d1", secrets["the device's secret"], topic, `{"readings":[{"port":1,"value":1}]}`, 1)
	id, _, _ := strings.Cut(made.Key, ".")
	s.publish(t, id, made.Key, topic, `{"readings":[{"port":1,"value":2},{"port":9,"value":2}]}`, 1)
	if _, err := s.tryPublish(t, "d1", secrets["a wrong secret"], topic, `{}`, 1); err == nil {
		t.Error("a wrong secret gets in")
	}
	for what, secret := range secrets {
		if len(secret) < 8 {
			t.Fatalf("%s is %q", what, secret)
		}
	}

	look := func(where string, b []byte) {
		for what, secret := range secrets {
			if bytes.Contains(b, []byte(secret)) {
				t.Errorf("%s is in %s", what, where)
			}
		}
	}
	backup := filepath.Join(t.TempDir(), "backup.tidegate")
	s.tidegate("backup", backup)
	files := s.unpacked(t, backup, look)
	for _, name := range []string{"catalog.db", "audit.log", "state.db", "buffer.db"} {
		if !files[name] {
			t.Errorf("the backup has no %s, but %v", name, files)
		}
	}
	s.stop()
	look("the log", []byte(s.log.String()))
	if !strings.Contains(s.log.String(), "refused: login of user") {
		t.Errorf("the log says nothing of the wrong secret: %s", s.log.String())
	}
	seen := 0
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		look(path, b)
		seen++
		return err
	})
	if err != nil || seen < len(files) {
		t.Errorf("%d files of the folder were read: %v", seen, err)
	}
}

// logIn answers the tokens that a request gets.
func (s *server) logIn(t *testing.T, who, by, body string) map[string]string {
	t.Helper()
	at := url.URL{Scheme: "http", Host: s.http, Path: "/api/v1/auth/" + by}
	resp, err := http.Post(at.String(), "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var l struct{ AccessToken, RefreshToken string }
	if err := json.NewDecoder(resp.Body).Decode(&l); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s of %s: %d, %v", by, who, resp.StatusCode, err)
	}
	return map[string]string{who + "'s access token": l.AccessToken, who + "'s refresh token": l.RefreshToken}
}

// unpacked calls look with each file of a backup, and answers their names.
func (s *server) unpacked(t *testing.T, backup string, look func(string, []byte)) map[string]bool {
	t.Helper()
	f, err := os.Open(backup)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	names := map[string]bool{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		look("the backup's "+h.Name, b)
		names[h.Name] = true
	}
}
