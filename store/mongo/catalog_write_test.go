package mongo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/store"
	"tidegate/store/mongo/mongotest"
)

func inserts(command string) bool { return command == "insert" }
func updates(command string) bool { return command == "update" }

// made answers how often an organization of that name was made.
func made(t testing.TB, d *Database, name string) (n int) {
	t.Helper()
	for _, c := range changesOf(t, d) {
		for _, o := range c.Organizations {
			if o.Name == name {
				n++
			}
		}
	}
	return n
}

// TestCatalogSwallowed cuts connections in mid-change: a change is made once or
// not at all, and whoever made it is told so, or that it is not known.
func TestCatalogSwallowed(t *testing.T) {
	t.Parallel()
	finds := func(command string) bool { return command == "find" }
	cases := []struct {
		name    string
		swallow func(*mongotest.Proxy)
		unknown bool // what became of it
		made    int
	}{
		{"a reply", func(p *mongotest.Proxy) { p.SwallowReplies(inserts, 1) }, false, 1},
		{"a request", func(p *mongotest.Proxy) { p.SwallowRequests(inserts, 1) }, false, 1},
		{"a request, then its reply", func(p *mongotest.Proxy) { p.SwallowRequests(inserts, 1); p.SwallowReplies(inserts, 2) }, false, 1},
		{"every reply", func(p *mongotest.Proxy) { p.SwallowReplies(inserts, 1<<30) }, true, 1},
		{"every request", func(p *mongotest.Proxy) { p.SwallowRequests(inserts, 1<<30) }, true, 0},
		{"a reply, and the question what became of it", func(p *mongotest.Proxy) { p.SwallowReplies(inserts, 1); p.SwallowRequests(finds, 1) }, false, 1},
		{"a reply of the collections", func(p *mongotest.Proxy) { p.SwallowReplies(updates, 1) }, false, 1},
		{"a request to the collections", func(p *mongotest.Proxy) { p.SwallowRequests(updates, 1) }, false, 1},
		{"every request to the collections", func(p *mongotest.Proxy) { p.SwallowRequests(updates, 1<<30) }, false, 1},
	}
	for _, kind := range mongotest.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			server := mongotest.Shared(t, kind)
			p := mongotest.NewProxy(t, server.Addr())
			i, ctx := openInstance(t, p.URI(server.URI(t, mongotest.Database(t))), t.TempDir()), t.Context()
			for n, tt := range cases {
				t.Run(tt.name, func(t *testing.T) {
					if i.patience = writePatience; strings.HasPrefix(tt.name, "every") {
						i.patience = time.Second
					}
					o := store.Organization{ID: fmt.Sprintf("acme-%d", n), Name: tt.name}
					before := p.Swallowed()
					tt.swallow(p)
					err := within(t, time.Minute, func() error { return i.CreateOrganization(ctx, o) })
					if p.Swallowed() == before {
						t.Error("nothing was swallowed")
					}
					p.Calm()
					if !tt.unknown && err != nil {
						t.Errorf("told %v", err)
					}
					if tt.unknown && (!errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "not known")) {
						t.Errorf("told %v", err)
					}
					i.synced(t)
					if n := made(t, i.db, o.Name); n != tt.made {
						t.Errorf("made %d times, want %d", n, tt.made)
					}
					sameEverywhere(t, i)
					want := error(nil)
					if tt.made > 0 {
						want = store.ErrConflict
					}
					if err := i.CreateOrganization(ctx, o); !errors.Is(err, want) {
						t.Errorf("once more: %v, want %v", err, want)
					}
					sameEverywhere(t, i)
				})
			}
		})
	}
}

