package alert_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tidegate/ingest/alert"
	"tidegate/store"
)

// TestEngineEpisode: from the first reading beyond the level to the last.
func TestEngineEpisode(t *testing.T) {
	w := newWorld(t)
	w.channel("ops", nil)
	r := w.rule(func(r *store.AlertRule) { r.For = store.Duration(time.Minute) })
	w.send(79)
	w.expect("nothing yet", len(w.events()), 0)
	w.now += second
	w.send(81)
	began := w.now
	w.wait(59 * second)
	w.expect("pending", len(w.events()), 0)
	w.send(85)
	w.wait(second)
	list := w.events()
	if len(list) != 1 {
		t.Fatalf("%d episodes", len(list))
	}
	ev := list[0]
	w.expect("id", ev.ID, store.AlertEventID(r.ID, store.Series{UID: 1, Port: 1}, began))
	w.expect("state", ev.State, store.AlertFiring)
	w.expect("times", []int64{int64(ev.StartedAt), int64(ev.FiredAt)}, []int64{began, began + minute})
	w.expect("values", []float64{*ev.First, *ev.Worst, *ev.Last}, []float64{81, 85, 85})
	w.expect("said", w.said(), []string{"firing ops"})
	w.now += second
	w.send(90)
	w.expect("the list is of now", *w.events()[0].Worst, 90)
	w.now += second
	w.send(80)
	ev = w.events()[0]
	w.expect("state", ev.State, store.AlertResolved)
	w.expect("end", []any{*ev.ResolvedAt, ev.End}, []any{store.Time(w.now), store.EndCleared})
	w.expect("said", w.said(), []string{"resolved ops"})
}

// TestEngineRestart: in every state, and nothing is told twice.
func TestEngineRestart(t *testing.T) {
	for _, crash := range []bool{true, false} {
		t.Run(fmt.Sprint("crash ", crash), func(t *testing.T) {
			w := newWorld(t)
			w.channel("ops", nil)
			w.rule(func(r *store.AlertRule) {
				r.For, r.KeepFiring = store.Duration(10*time.Minute), store.Duration(10*time.Minute)
			})
			restart := func() {
				if !crash {
					noError(t, w.engine.Flush(context.Background()))
				}
				w.again()
				w.engine.Pass()
			}
			restart()
			w.send(90)
			restart()
			w.wait(9 * minute)
			restart()
			w.expect("minute nine", w.said(), []string{})
			w.wait(minute)
			w.expect("minute ten", w.said(), []string{"firing ops"})
			restart()
			w.expect("once", w.said(), []string{})
			w.send(10)
			w.expect("state", w.events()[0].State, store.AlertRecovering)
			restart()
			w.wait(10*minute - 1)
			w.expect("state", w.events()[0].State, store.AlertRecovering)
			restart()
			w.wait(1)
			restart()
			w.expect("episodes", len(w.events()), 1)
			w.expect("state", w.events()[0].State, store.AlertResolved)
		})
	}
}

