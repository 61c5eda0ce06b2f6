package gateway

import (
	"context"
	"fmt"
	"time"

	"tidegate/api"
)

// probePatience is how long a database may take to answer; what is asked after
// it needs its time too.
const probePatience = 4 * time.Second

// doctor looks at a folder that is served, without walking its files: that may
// take long, and is for a Doctor while no server has them.
func (g *gateway) doctor(ctx context.Context) ([]api.Check, error) {
	d := &doctor{o: DoctorOptions{Dir: g.o.Dir, Config: g.o.Config, BuildDate: g.o.BuildDate}}
	if err := g.ready(); err != nil {
		d.add("server", "failed", err.Error())
	} else {
		d.add("server", "ok", fmt.Sprintf("version %s serves %s since %s", g.o.Version, g.o.Dir, g.began.UTC().Format(time.RFC3339)))
	}
	d.clock()
	d.disk()
	for _, door := range [][2]string{{"http.listen", g.addrs.HTTP}, {"mqtt.listen", g.addrs.MQTT}, {"http.tls_listen", g.addrs.HTTPS}, {"mqtt.tls_listen", g.addrs.MQTTS}} {
		if door[1] != "" {
			d.add(door[0], "ok", "this server listens on "+door[1])
		}
	}
	d.certificate()
	if r := g.files.remote; r != nil {
		patient, cancel := context.WithTimeout(ctx, probePatience)
		d.probe(patient, r.db)
		cancel()
	}
	d.add("files", "ok", "this server has them open; `tidegate audit verify` walks the audit trail now, and `tidegate doctor` all of them while it is stopped")
	g.doctorLog(d)
	if err := g.doctorAlarms(ctx, d); err != nil {
		return nil, err
	}
	d.add("sessions", "ok", fmt.Sprintf("%d logins are open; they are in no backup", g.files.sessions.Count(time.Now())))
	d.refused(ctx, g.files)
	for _, w := range g.o.Warnings {
		d.add("configuration", "warning", w)
	}
	out := make([]api.Check, len(d.checks))
	for i, c := range d.checks {
		out[i] = api.Check(c)
	}
	return out, nil
}

// doctorLog looks at the way from the log into the store.
func (g *gateway) doctorLog(d *doctor) {
	drain, depth := g.flow.Drain(), g.buf.Depth()
	if g.buf.Full() {
		d.add("log", "failed", "it is full: acks are withheld, and devices hold their messages. Free disk space, or see why the store does not take readings")
	} else {
		d.add("log", "ok", fmt.Sprintf("%d messages wait for the store; %d of %d MiB are used", drain.Depth, depth.Bytes>>20, g.o.Config.Log.MaxSize>>20))
	}
	_, head := g.buf.Bounds()
	switch trouble := g.flow.Trouble(); {
	case trouble == "":
		d.add("readings", "ok", fmt.Sprintf("applied the log up to %d of %d", g.flow.Cursor(), head))
	case g.files.remote != nil:
		d.add("readings", "warning", "the database does not take them, and they wait in the log: "+trouble)
	default:
		d.add("readings", "failed", "the store does not take them, and they wait in the log: "+trouble)
	}
}

func (g *gateway) doctorAlarms(ctx context.Context, d *doctor) error {
	n, err := g.alarmsNow(ctx)
	if err != nil {
		return err
	}
	d.add("alarms", "ok", fmt.Sprintf("%d go on; %d notifications wait", n.Info+n.Warning+n.Critical, n.Queued))
	return nil
}

// settings answers the configuration for the API.
func (g *gateway) settings() []api.Setting {
	out := make([]api.Setting, 0, len(g.o.Settings))
	for _, s := range g.o.Settings {
		out = append(out, api.Setting{Key: s.Key, Value: s.Value, Default: s.Default, Source: string(s.Source), Origin: s.Origin, Secret: s.Secret})
	}
	return out
}
