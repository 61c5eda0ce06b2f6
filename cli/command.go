package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/cli/config"
	"tidegate/store"
)

func (p *program) commandNoun() *cobra.Command {
	return noun("command", "Commands: what devices are told to do over MQTT, and what became of it",
		p.commandSend(), p.commandLs(), p.commandGet(), p.commandRm())
}

func commandFields(c client.Command) []field {
	return []field{
		{"id", c.ID},
		{"orgId", c.OrgID},
		{"deviceId", c.DeviceID},
		{"name", c.Name},
		{"params", string(c.Params)},
		{"state", c.State},
		{"createdBy", c.CreatedBy},
		{"createdAt", c.CreatedAt},
		{"expiresAt", c.ExpiresAt},
		{"sentAt", c.SentAt},
		{"sent", c.Sent},
		{"acknowledgedAt", c.AcknowledgedAt},
		{"endedAt", c.EndedAt},
		{"result", string(c.Result)},
		{"detail", c.Detail},
	}
}

func (p *program) commandSend() *cobra.Command {
	var device, params, expires string
	var n client.NewCommand
	var wait bool
	c := verb("send", "Tell a device to do something: now, or as soon as it listens", func(ctx context.Context, _ []string) error {
		if params != "" {
			if !json.Valid([]byte(params)) {
				return usage(`--params %s: is not JSON, such as '{"delay":5}'`, params)
			}
			n.Params = json.RawMessage(params)
		}
		if expires != "" {
			d, err := config.ParseDuration(expires)
			if err != nil || d < time.Second || d > store.MaxCommandWait {
				return usage("--expires %s: write 5m, 1h or 7d, from a second to 30 days", expires)
			}
			n.ExpiresIn = d.String()
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		made, err := cl.SendCommand(ctx, device, n)
		if err != nil {
			return err
		}
		if wait {
			if made, err = p.awaitCommand(ctx, cl, made); err != nil {
				return fmt.Errorf("%w; the command goes on: tidegate command get %s --device %s", err, made.ID, device)
			}
		}
		if err := p.object(made, commandFields(made)...); err != nil {
			return err
		}
		if wait && made.State != store.CommandDone {
			return fmt.Errorf("the command is not done: it %s", endOf(made))
		}
		return nil
	})
	c.Long = c.Short + ".\n\nIt is sent until the device has it or it expires: a device gets it at least once, and passes over an id that it knows."
	c.Example = "  tidegate command send --device d1 --name reboot\n" +
		"  tidegate command send --device d1 --name set-speed --params '{\"rpm\":1200}' --expires 5m --wait"
	c.Flags().StringVar(&device, "device", "", "device")
	c.Flags().StringVar(&n.Name, "name", "", "what to do, such as reboot")
	c.Flags().StringVar(&params, "params", "", "any JSON; the device gets {} without it")
	c.Flags().StringVar(&expires, "expires", "", "it is not sent any more after so long, such as 5m or 7d (default: 1h)")
	c.Flags().BoolVar(&wait, "wait", false, "until the device has answered or it expired; exit code 1 unless it is done")
	required(c, "device", "name")
	return c
}

// endOf says how a command ended.
func endOf(c client.Command) string {
	text := string(c.State)
	if c.Detail != "" {
		text += ": " + c.Detail
	}
	if c.State == store.CommandFailed && c.Result != nil {
		text += ": " + string(c.Result)
	}
	return text
}

// howFar is what is told of a command that is waited for.
var howFar = map[store.CommandState]string{
	store.CommandQueued: "it waits for the device",
	store.CommandSent:   "it is on its way to the device",
	store.CommandAcked:  "the device has it, and has not answered yet",
}

// Between two looks at a command that is waited for.
const (
	firstLook = 50 * time.Millisecond
	lastLook  = time.Second
)

// awaitCommand looks at a command until it has ended, and tells on standard error
// how far it is.
func (p *program) awaitCommand(ctx context.Context, cl *client.Client, c client.Command) (client.Command, error) {
	told := store.CommandState("")
	for wait := firstLook; c.State.Open(); wait = min(2*wait, lastLook) {
		if c.State != told {
			p.warn("%s: %s", c.State, howFar[c.State])
			told, wait = c.State, firstLook
		}
		if err := pause(ctx, wait); err != nil {
			return c, err
		}
		now, err := cl.Command(ctx, c.DeviceID, c.ID)
		if err != nil {
			return c, err
		}
		c = now
	}
	return c, nil
}

func (p *program) commandLs() *cobra.Command {
	var q client.CommandQuery
	var state, cursor string
	var limit int
	c := verb("ls", "List the commands of a device, newest first", func(ctx context.Context, _ []string) error {
		if q.State = store.CommandState(state); state != "" {
			if _, err := known("state", []string{state}, store.CommandStates()); err != nil {
				return err
			}
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		l := newLister(p,
			col("id", func(c client.Command) any { return c.ID }),
			col("name", func(c client.Command) any { return c.Name }),
			col("state", func(c client.Command) any { return c.State }),
			col("createdAt", func(c client.Command) any { return c.CreatedAt }),
			col("endedAt", func(c client.Command) any { return c.EndedAt }),
			col("sent", func(c client.Command) any { return c.Sent }),
			col("createdBy", func(c client.Command) any { return c.CreatedBy }),
			col("params", func(c client.Command) any { return p.shorten(string(c.Params)) }),
			col("result", func(c client.Command) any { return p.shorten(string(c.Result)) }),
			col("detail", func(c client.Command) any { return p.shorten(c.Detail) }))
		list := func(ctx context.Context, page client.Page) (client.List[client.Command], error) {
			q.Page = page
			return cl.Commands(ctx, q)
		}
		return listPages(ctx, l, list, cursor, limit)
	})
	c.Example = "  tidegate command ls --device d1 --state queued"
	c.Flags().StringVar(&q.DeviceID, "device", "", "device")
	c.Flags().StringVar(&state, "state", "", "queued, sent, acknowledged, done, failed or expired alone")
	c.Flags().IntVar(&limit, "limit", 100, "at most so many; 0 is all")
	c.Flags().StringVar(&cursor, "cursor", "", "go on where an earlier answer ended")
	required(c, "device")
	return c
}

// commandVerb is a verb about one command, which it shows.
func (p *program) commandVerb(use, short string, run func(cl *client.Client, ctx context.Context, device, id string) (client.Command, error)) *cobra.Command {
	var id, device string
	c := verb(use, short, func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		n, err := run(cl, ctx, device, id)
		if err != nil {
			return err
		}
		return p.object(n, commandFields(n)...)
	})
	subject(c, &id, "id", "the command's id")
	c.Flags().StringVar(&device, "device", "", "device")
	required(c, "device")
	return c
}

func (p *program) commandGet() *cobra.Command {
	return p.commandVerb("get", "Show a command, with what the device answered", (*client.Client).Command)
}

func (p *program) commandRm() *cobra.Command {
	return p.commandVerb("rm", "Withdraw a command that has not ended; a device that has it is not told", (*client.Client).WithdrawCommand)
}