// TestEngineCrashes compares engines that crash at random with one that never
// does: the same episodes, the same notifications, none twice.
func TestEngineCrashes(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			run := func(crashes bool) (events, notes []string) {
				rnd := rand.New(rand.NewPCG(seed, 1))
				crash := rand.New(rand.NewPCG(seed, 2))
				w := newWorld(t)
				w.channel("ops", nil)
				for i, d := range []time.Duration{0, 5 * time.Second, 20 * time.Second} {
					w.ruleWithID(fmt.Sprint("r", i), func(r *store.AlertRule) {
						r.Selection = store.Selection{}
						r.For, r.KeepFiring = store.Duration(d), store.Duration(d/2)
						r.JoinWithin = store.Duration(d)
					})
				}
				for range 400 {
					w.now += rnd.Int64N(4 * second)
					w.sendAs(alert.Sample{
						Series: store.Series{UID: 1 + rnd.Uint32N(2), Port: 1 + uint16(rnd.Uint32N(3))},
						TS:     w.now - rnd.Int64N(6*second), ReceivedAt: w.now, Value: 70 + 20*rnd.Float64(),
					})
					if !crashes {
						continue
					}
					switch crash.IntN(12) {
					case 0, 1:
						noError(t, w.engine.Commit(context.Background()))
					case 2:
						noError(t, w.engine.Flush(context.Background()))
					case 3:
						w.again()
					}
				}
				noError(t, w.engine.Commit(context.Background()))
				for _, e := range w.events() {
					events = append(events, fmt.Sprint(e.ID, e.State, e.FiredAt, e.Flaps, *e.First, *e.Worst, e.ResolvedAt != nil))
				}
				list, err := w.memory.ListNotifications(context.Background(), store.NotificationFilter{Limit: 10_000})
				noError(t, err)
				for _, n := range list {
					notes = append(notes, fmt.Sprintln(n.ID, n.Cause, n.Event.ID, n.Event.RuleID, n.Event.Flaps))
				}
				slices.Sort(notes)
				w.close()
				return events, notes
			}
			events, notes := run(false)
			crashed, again := run(true)
			if len(events) < 20 || len(notes) < 20 {
				t.Fatalf("%d episodes, %d notifications are too few to tell", len(events), len(notes))
			}
			if !slices.Equal(events, crashed) {
				t.Errorf("episodes missing: %v; too many: %v", without(events, crashed), without(crashed, events))
			}
			if !slices.Equal(notes, again) {
				t.Errorf("notifications missing: %v; too many: %v", without(notes, again), without(again, notes))
			}
		})
	}
}

// without answers what a has and b has not.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(x string) bool { return slices.Contains(b, x) })
}

// TestEngineLate: late data pages nobody, and a box that does not know the time
// still alarms.
func TestEngineLate(t *testing.T) {
	w := newWorld(t)
	w.rule(nil)
	w.sendAs(alert.Sample{TS: w.now - 5*minute - 1, ReceivedAt: w.now, Value: 99})
	w.expect("too old", len(w.events()), 0)
	w.send(70)
	w.sendAs(alert.Sample{TS: w.now - second, ReceivedAt: w.now, Value: 99})
	w.expect("behind a later one", len(w.events()), 0)
	w.sendAs(alert.Sample{TS: w.now + minute, ReceivedAt: w.now + second, Value: 99, Quality: store.Bad})
	w.expect("bad", len(w.events()), 0)
	w.sendAs(alert.Sample{TS: 1000, ReceivedAt: 1000, Value: 99, ClockUntrusted: true, ServerTS: true})
	list := w.events()
	w.expect("without a clock", len(list), 1)
	w.expect("at the time that stands", list[0].StartedAt >= store.Time(w.now), true)
}

// TestEngineSilentDevice: a device that says nothing is found, and a box that
// was down is not taken for one.
func TestEngineSilentDevice(t *testing.T) {
	w := newWorld(t)
	w.channel("ops", nil)
	w.rule(func(r *store.AlertRule) {
		r.Condition = store.Condition{Kind: store.CondNoData, SilentFor: store.Duration(10 * time.Minute)}
	})
	w.wait(60 * minute)
	w.expect("never heard", len(w.events()), 0)
	w.send(1)
	w.wait(4 * minute)
	noError(t, w.engine.Flush(context.Background()))
	w.close()
	w.now += 24 * 60 * minute
	w.open()
	w.engine.Pass()
	w.expect("the box was down", len(w.events()), 0)
	w.wait(6 * minute)
	w.expect("still within ten minutes of its own time", len(w.events()), 0)
	w.wait(1)
	w.expect("silent", len(w.events()), 1)
	w.now += minute
	w.send(1)
	w.expect("state", w.events()[0].State, store.AlertResolved)
	w.expect("said", w.said(), []string{"firing ops", "resolved ops"})
}

