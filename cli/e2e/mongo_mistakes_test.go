package e2e

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegate/store/mongo/mongotest"
)

// TestMongoTraces: real readings come out of the database as they went in.
func TestMongoTraces(t *testing.T) {
	t.Parallel()
	for _, set := range traces {
		t.Run(set.name, func(t *testing.T) {
			tr := readTrace(t, set.name, min(set.limit, 60_000))
			d := newDatabase(t, mongotest.Shared(t, mongotest.ReplicaSet))
			s := newServer(t, d.direct())
			s.start()
			s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
			s.tidegate("readings", "import", tr.file, "--org", "acme", "--create")
			tr.verify(t, s)
			// Once more, after a restart: nothing is stored twice.
			s.stop()
			s.start()
			s.tidegate("readings", "import", tr.file, "--org", "acme", "--create")
			tr.want.Received *= 2
			tr.want.Duplicate = tr.want.Received - tr.want.Stored - 2*tr.want.Rejected
			tr.want.Rejected *= 2
			tr.verify(t, s)
		})
	}
}

// TestMongoMistakes is what goes wrong at a start with a database, and what is
// said then.
func TestMongoMistakes(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, mongotest.Shared(t, mongotest.ReplicaSet))
	right := strings.TrimPrefix(d.direct(), "MONGO_URI=")
	wrong, err := url.Parse(right)
	if err != nil {
		t.Fatal(err)
	}
	wrong.User = url.UserPassword(wrong.User.Username(), "letmein-7")
	for name, c := range map[string]struct {
		uri  string
		says []string
	}{
		"another scheme":          {"http://db.example", []string{"MONGO_URI", "mongodb://", "give one such as"}},
		"an unescaped password":   {"mongodb://ann:p@ss/word@db.example/plant", []string{"MONGO_URI", "percent-encoded", "%40"}},
		"nobody there":            {"mongodb://127.0.0.1:1/plant", []string{"the first start with MONGO_URI needs the server", "refused"}},
		"a wrong password":        {wrong.String(), []string{"uthentication failed"}},
		"the server's database":   {"mongodb://127.0.0.1:1/admin", []string{"admin", "belongs to the server"}},
		"an option without sense": {"mongodb://127.0.0.1:1/plant?tls=perhaps", []string{"MONGO_URI", "tls"}},
	} {
		t.Run(name, func(t *testing.T) {
			said := newServer(t, "MONGO_URI="+c.uri).tryStart()
			for _, want := range c.says {
				if !strings.Contains(said, want) {
					t.Errorf("%q is not in %s", want, said)
				}
			}
			if strings.Contains(said, "letmein-7") || strings.Contains(said, "ss/word") {
				t.Errorf("a password is told: %s", said)
			}
		})
	}

	t.Run("a folder of a database without it", func(t *testing.T) {
		s := newServer(t, d.direct())
		s.start()
		s.stop()
		s.env = nil
		if said := s.tryStart(); !strings.Contains(said, "MONGO_URI") || !strings.Contains(said, "tidegate migrate --to embedded") {
			t.Errorf("it says %s", said)
		}
	})
	t.Run("a folder with readings of its own", func(t *testing.T) {
		s := newServer(t)
		s.start()
		s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
		s.stop()
		s.env = []string{d.direct()}
		if said := s.tryStart(); !strings.Contains(said, "tidegate migrate --to mongo") || !strings.Contains(said, "unset MONGO_URI") {
			t.Errorf("it says %s", said)
		}
	})
	t.Run("a second writer", func(t *testing.T) {
		d := newDatabase(t, d.server)
		first, second := newServer(t, d.direct()), newServer(t, d.direct())
		first.start()
		first.tidegate("org", "add", "--id", "acme", "--name", "Acme")
		first.tidegate("device", "add", "--org", "acme", "--id", "d1", "--secret", "s3cret-of-d1", "--ports", "1")
		const key = "secrets/device.key"
		b, err := os.ReadFile(filepath.Join(first.dir, key))
		err = errors.Join(err, os.Mkdir(filepath.Join(second.dir, "secrets"), 0o700), os.WriteFile(filepath.Join(second.dir, key), b, 0o600))
		if err != nil {
			t.Fatal(err)
		}
		second.start()
		second.publish(t, "d1", "s3cret-of-d1", "org/acme/device/d1/telemetry", `{"readings":[{"port":1,"value":1}]}`, 1)
		st := second.status()
		// It says so once it has tried to store the reading.
		for end := time.Now().Add(time.Minute); !strings.Contains(strings.Join(st.Warnings, " "), "a database has one writer") && time.Now().Before(end); st = second.status() {
			<-time.After(50 * time.Millisecond)
		}
		if st.Ledger.Pending != 1 || !strings.Contains(strings.Join(st.Warnings, " "), "a database has one writer") || !strings.Contains(st.Database.Writer, first.dir) {
			t.Errorf("the second says %+v", st)
		}
		first.stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if l := second.settled(ctx); l.Stored != 1 {
			t.Errorf("after the first one was stopped the second has %+v", l)
		}
	})
}
