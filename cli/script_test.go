package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tidegate/api/client"
	"tidegate/store/mongo/mongotest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tidegate": func() {
			config, err := os.ReadFile(os.Getenv("DEFAULT_CONFIG"))
			if err != nil {
				panic(err)
			}
			os.Exit(Main(Process{
				Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
				Environ: os.Environ(), Config: config, Version: "1.2.3", Built: "2025-01-01T00:00:00Z",
			}))
		},
	})
}

// TestScripts runs testdata/script/*.txtar against real servers.
func TestScripts(t *testing.T) {
	runScripts(t, "testdata/script", func(*testscript.Env) {})
}

// TestMongoScripts runs testdata/mongo/*.txtar with MONGO_URI set: to a
// database of its own for each script, behind a proxy that takes it away.
func TestMongoScripts(t *testing.T) {
	s := mongotest.Shared(t, mongotest.ReplicaSet)
	runScripts(t, "testdata/mongo", func(e *testscript.Env) {
		p := mongotest.NewProxy(t, s.Addr())
		e.Values["proxy"] = p
		e.Setenv("MONGO_URI", p.URI(s.URI(t, mongotest.Database(t))))
	})
}

func runScripts(t *testing.T, dir string, prepare func(*testscript.Env)) {
	config, err := filepath.Abs("../config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(e *testscript.Env) error {
			e.Setenv("DEFAULT_CONFIG", config)
			for _, door := range []string{"HTTP", "HTTP_TLS", "MQTT", "MQTT_TLS"} {
				e.Setenv("TIDEGATE_"+door+"_LISTEN", "127.0.0.1:0")
			}
			e.Setenv("TZ", "UTC")
			prepare(e)
			return usePlainBinary(e)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serving": serving, "watched": watched, "settled": settled, "publish": publish, "document": document, "exits": exits, "received": received, "database": databaseIs, "alarm": alarmIs,
			"login": logIn, "enters": entersWith, "accept": acceptLink, "setup": setUp, "keyed": keyedBy,
			"commanded": commanded, "queued": queued, "field": fieldOf,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

// usePlainBinary lets the scripts run the program that TIDEGATE_BIN names: one
// without the race detector starts ten times as fast. Without the variable they
// run this test's own binary.
func usePlainBinary(e *testscript.Env) error {
	bin := os.Getenv("TIDEGATE_BIN")
	if bin == "" {
		return nil
	}
	if _, err := os.Stat(bin); err != nil { // also tells the cache of tests about it
		return err
	}
	dir := filepath.Join(e.WorkDir, ".bin")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	e.Setenv("PATH", dir+string(os.PathListSeparator)+e.Getenv("PATH"))
	return os.Symlink(bin, filepath.Join(dir, "tidegate"))
}

// dial answers a client of the server of the script's data folder, or another.
func dial(ts *testscript.TestScript, folder ...string) *client.Client {
	p := &program{dir: ts.MkAbs(append(folder, "data")[0])}
	cl, err := p.connect()
	ts.Check(err)
	return cl
}

// until tries cond until it holds, for at most 30 s.
func until(ts *testscript.TestScript, what string, cond func(context.Context) (bool, error)) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var last error
	for {
		ok, err := cond(ctx)
		if ok {
			return
		}
		if err != nil {
			last = err
		}
		if pause(ctx, 10*time.Millisecond) != nil {
			ts.Fatalf("%s: it did not come to that: %v", what, last)
		}
	}
}

// serving waits until the server of data/, or of another folder, is ready, and
// sets HTTP and MQTT to its addresses.
func serving(ts *testscript.TestScript, _ bool, args []string) {
	cl := dial(ts, args...)
	until(ts, "serving", func(ctx context.Context) (bool, error) {
		s, err := cl.Status(ctx)
		if err != nil || !s.Ready {
			return false, err
		}
		ts.Setenv("HTTP", s.HTTP)
		ts.Setenv("MQTT", s.MQTT)
		return true, nil
	})
}

// watched N waits until there are so many live subscriptions.
func watched(ts *testscript.TestScript, _ bool, args []string) {
	until(ts, "watched", func(ctx context.Context) (bool, error) {
		_, port, err := net.SplitHostPort(ts.Getenv("HTTP"))
		if err != nil {
			return false, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+port+"/metrics", nil)
		if err != nil {
			return false, err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return false, err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return strings.Contains(string(b), "\ntidegate_live_subscribers_count "+args[0]+"\n"), err
	})
}

// settled waits until nothing is pending and something was received.
func settled(ts *testscript.TestScript, _ bool, args []string) {
	cl := dial(ts)
	until(ts, "settled", func(ctx context.Context) (bool, error) {
		l, err := cl.Ledger(ctx)
		if err != nil {
			return false, err
		}
		return l.Pending == 0 && (len(args) == 0 || fmt.Sprint(l.Received) == args[0]), fmt.Errorf("ledger %+v", l)
	})
}

// received MIN waits until so many readings were received.
func received(ts *testscript.TestScript, _ bool, args []string) {
	cl := dial(ts)
	least, err := strconv.ParseUint(args[0], 10, 64)
	ts.Check(err)
	until(ts, "received", func(ctx context.Context) (bool, error) {
		l, err := cl.Ledger(ctx)
		return l.Received >= least, errors.Join(err, fmt.Errorf("ledger %+v", l))
	})
}

// alarm STATE waits until the newest alarm is in a state and somebody is to be
// told of it, and sets EVENT and NOTE to the ids of both.
func alarmIs(ts *testscript.TestScript, _ bool, args []string) {
	cl := dial(ts)
	until(ts, "alarm", func(ctx context.Context) (bool, error) {
		events, err := cl.AlertEvents(ctx, client.AlertEventQuery{Page: client.Page{Limit: 1}})
		if err != nil || len(events.Items) == 0 {
			return false, err
		}
		e := events.Items[0]
		notes, err := cl.Notifications(ctx, client.NotificationQuery{EventID: e.ID})
		if err != nil || len(notes.Items) == 0 {
			return false, err
		}
		ts.Setenv("EVENT", e.ID)
		ts.Setenv("NOTE", notes.Items[0].ID)
		return string(e.State) == args[0], fmt.Errorf("alarm %+v", e)
	})
}

// database away|back takes the database away, or gives it back, and waits until
// the server of data/, if there is one, has noticed.
func databaseIs(ts *testscript.TestScript, _ bool, args []string) {
	away := args[0] == "away"
	ts.Value("proxy").(*mongotest.Proxy).Refuse(away)
	if _, err := os.Stat(ts.MkAbs("data/admin.sock")); err != nil {
		return
	}
	cl := dial(ts)
	until(ts, "the database is "+args[0], func(ctx context.Context) (bool, error) {
		s, err := cl.Status(ctx)
		if errors.Is(err, client.ErrUnreachable) { // none runs
			return true, nil
		}
		return err == nil && s.Database != nil && s.Database.Reachable != away, err
	})
}

// exits CODE PROGRAM ARGS... runs a program that must end with the code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		code = failed.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if want := args[0]; fmt.Sprint(code) != want {
		ts.Fatalf("exit %d, want %s", code, want)
	}
}