// TestCatalogServerKilled kills the server when it has made a change and has
// not told it yet, and when the collections do not hold it yet.
func TestCatalogServerKilled(t *testing.T) {
	t.Parallel()
	for _, kind := range mongotest.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			server := mongotest.Start(t, mongotest.Options{Kind: kind})
			p := mongotest.NewProxy(t, server.Addr())
			i, ctx := openInstance(t, impatient(p.URI(server.URI(t, "plant"))), t.TempDir()), t.Context()
			noError(t, i.CreateOrganization(ctx, acme("a")))

			// It comes back while the change waits for its answer. A machine that is
			// slow to start it again learns of it later.
			back := make(chan bool)
			kill := func() { server.Kill(); p.Cut() } // the reply is not passed on
			p.OnReply(inserts, 1, func() {
				kill()
				go func() { defer close(back); server.Restart() }()
			})
			err := within(t, time.Minute, func() error { return i.CreateOrganization(ctx, acme("b")) })
			if err != nil && !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("killed and started again: %v", err)
			}
			<-back
			sameEverywhere(t, i)
			if _, err := i.Organization(ctx, "b"); err != nil {
				t.Errorf("a change that a majority had is gone: %v", err)
			}

			// The collections come later.
			p.OnReply(updates, 1, kill)
			if err := within(t, time.Minute, func() error { return i.CreateOrganization(ctx, acme("c")) }); err != nil {
				t.Errorf("killed before the collections were written: %v", err)
			}
			if _, err := i.Organization(ctx, "c"); err != nil {
				t.Errorf("it was made, and is not in the copy: %v", err)
			}
			server.Restart()
			sameEverywhere(t, i)

			// It stays away.
			i.patience = 2 * time.Second
			p.OnReply(inserts, 1, kill)
			err = within(t, time.Minute, func() error { return i.CreateOrganization(ctx, acme("d")) })
			if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "not known") {
				t.Errorf("killed for good: %v", err)
			}
			if _, err := i.Organization(ctx, "d"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("what is not known is in the copy: %v", err)
			}
			server.Restart()
			sameEverywhere(t, i)
			if _, err := i.Organization(ctx, "d"); err != nil {
				t.Errorf("a change that a majority had is gone: %v", err)
			}
		})
	}
}

// TestCatalogServerAway: reads are answered, changes are refused, and nothing
// waits for longer than it says.
func TestCatalogServerAway(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	for _, tt := range []struct {
		name string
		away func(*mongotest.Proxy, bool)
	}{
		{"refuses", func(p *mongotest.Proxy, on bool) { p.Refuse(on) }},
		{"hangs", func(p *mongotest.Proxy, on bool) { p.Hang(on) }},
		{"is forgotten by a firewall", func(p *mongotest.Proxy, on bool) {
			if on {
				p.Orphan()
				p.Hang(true)
			} else {
				p.Calm()
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := mongotest.NewProxy(t, server.Addr())
			uri, dir := impatient(p.URI(server.URI(t, mongotest.Database(t)))), t.TempDir()
			i, ctx := openInstance(t, uri, dir), t.Context()
			other := openInstance(t, server.URI(t, i.db.uri.database), t.TempDir())
			noError(t, i.CreateOrganization(ctx, acme("a")))
			tt.away(p, true)
			i.patience = time.Second
			for n := range 2 { // the first finds out, the second knows
				err := within(t, writePatience, func() error { return i.CreateOrganization(ctx, acme("b")) })
				if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrConflict) {
					t.Errorf("change %d: %v", n, err)
				}
			}
			if _, err := i.Sync(ctx); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Sync: %v", err)
			}
			if o, err := i.Organization(ctx, "a"); err != nil || o.Name != "Acme" {
				t.Errorf("read: %+v, %v", o, err)
			}
			noError(t, i.Close())

			i = openInstance(t, uri, dir) // needs no server
			if o, err := i.Organization(ctx, "a"); err != nil || o.Name != "Acme" {
				t.Errorf("read once it is opened again: %+v, %v", o, err)
			}
			noError(t, other.synced(t).CreateOrganization(ctx, acme("c")))
			tt.away(p, false)
			changed := false
			eventually(t, func() (err error) { changed, err = i.Sync(ctx); return err })
			if !changed {
				t.Error("others' changes came in, and Sync does not say so")
			}
			if changed, err := i.Sync(ctx); err != nil || changed {
				t.Errorf("nothing changed since: %v, %v", changed, err)
			}
			noError(t, i.CreateOrganization(ctx, acme("d")))
			sameEverywhere(t, i, other)
		})
	}
}

