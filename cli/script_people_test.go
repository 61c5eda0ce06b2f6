package cli

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tidegate/api/client"
)

// visitor answers a client on the network, without credentials or with some.
func visitor(ts *testscript.TestScript, token string) *client.Client {
	cl, err := client.New(client.Options{BaseURL: "http://" + ts.Getenv("HTTP"), Token: token})
	ts.Check(err)
	return cl
}

// attempt fails unless fn did as it should; a refusal is a 401.
func attempt(ts *testscript.TestScript, neg bool, fn func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := fn(ctx)
	var p *client.Problem
	if neg && (!errors.As(err, &p) || p.Status != http.StatusUnauthorized) {
		ts.Fatalf("not refused: %v", err)
	}
	if !neg && err != nil {
		ts.Fatalf("%v", err)
	}
}

// login EMAIL PASSWORD logs in over the network, and keeps the access token in
// TOKEN.
func logIn(ts *testscript.TestScript, neg bool, args []string) {
	attempt(ts, neg, func(ctx context.Context) error {
		l, err := visitor(ts, "").Login(ctx, args[0], args[1])
		ts.Setenv("TOKEN", l.AccessToken)
		return err
	})
}

// enters TOKEN asks who an access token, or an API key, speaks for.
func entersWith(ts *testscript.TestScript, neg bool, args []string) {
	attempt(ts, neg, func(ctx context.Context) error {
		_, err := visitor(ts, args[0]).Me(ctx)
		return err
	})
}

// linkIn answers the secret of the link in a file of the script, or in stdout.
func linkIn(ts *testscript.TestScript, file, what string) string {
	found := regexp.MustCompile(`http://127\.0\.0\.1:\d+/#` + what + `=([0-9a-z]{52})\b`).FindStringSubmatch(ts.ReadFile(file))
	if found == nil {
		ts.Fatalf("%s has no link to %s: %s", file, what, ts.ReadFile(file))
	}
	return found[1]
}

// accept FILE PASSWORD chooses a password by the link in FILE.
func acceptLink(ts *testscript.TestScript, neg bool, args []string) {
	secret := linkIn(ts, args[0], "accept")
	attempt(ts, neg, func(ctx context.Context) error {
		_, err := visitor(ts, "").Accept(ctx, secret, args[1])
		return err
	})
}

// setup FILE EMAIL PASSWORD makes the first user by the link in FILE.
func setUp(ts *testscript.TestScript, neg bool, args []string) {
	secret := linkIn(ts, args[0], "setup")
	attempt(ts, neg, func(ctx context.Context) error {
		_, err := visitor(ts, "").Setup(ctx, secret, args[1], args[2])
		return err
	})
}

// keyed sets KEY to the API key that stdout shows, and KEYID to its id.
func keyedBy(ts *testscript.TestScript, _ bool, _ []string) {
	found := regexp.MustCompile(`\b(key-[0-9a-z]{16})\.[0-9a-z]{52}\b`).FindStringSubmatch(ts.ReadFile("stdout"))
	if found == nil {
		ts.Fatalf("stdout has no key: %s", ts.ReadFile("stdout"))
	}
	ts.Setenv("KEY", found[0])
	ts.Setenv("KEYID", found[1])
}
