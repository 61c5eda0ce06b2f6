package gateway

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"tidegate/ingest/alert"
	"tidegate/ingest/live"
	"tidegate/ingest/notify"
	"tidegate/store"
)

// buildAlarms makes the rules' engine, which follows the log with a position of
// its own, and what tells people.
func (g *gateway) buildAlarms(ctx context.Context) error {
	after, head := g.buf.Bounds()
	if err := g.files.alerts.Bind(store.Bounds{Log: store.LogID(g.buf.ID()), After: after, Head: head}); err != nil {
		return err
	}
	var err error
	g.alarms, err = alert.New(ctx, alert.Options{
		Memory: g.files.alerts, Catalog: g.files.catalog, Devices: g.devices,
		Head:    func() uint64 { _, head := g.buf.Bounds(); return head },
		Notify:  func(n []store.Notification) { g.notify.Wake(n) },
		Changed: g.showAlarms,
		MaxAge:  g.o.Config.Alerts.MaxAge,
		Logger:  g.log, Registerer: g.reg, Now: time.Now,
	})
	if err != nil {
		return err
	}
	mail, err := g.mail()
	if err != nil {
		return err
	}
	n := g.o.Config.Notify
	if n.GroupWait == 0 {
		n.GroupWait = -1 // not at all
	}
	g.notify, err = notify.New(notify.Options{
		Queue: g.files.alerts, Channels: g.alarms, Curve: g.curve,
		Mail: mail, Allow: n.Allow.Prefixes(), GroupWait: n.GroupWait, BaseURL: n.BaseURL,
		Logger: g.log, Registerer: g.reg, Now: time.Now,
	})
	return err
}

// showAlarms tells who watches of episodes that changed.
func (g *gateway) showAlarms(changed []store.AlertEvent) {
	if !g.hub.Active() {
		return
	}
	events := make([]live.Event, 0, len(changed))
	for i := range changed {
		e := &changed[i]
		events = append(events, live.Event{Kind: live.KindAlert, OrgID: e.OrgID, DeviceID: e.DeviceID, Alert: e})
	}
	g.hub.Publish(events)
}

// mail answers the mail server.
func (g *gateway) mail() (notify.Mail, error) {
	c := g.o.Config.SMTP
	m := notify.Mail{Host: c.Host, Port: c.Port, User: c.User, Password: c.Password.Reveal(), From: c.From, TLS: notify.MailTLS(c.TLS)}
	if c.PasswordFile == "" {
		return m, nil
	}
	path := c.PasswordFile
	if !filepath.IsAbs(path) {
		path = filepath.Join(g.o.Dir, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return m, fmt.Errorf("smtp.password_file: %w", err)
	}
	m.Password = strings.TrimRight(string(b), "\r\n")
	return m, nil
}

// checkMessage says what is wrong with the template of a rule's message.
func checkMessage(text string) error {
	_, err := alert.NewMessage(store.AlertRule{Message: text, Condition: store.Condition{Kind: store.CondAbove}})
	return err
}

// runAlarms lets rules follow the clock and people be told, until stop is
// called; that waits until all of it is durable.
func (g *gateway) runAlarms(ctx context.Context) (stop func() error) {
	beside, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		if err := g.alarms.Run(beside); err != nil {
			failed = fmt.Errorf("alarms: %w", err)
		}
	})
	wg.Go(func() {
		if err := g.notify.Run(beside); err != nil {
			g.log.Error("nobody is told of alarms", "error", err)
		}
	})
	return func() error {
		cancel()
		wg.Wait()
		return failed
	}
}
