package mongotest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// TestServer ends, pauses and starts servers, and looks whether their data and
// their address stay.
func TestServer(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			server := Start(t, Options{Kind: kind})
			ctx, uri, addr := context.Background(), server.URI(t, "plant"), server.Addr()
			if again := server.URI(t, "plant"); again != uri {
				t.Errorf("%s, then %s", uri, again)
			}
			c := client(t, uri, true)
			next := 0
			insert := func() {
				t.Helper()
				next++
				_, err := c.Database("plant").Collection("c", journalled()).InsertOne(ctx, bson.D{{Key: "_id", Value: next}})
				noError(t, err)
			}
			all := func() {
				t.Helper()
				count := func() (int64, error) { return c.Database("plant").Collection("c").CountDocuments(ctx, bson.D{}) }
				n, err := count()
				// A replica set that was just started may not have the keys yet by which
				// it signs times, and then lets nobody in.
				for end := time.Now().Add(time.Minute); err != nil && time.Now().Before(end); n, err = count() {
					<-time.After(20 * time.Millisecond)
				}
				if err != nil || n != int64(next) || server.Addr() != addr {
					t.Errorf("%d documents of %d, %v, at %s", n, next, err, server.Addr())
				}
			}
			insert()
			for _, end := range []func(){server.Kill, server.Stop, func() {}} {
				pid := server.PID()
				end()
				if end(); server.PID() != 0 && server.PID() != pid { // twice is once
					t.Errorf("process %d runs", server.PID())
				}
				server.Restart()
				if alive(pid) || server.PID() == pid || !alive(server.PID()) {
					t.Errorf("process %d was started again as %d", pid, server.PID())
				}
				all()
				insert()
			}
			server.Kill()
			server.Launch()
			server.Writable()
			all()

			server.Pause()
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			if err := c.Ping(short, nil); !mongo.IsTimeout(err) {
				t.Errorf("a paused server: %v", err)
			}
			cancel()
			server.Resume()
			all()
			server.Pause()
			pid := server.PID()
			server.Kill() // also when it is paused
			if alive(pid) {
				t.Error("a paused server lives on")
			}

			log, err := os.ReadFile(server.LogFile())
			if err != nil || len(log) == 0 {
				t.Errorf("it said %d bytes, %v", len(log), err)
			}
		})
	}
}

// journalled is what survives a kill.
func journalled() *options.CollectionOptionsBuilder {
	journal := true
	return options.Collection().SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journal})
}

// TestServerRights: a user reads and writes one database; the admin may do
// everything; without a name nobody does.
func TestServerRights(t *testing.T) {
	for _, kind := range Kinds() {
		server := Shared(t, kind)
		ctx, mine, other := context.Background(), Database(t), Database(t)
		if mine == other {
			t.Errorf("two databases are called %s", mine)
		}
		insert := func(c *mongo.Client, database string) error {
			_, err := c.Database(database).Collection("c").InsertOne(ctx, bson.D{})
			return err
		}
		user := client(t, server.URI(t, mine), true)
		noError(t, insert(user, mine))
		for _, err := range []error{
			insert(user, other), insert(user, "admin"),
			user.Database("admin").RunCommand(ctx, bson.D{{Key: "shutdown", Value: 1}}).Err(),
			insert(client(t, "mongodb://"+server.Addr()+"/?directConnection=true", true), mine),
		} {
			var ce mongo.ServerError
			if !errors.As(err, &ce) || !ce.HasErrorCode(13) {
				t.Errorf("%v: %v, want it not to be authorized", kind, err)
			}
		}
		server.Admin(t, func(c *mongo.Client) error { return insert(c, other) })
		noError(t, insert(client(t, server.AdminURI(), true), other))
	}
}

// TestServerIsShared: nobody can end what is everybody's.
func TestServerIsShared(t *testing.T) {
	server := Shared(t, Standalone)
	if again := Shared(t, Standalone); again.Addr() != server.Addr() || again.PID() != server.PID() {
		t.Error("there are two")
	}
	if Shared(t, ReplicaSet).Addr() == server.Addr() {
		t.Error("a replica set is a standalone")
	}
	for name, end := range map[string]func(){"Kill": server.Kill, "Stop": server.Stop, "Restart": server.Restart, "Pause": server.Pause} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s ended everybody's server", name)
				}
			}()
			end()
		}()
	}
	if !alive(server.PID()) {
		t.Error("it was ended")
	}
}

// TestServerEndsWithItsParent kills a process that started servers, and looks
// whether they are gone.
func TestServerEndsWithItsParent(t *testing.T) {
	need(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestServersParent$", "-test.v")
	cmd.Env = append(os.Environ(), "TIDEGATE_TEST_PARENT="+t.TempDir())
	out, err := cmd.StdoutPipe()
	noError(t, err)
	in, err := cmd.StdinPipe() // that stays open
	noError(t, err)
	defer func() { _ = in.Close() }()
	noError(t, cmd.Start())
	var pids []int
	var dir string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var pid int
		if n, _ := fmt.Sscanf(lines.Text(), "started %d %s", &pid, &dir); n == 2 {
			pids = append(pids, pid)
		}
		if strings.HasPrefix(lines.Text(), "all started") {
			break
		}
	}
	if len(pids) != 3 {
		t.Errorf("%d servers were started", len(pids))
	}
	for _, pid := range pids {
		if !alive(pid) {
			t.Errorf("process %d does not run", pid)
		}
	}
	noError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	for _, pid := range pids {
		wait(t, fmt.Sprintf("that process %d ends", pid), func() bool { return !alive(pid) })
	}
	wait(t, "that the folder goes", func() bool { _, err := os.Stat(dir); return errors.Is(err, os.ErrNotExist) })
}

// TestServersParent is the process of TestServerEndsWithItsParent. It starts a shared server, one of its own, and one that is
// paused, and then waits to be killed.
func TestServersParent(t *testing.T) {
	dir := os.Getenv("TIDEGATE_TEST_PARENT")
	if dir == "" {
		return // it is that test's process, and nothing else
	}
	own := Start(t, Options{Kind: Standalone, Dir: folder(t, dir, "own")})
	paused := Start(t, Options{Kind: Standalone, Dir: folder(t, dir, "paused")})
	paused.Pause()
	shared := Shared(t, ReplicaSet)
	for _, s := range []*Server{own, paused, shared} {
		// The shared one comes last: its folder goes with it.
		_, _ = fmt.Fprintf(os.Stdout, "started %d %s\n", s.PID(), filepath.Dir(s.LogFile()))
	}
	_, _ = fmt.Fprintln(os.Stdout, "all started")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	t.Error("nobody killed it")
}

func folder(t testing.TB, dir, name string) string {
	t.Helper()
	dir = filepath.Join(dir, name)
	noError(t, os.Mkdir(dir, 0o700))
	return dir
}

// alive reports whether a process runs. One that has ended, and that nobody has
// asked for how, does not.
func alive(pid int) bool {
	if pid == 0 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	if runtime.GOOS != "linux" {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}