// TestCatalogChangesWaitInLine: while the server hangs, also those who wait for
// their turn are answered in time.
func TestCatalogChangesWaitInLine(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	p := mongotest.NewProxy(t, server.Addr())
	i, ctx := openInstance(t, p.URI(server.URI(t, mongotest.Database(t))), t.TempDir()), t.Context()
	p.Hang(true)
	defer p.Calm()
	i.patience = time.Second
	err := within(t, 8*time.Second, func() error {
		var wg sync.WaitGroup
		errs := make([]error, 20)
		for n := range errs {
			wg.Go(func() {
				if err := i.CreateOrganization(ctx, acme("a")); !errors.Is(err, store.ErrUnavailable) {
					errs[n] = fmt.Errorf("told %w", err)
				}
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	})
	noError(t, err)
}

// TestCatalogCallerGone: who gives up after the change was sent has made it; who
// gives up before has not.
func TestCatalogCallerGone(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.Standalone)
	p := mongotest.NewProxy(t, server.Addr())
	i, ctx := openInstance(t, p.URI(server.URI(t, mongotest.Database(t))), t.TempDir()), t.Context()
	late, cancel := context.WithCancel(ctx)
	p.OnReply(inserts, 1, cancel)
	if err := i.CreateOrganization(late, acme("late")); err != nil {
		t.Errorf("gone when it was made: %v", err)
	}
	early, cancel := context.WithCancel(ctx)
	p.OnReply(func(c string) bool { return c == "aggregate" }, 1, cancel)
	if err := i.CreateOrganization(early, acme("early")); !errors.Is(err, context.Canceled) {
		t.Errorf("gone before: %v", err)
	}
	noError(t, i.lock(ctx)) // another one's turn
	waits, cancel := context.WithCancel(ctx)
	cancel()
	if err := i.CreateOrganization(waits, acme("waits")); !errors.Is(err, context.Canceled) {
		t.Errorf("gone in line: %v", err)
	}
	if _, err := i.Sync(waits); !errors.Is(err, context.Canceled) {
		t.Errorf("Sync, gone in line: %v", err)
	}
	i.unlock()
	sameEverywhere(t, i)
	if all := i.dump(t).Organizations; len(all) != 1 || all[0].ID != "late" {
		t.Errorf("made: %+v", all)
	}
}

// TestCatalogContention: several instances do the same at once. Each thing is
// made by one of them, the others are told, and all end up the same.
func TestCatalogContention(t *testing.T) {
	t.Parallel()
	for _, kind := range mongotest.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			server := mongotest.Shared(t, kind)
			uri, ctx := server.URI(t, mongotest.Database(t)), t.Context()
			instances := make([]*instance, 3)
			for n := range instances {
				instances[n] = openInstance(t, uri, t.TempDir())
			}
			noError(t, instances[0].CreateOrganization(ctx, acme("acme")))
			var mu sync.Mutex
			winners, uids := map[string]int{}, map[uint32]string{}
			var wg sync.WaitGroup
			for n, i := range instances {
				for worker := range 2 {
					wg.Go(func() {
						rnd := rand.New(rand.NewPCG(uint64(n), uint64(worker)))
						for _, k := range rnd.Perm(15) {
							id := fmt.Sprintf("d%d", k)
							d, err := i.CreateDevice(ctx, store.Device{ID: id, OrgID: "acme", SerialNumber: "SN" + id}, []store.Port{{Number: 1}})
							if err != nil && !errors.Is(err, store.ErrConflict) {
								t.Errorf("create %s: %v", id, err)
							}
							if err == nil {
								mu.Lock()
								if other, taken := uids[d.UID]; taken {
									t.Errorf("%s and %s have the number %d", id, other, d.UID)
								}
								uids[d.UID] = id
								winners[id]++
								mu.Unlock()
							}
							if err := i.PutPort(ctx, store.Port{DeviceID: id, Number: 2, Name: fmt.Sprint(n)}); err != nil {
								t.Errorf("put port: %v", err)
							}
							if worker == 1 {
								if _, err := i.Sync(ctx); err != nil {
									t.Errorf("Sync: %v", err)
								}
							}
						}
					})
				}
			}
			wg.Wait()
			for id, n := range winners {
				if n != 1 {
					t.Errorf("%s was made %d times", id, n)
				}
			}
			if len(winners) != 15 {
				t.Errorf("%d devices were made", len(winners))
			}
			sameEverywhere(t, append(instances, openInstance(t, uri, t.TempDir()))...)
		})
	}
}

