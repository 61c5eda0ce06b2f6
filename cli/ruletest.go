package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/store"
)

// testedRule is what a test answers, all of it.
type testedRule struct {
	Ports    int                  `json:"ports"`
	Readings int                  `json:"readings"`
	Episodes []client.PastEpisode `json:"episodes"`
	LeftOut  int                  `json:"leftOut"`
	Lasted   float64              `json:"lastedSeconds"`
	// Before is what the rule would have done without the flags that change it.
	Before *client.AlertTestedAs `json:"before,omitempty"`
}

func (p *program) ruleTest() *cobra.Command {
	var id, org string
	var e ruleEdit
	var from, to moment
	c := verb("test", "Show what a rule would have done with the readings that are stored", func(ctx context.Context, _ []string) error {
		t, cl, err := p.test(ctx, &e, id, org)
		if err != nil {
			return err
		}
		t.From, t.To = store.Time(from.UnixMilli()), store.Time(to.UnixMilli())
		if t.From >= t.To {
			return usage("--from %s is not before --to %s", t.From, t.To)
		}
		out, err := p.runTest(ctx, cl, t)
		if err != nil {
			return err
		}
		return p.showTest(out)
	})
	c.Long = "Show what a rule would have done with the readings that are stored, as if each had come at its time. Nobody is told anything, and nothing is kept.\n\n" +
		"Give the flags of `tidegate rule add`, or --id for a rule that is there. --id with flags that change it shows both: as it would be, and as it is."
	c.Example = "  tidegate rule test --device d1 --port 1 --above 80 --for 5m --from -30d --to now\n" +
		"  tidegate rule test --id hot --above 85 --from -7d --to now"
	c.Flags().StringVar(&id, "id", "", "a rule that is there, by id or name")
	c.Flags().StringVar(&org, "org", "", "organization whose ports it watches (default: the device's)")
	c.Flags().Var(&from, "from", "first time, inclusive: RFC 3339, -30d, or now")
	c.Flags().Var(&to, "to", "last time, exclusive")
	e.f = addRuleFlags(c)
	required(c, "from", "to")
	return c
}

// test answers the question that the flags ask, without its range.
func (p *program) test(ctx context.Context, e *ruleEdit, id, org string) (t client.AlertTest, cl *client.Client, err error) {
	if id == "" {
		if org == "" {
			if org, err = p.orgOfDevices(ctx, e.f.devices); err != nil {
				return t, nil, err
			}
		}
		if e.f.name == "" {
			e.f.name = "test"
		}
		n, cl, err := p.newRule(ctx, e.f, org)
		t.Rule = &n
		return t, cl, err
	}
	if cl, err = p.connect(); err != nil {
		return t, nil, err
	}
	was, err := rules(cl, org).find(ctx, id)
	if err != nil {
		return t, nil, err
	}
	t.RuleID = was.ID
	if !e.asked() {
		return t, cl, nil
	}
	ch, err := e.change(ctx, cl, was)
	t.Change = &ch
	return t, cl, err
}

// orgOfDevices answers whose the devices are.
func (p *program) orgOfDevices(ctx context.Context, ids []string) (string, error) {
	if len(ids) == 0 {
		return "", usage("--org, --device or --id is needed: whose ports are to be tested?")
	}
	cl, err := p.connect()
	if err != nil {
		return "", err
	}
	d, err := cl.Device(ctx, ids[0])
	return d.OrgID, err
}

// runTest asks until all ports were tested.
func (p *program) runTest(ctx context.Context, cl *client.Client, t client.AlertTest) (testedRule, error) {
	out := testedRule{Episodes: []client.PastEpisode{}}
	var g *progress
	defer func() {
		if g != nil {
			g.done()
		}
	}()
	for tested := 0; ; {
		part, err := cl.TestAlertRule(ctx, t)
		if err != nil {
			return out, err
		}
		tested += part.Tested
		out.Ports = part.Ports
		out.Readings += part.Readings
		out.Episodes = append(out.Episodes, part.Episodes...)
		out.LeftOut += part.LeftOut
		out.Lasted += part.Lasted
		if b := part.Before; b != nil {
			if out.Before == nil {
				out.Before = &client.AlertTestedAs{Episodes: []client.PastEpisode{}}
			}
			out.Before.Episodes = append(out.Before.Episodes, b.Episodes...)
			out.Before.LeftOut += b.LeftOut
			out.Before.Lasted += b.Lasted
		}
		if t.Cursor = part.NextCursor; t.Cursor == "" {
			return out, nil
		}
		if g == nil {
			g = p.newProgress(int64(part.Ports))
		}
		g.set(int64(tested), fmt.Sprintf("%d of %d ports, %d readings, %d episodes", tested, part.Ports, out.Readings, len(out.Episodes)))
	}
}

func (p *program) showTest(out testedRule) error {
	if p.output == "json" {
		return p.object(out)
	}
	l := newLister(p,
		col("rule", func(e testedEpisode) any { return e.of }),
		col("deviceId", func(e testedEpisode) any { return e.DeviceID }),
		col("portNumber", func(e testedEpisode) any { return e.PortNumber }),
		col("start", func(e testedEpisode) any { return e.Start }),
		col("end", func(e testedEpisode) any {
			if e.End == nil {
				return ""
			}
			return *e.End
		}),
		col("worst", func(e testedEpisode) any {
			if e.Worst == nil {
				return ""
			}
			return *e.Worst
		}))
	show := func(of string, list []client.PastEpisode) error {
		for _, e := range list {
			if err := l.item(testedEpisode{of, e}); err != nil {
				return err
			}
		}
		return nil
	}
	name := "tested"
	if out.Before != nil {
		name = "changed"
		if err := show("as it is", out.Before.Episodes); err != nil {
			return err
		}
	}
	if err := show(name, out.Episodes); err != nil {
		return err
	}
	if err := l.end(""); err != nil {
		return err
	}
	lasted := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)).Round(time.Second) }
	say := fmt.Sprintf("%s at %s, %s together, in %s", counted(len(out.Episodes)+out.LeftOut, "episode"), counted(out.Ports, "port"), lasted(out.Lasted), counted(out.Readings, "reading"))
	if b := out.Before; b != nil {
		say += fmt.Sprintf("; as it is: %s, %s", counted(len(b.Episodes)+b.LeftOut, "episode"), lasted(b.Lasted))
	}
	if out.LeftOut > 0 {
		say += fmt.Sprintf("; %d of a port with more than 500 are not shown", out.LeftOut)
	}
	p.warn("%s", say)
	return nil
}

type testedEpisode struct {
	of string
	client.PastEpisode
}

// counted answers a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
