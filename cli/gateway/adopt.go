package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"tidegate/ingest/buffer"
	"tidegate/store"
	"tidegate/store/embedded"
)

// adoption lets the files of a folder follow the log that is there now: the way
// out when the one that they followed is lost.
//
// The ledger adds up afterwards. Whatever the files have counted, each reading
// once as stored, duplicate or rejected, was received: the log that is there
// counts it as received too, by device and hour. Then the files begin at the
// log's beginning. What the lost log held and the files had not made durable is
// lost with it; it is in none of the counts.
//
// A crash at any point leaves a folder whose start is refused, and whose
// adoption can be repeated: counting again answers the same, and a file that
// follows the log already stays as it is. Repeated when all is done, it changes
// nothing.
type adoption struct {
	log    *buffer.Log
	files  *files
	read   readings
	bounds store.Bounds
	strays int // files that cannot go on with the log; alerts.db is not counted among them
	// alerts says that alerts.db cannot. It counts no reading, and so can follow
	// another log by itself.
	alerts bool
}

// planAdoption looks where the files stand. It refuses a log whose records are
// in some files' counts already, and not in others: nobody could say how often
// each was counted.
func planAdoption(log *buffer.Log, f *files, r readings, path string) (*adoption, error) {
	after, head := log.Bounds()
	a := &adoption{log: log, files: f, read: r, bounds: store.Bounds{Log: store.LogID(log.ID()), After: after, Head: head}}
	const away = "move it away and run this again: a new log takes its place. What it holds and the files do not is lost with it"
	older := func(st embedded.Standing) error {
		return store.Conflict("log", path, "it is an older copy: it ends at %d, and %s has applied it up to %d. Put the newer one back, or %s", head, st.File, st.Applied, away)
	}
	counted := ""
	for _, st := range append(r.Standings(), f.state.Standings()...) {
		switch {
		case st.Follows(a.bounds):
			if st.Applied > after {
				counted = st.File
			}
		case st.Log == a.bounds.Log && st.Applied > head:
			return nil, older(st)
		case st.Log == (store.LogID{}) && (after == 0 || st.Part): // it takes any log that is whole
		default:
			a.strays++
		}
	}
	for _, st := range f.alerts.Standings() {
		if st.Log == a.bounds.Log && st.Applied > head {
			return nil, older(st)
		}
		a.alerts = st.Log != (store.LogID{}) && !st.Follows(a.bounds)
	}
	if a.strays > 0 && counted != "" {
		return nil, store.Conflict("log", path, "some of what it holds is counted in %s already, but not in every file. Restore a backup, or %s", counted, away)
	}
	return a, nil
}

// adoptionStep is made durable before the next one begins.
type adoptionStep struct {
	name string
	do   func(context.Context) error
}

func (a *adoption) steps() []adoptionStep {
	steps := []adoptionStep{{"write it into the audit trail", a.record}}
	if a.strays > 0 {
		steps = append(
			steps,
			adoptionStep{"count what was received", a.recount},
			adoptionStep{"readings", func(context.Context) error { return a.read.Adopt(a.bounds) }},
			adoptionStep{"state", func(context.Context) error { return a.files.state.Adopt(a.bounds) }},
		)
	}
	return append(steps, adoptionStep{"alarms", func(context.Context) error { return a.files.alerts.Adopt(a.bounds) }})
}

// carried is how many readings the files have counted.
func (a *adoption) carried(ctx context.Context) (n uint64, err error) {
	err = a.counted(ctx, func(_ int64, owners map[uint32]int64) error {
		for _, c := range owners {
			n += uint64(c)
		}
		return nil
	})
	return n, err
}

func (a *adoption) record(ctx context.Context) error {
	n, err := a.carried(ctx)
	if err != nil {
		return err
	}
	what, err := json.Marshal(map[string]any{"received": n, "position": a.bounds.After})
	if err != nil {
		return err
	}
	_, err = a.files.audit.Record(ctx, store.AuditEntry{
		At: now(), Actor: "uid:" + strconv.Itoa(os.Getuid()), Action: "log.adopt", Noun: "log", ID: a.bounds.Log.String(), After: what,
	})
	return err
}

// hoursAtOnce bounds what is counted in memory: a week of every device.
const hoursAtOnce = 7 * 24

func (a *adoption) recount(ctx context.Context) error {
	return a.log.Recount(func(put func(int64, map[uint32]int64) error) error { return a.counted(ctx, put) })
}

// counted calls put with what the files have counted in each hour.
func (a *adoption) counted(ctx context.Context, put func(int64, map[uint32]int64) error) error {
	first, last, err := a.read.CountedHours()
	if err != nil {
		return err
	}
	f, l, err := a.files.state.CountedHours()
	if err != nil {
		return err
	}
	first, last = min(first, f), max(last, l)
	width := int64(hoursAtOnce)
	for from := first; from <= last; {
		to := min(from+width, last+1)
		counted := store.HourCounts{}
		if err := a.read.CarryHours(ctx, from, to, counted); err != nil {
			return err
		}
		if err := a.files.state.RejectedHours(ctx, from, to, counted); err != nil {
			return err
		}
		for hour, owners := range counted {
			if err := put(hour, owners); err != nil {
				return err
			}
		}
		if len(counted) > 0 {
			width = hoursAtOnce
		} else { // years that a wrong clock skipped
			width *= 2
		}
		from = to
	}
	return nil
}

// adopt lets the files follow the log that is there, and says what that means.
func (d *doctor) adopt(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("adopt the log: %w", err)
		}
	}()
	remade, err := embedded.MakeIndex(d.o.Dir, time.Now())
	if err != nil {
		return err
	}
	log, err := d.openLog()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	f, r, err := d.openForDoctor(Options{Dir: d.o.Dir, Config: d.o.Config, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	a, err := planAdoption(log, f, r, d.logPath())
	if err != nil {
		return err
	}
	if remade {
		d.add("adopt-log", "warning", "series-index.db is made again: readings of months that retention dropped are counted no longer")
	}
	if a.strays == 0 && !a.alerts {
		d.add("adopt-log", "ok", "the files follow log "+a.bounds.Log.String()+" already; nothing was changed")
		return nil
	}
	carried, err := a.carried(ctx)
	if err != nil {
		return err
	}
	for _, step := range a.steps() {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w; run it again", step.name, err)
		}
	}
	if a.strays == 0 {
		d.add("adopt-log", "ok", fmt.Sprintf("alerts.db follows log %s now, from its beginning: what it has not seen of the log before raises no alarm. The other files did already", a.bounds.Log))
		return nil
	}
	d.add("adopt-log", "ok", fmt.Sprintf("the files follow log %s now, and the %d readings that they have counted count as received in it. "+
		"What the old log held and the files did not is lost; how much that was, nobody can say", a.bounds.Log, carried))
	return nil
}