// TestEngineGone: the end of what an episode is about ends it.
func TestEngineGone(t *testing.T) {
	ctx := context.Background()
	for name, does := range map[string]func(w *world, r store.AlertRule) store.AlertEnd{
		"rule deleted": func(w *world, r store.AlertRule) store.AlertEnd {
			noError(t, w.catalog.DeleteAlertRule(ctx, r.ID))
			noError(t, w.engine.RefreshRule(ctx, r.ID))
			return store.EndRuleChanged
		},
		"rule disabled": func(w *world, r store.AlertRule) store.AlertEnd {
			w.edit(r, func(r *store.AlertRule) { r.Enabled = false })
			return store.EndRuleChanged
		},
		"another level": func(w *world, r store.AlertRule) store.AlertEnd {
			w.edit(r, func(r *store.AlertRule) { v := 90.0; r.Condition.High = &v })
			return store.EndRuleChanged
		},
		"another device": func(w *world, r store.AlertRule) store.AlertEnd {
			w.edit(r, func(r *store.AlertRule) { r.Selection.DeviceIDs = []string{"d2"} })
			return store.EndRuleChanged
		},
		"device deleted": func(w *world, _ store.AlertRule) store.AlertEnd {
			d := must(w.catalog.Device(ctx, "d1"))(t)
			d.State = store.DeviceDeleted
			noError(t, w.catalog.UpdateDevice(ctx, d))
			noError(t, w.engine.RefreshDevice(ctx, "d1"))
			return store.EndDeviceGone
		},
		"port deleted": func(w *world, _ store.AlertRule) store.AlertEnd {
			noError(t, w.catalog.DeletePort(ctx, "d1", 1))
			noError(t, w.engine.RefreshDevice(ctx, "d1"))
			return store.EndDeviceGone
		},
		"while the box was down": func(w *world, r store.AlertRule) store.AlertEnd {
			noError(t, w.engine.Commit(ctx))
			noError(t, w.catalog.DeleteAlertRule(ctx, r.ID))
			w.again()
			return store.EndRuleChanged
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.t = t
			w.channel("ops", nil)
			r := w.rule(nil)
			w.send(99)
			end := does(w, r)
			list := w.events()
			w.expect("episodes", len(list), 1)
			w.expect("state", []any{list[0].State, list[0].End}, []any{store.AlertResolved, end})
			w.again()
			w.expect("after a restart", []any{len(w.events()), w.events()[0].State}, []any{1, store.AlertResolved})
		})
	}
	t.Run("another name", func(t *testing.T) {
		w := newWorld(t)
		r := w.rule(nil)
		w.send(99)
		w.edit(r, func(r *store.AlertRule) { r.Name = "very hot" })
		w.expect("goes on", w.events()[0].State, store.AlertFiring)
	})
}

// TestEnginePeople: acknowledgement, repeat, escalation, comments.
func TestEnginePeople(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.channel("ops", nil)
	boss := w.channel("boss", func(c *store.Channel) { c.Severities = nil })
	w.channel("off", func(c *store.Channel) { c.Enabled = false })
	w.rule(func(r *store.AlertRule) {
		r.RepeatEvery, r.EscalateAfter, r.EscalateTo = store.Duration(10*time.Minute), store.Duration(15*time.Minute), []string{boss.ID}
	})
	w.send(99)
	w.expect("fires", w.said(), []string{"firing ops"})
	w.wait(10*minute - 1)
	w.expect("not yet", w.said(), []string{})
	w.wait(1)
	w.expect("again", w.said(), []string{"repeat ops"})
	w.again()
	w.wait(5 * minute)
	w.expect("nobody cared", w.said(), []string{"escalation boss"})
	w.wait(5 * minute)
	got := w.said()
	slices.Sort(got)
	w.expect("who was called hears the rest", got, []string{"repeat boss", "repeat ops"})
	id := w.events()[0].ID
	if _, err := w.engine.Acknowledge(ctx, id, "user:ann@example.org", "on my way"); err != nil {
		t.Fatal(err)
	}
	got = w.said()
	slices.Sort(got)
	w.expect("all hear that somebody is there", got, []string{"acknowledged boss", "acknowledged ops"})
	if _, err := w.engine.Acknowledge(ctx, id, "user:bob@example.org", "I go"); err != nil {
		t.Fatal(err)
	}
	w.expect("one of them is enough", w.said(), []string{})
	w.again()
	w.wait(60 * minute)
	w.expect("quiet", w.said(), []string{})
	w.expect("by", w.events()[0].Acknowledged.By, "user:bob@example.org")
	if _, err := w.engine.Unacknowledge(ctx, id, "user:bob@example.org"); err != nil {
		t.Fatal(err)
	}
	w.wait(minute)
	got = w.said()
	slices.Sort(got)
	w.expect("and again", got, []string{"repeat boss", "repeat ops"})
	w.now += second
	w.send(1)
	got = w.said()
	slices.Sort(got)
	w.expect("over", got, []string{"resolved boss", "resolved ops"})
	if _, err := w.engine.Comment(ctx, id, "user:ann@example.org", "a fan was broken"); err != nil {
		t.Fatal(err)
	}
	w.again()
	w.expect("comment", w.events()[0].Comments[0].Text, "a fan was broken")
	if _, err := w.engine.Acknowledge(ctx, id, "user:bob@example.org", "seen"); err != nil {
		t.Fatal(err)
	}
	w.expect("what is over is seen, and nobody is told", []any{w.events()[0].Acknowledged.Comment, w.said()}, []any{"seen", []string{}})
}