// TestCatalogChaos: several instances change the same things over networks that
// lose requests and replies. Each change that was told to be made was made
// once, each that was refused was not, and each that is not known at most once.
func TestCatalogChaos(t *testing.T) {
	t.Parallel()
	for _, kind := range mongotest.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			server := mongotest.Shared(t, kind)
			uri, ctx := server.URI(t, mongotest.Database(t)), t.Context()
			calm := openInstance(t, uri, t.TempDir())
			noError(t, calm.CreateOrganization(ctx, acme("acme")))
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			var mu sync.Mutex
			told := map[string]error{} // by what was asked for
			instances := []*instance{calm}
			var wg sync.WaitGroup
			for n := range 2 {
				p := mongotest.NewProxy(t, server.Addr())
				i := openInstance(t, p.URI(uri), t.TempDir())
				i.patience = 2 * time.Second
				instances = append(instances, i)
				wg.Go(func() {
					rnd := rand.New(rand.NewPCG(seed, uint64(n)))
					coin := rand.New(rand.NewPCG(seed, uint64(n)+100))
					any := func(string) bool { return coin.IntN(2) == 0 } // the proxy asks one at a time
					for k := range 40 {
						switch rnd.IntN(6) {
						case 0:
							p.SwallowReplies(any, 1)
						case 1:
							p.SwallowRequests(any, 1)
						case 2:
							p.SwallowReplies(inserts, 1+rnd.IntN(8))
						case 3:
							p.Cut()
						}
						mark := fmt.Sprintf("%d-%d", n, k)
						id := fmt.Sprintf("d%d", rnd.IntN(10))
						err := i.UpdateDevice(ctx, store.Device{ID: id, Name: mark, State: store.DeviceActive})
						if errors.Is(err, store.ErrNotFound) {
							_, err = i.CreateDevice(ctx, store.Device{ID: id, OrgID: "acme", Name: mark}, nil)
						}
						mu.Lock()
						told[mark] = err
						mu.Unlock()
						p.Calm()
					}
				})
			}
			wg.Wait()
			sameEverywhere(t, instances...)
			happened, uids := map[string]int{}, map[string]int64{}
			for _, c := range changesOf(t, calm.db) {
				for _, d := range c.Devices {
					happened[d.Name]++
					if was, known := uids[d.ID]; known && was != d.UID {
						t.Errorf("%s had the number %d and has %d", d.ID, was, d.UID)
					}
					uids[d.ID] = d.UID
				}
			}
			unknown := 0
			for mark, err := range told {
				switch n := happened[mark]; {
				case err == nil && n != 1:
					t.Errorf("%s was told to be made, and was %d times", mark, n)
				case n > 1:
					t.Errorf("%s was made %d times", mark, n)
				case err != nil && !errors.Is(err, store.ErrUnavailable) && n != 0:
					t.Errorf("%s was refused, and was made: %v", mark, err)
				case err != nil && n != 0 && !strings.Contains(err.Error(), "not known") && !strings.Contains(err.Error(), "not in this folder's copy"):
					t.Errorf("%s was made, and told not to be: %v", mark, err)
				case err != nil:
					unknown++
				}
			}
			numbers := slices.Collect(func(yield func(int64) bool) {
				for _, u := range uids {
					if !yield(u) {
						return
					}
				}
			})
			slices.Sort(numbers)
			if len(slices.Compact(numbers)) != len(uids) {
				t.Errorf("device numbers doubled: %v", uids)
			}
			t.Logf("%d changes told, %d of them with an error", len(told), unknown)
		})
	}
}