// publish USER SECRET TOPIC PAYLOAD sends one message and waits for its ack.
func publish(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: publish user secret topic payload")
	}
	p := &publisher{
		door: mqttDoor{addr: ts.Getenv("MQTT")}, client: "script", window: 1, warn: ts.Logf,
		login: func(context.Context) (string, string, error) { return args[0], args[1], nil },
	}
	defer p.close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err := p.publish(ctx, args[2], []byte(args[3]))
	if err == nil {
		err = p.flush(ctx)
	}
	if neg != (err != nil) {
		ts.Fatalf("publish: %v", err)
	}
}

// document checks that stdout is exactly one JSON document, and that the value
// at a path of keys and indices is as given: document items.0.id d1
func document(ts *testscript.TestScript, neg bool, args []string) {
	d := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	d.UseNumber()
	var doc any
	ts.Check(d.Decode(&doc))
	if d.More() {
		ts.Fatalf("stdout has more than one document")
	}
	for i := 0; i+1 < len(args); i += 2 {
		at := doc
		for key := range strings.SplitSeq(args[i], ".") {
			switch v := at.(type) {
			case map[string]any:
				at = v[key]
			case []any:
				n := -1
				if key == "length" {
					at = len(v)
					continue
				}
				_, err := fmt.Sscan(key, &n)
				ts.Check(err)
				if n < 0 || n >= len(v) {
					ts.Fatalf("%s: there are %d", args[i], len(v))
				}
				at = v[n]
			default:
				at = nil
			}
		}
		if (fmt.Sprint(at) == args[i+1]) == neg {
			ts.Fatalf("%s is %v, want %s", args[i], at, args[i+1])
		}
	}
}