// TestEngineSilences: nobody is told, until the silence is over.
func TestEngineSilences(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.channel("ops", nil)
	w.rule(func(r *store.AlertRule) { r.Labels = map[string]string{"line": "3"} })
	end := store.Time(w.now + 60*minute)
	s := store.Silence{ID: store.NewSilenceID(), OrgID: "acme", Comment: "cleaning", Labels: map[string]string{"line": "3"}, StartsAt: store.Time(w.now), EndsAt: &end}
	noError(t, w.memory.PutSilence(ctx, s))
	noError(t, w.engine.SilencesChanged(ctx))
	w.wait(minute)
	w.send(99)
	w.expect("quiet", w.said(), []string{})
	w.expect("by", w.events()[0].Silenced, s.ID)
	w.now += minute
	w.send(1)
	w.expect("its end is not said, nor was its beginning", w.said(), []string{})
	w.now += minute
	w.send(99)
	w.wait(50 * minute)
	w.again()
	w.expect("quiet", w.said(), []string{})
	w.wait(10 * minute)
	w.expect("over, and it still fires", w.said(), []string{"firing ops"})
	w.expect("by", w.events()[1].Silenced, "")
}

// TestEngineJoins: the end of an episode that may be joined is said when that
// can be no more.
func TestEngineJoins(t *testing.T) {
	w := newWorld(t)
	w.channel("ops", nil)
	w.rule(func(r *store.AlertRule) { r.JoinWithin = store.Duration(time.Minute) })
	for range 5 {
		w.send(99)
		w.now += second
		w.send(1)
		w.wait(30 * second)
		w.again()
	}
	w.expect("said", w.said(), []string{"firing ops"})
	w.expect("episodes and flaps", []int{len(w.events()), w.events()[0].Flaps}, []int{1, 4})
	w.wait(31 * second)
	w.expect("over", w.said(), []string{"resolved ops"})
	w.now += second
	w.send(99)
	w.expect("another one", []any{len(w.events()), w.said()}, []any{2, []string{"firing ops"}})
}

// TestEngineSentence: a port that has a high alone is told to be above it, by
// the rule of the ports' own limits.
func TestEngineSentence(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	high := 80.0
	noError(t, w.catalog.PutPort(ctx, store.Port{DeviceID: "d1", Number: 1, Name: "Temperature", Unit: "°C", High: &high}))
	w.rule(func(r *store.AlertRule) { r.Condition = store.Condition{Kind: store.CondOutside} })
	w.send(83.5)
	w.expect("message", w.events()[0].Message, "d1 Temperature: 83.5 °C is above 80 °C")
	w.now += minute
	w.send(70)
	w.expect("message", w.events()[0].Message, "d1 Temperature: no longer above 80 °C, after 1m; the highest was 83.5 °C")
}
