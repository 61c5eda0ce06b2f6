package cli

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"tidegate/cli/gateway"
)

func (p *program) initVerb() *cobra.Command {
	var o gateway.InitOptions
	var password *secretFlag
	c := verb("init", "Make a data folder with its first user; works without a server", func(ctx context.Context, _ []string) error {
		var err error
		if o.AdminEmail == "" {
			if o.AdminEmail, err = p.ask("Email address of the administrator", "admin-email", false); err != nil {
				return err
			}
		}
		text, err := password.read(p)
		if err != nil {
			return err
		}
		if text == nil {
			asked, err := p.askTwice()
			if err != nil {
				return err
			}
			text = &asked
		}
		if o.Config, _, err = p.settings("", nil); err != nil { // serve shows the warnings
			return err
		}
		o.Dir, o.AdminPassword = p.dir, *text
		r, err := gateway.Init(ctx, o)
		if err != nil {
			return err
		}
		return p.showInit(r)
	})
	c.Example = "  tidegate init --admin-email ann@example.org --sample"
	c.Flags().StringVar(&o.AdminEmail, "admin-email", "", "address that the administrator logs in with (asked when absent)")
	password = addSecret(c, "admin-password", "password; better --admin-password-stdin (asked when absent)")
	c.Flags().BoolVar(&o.Sample, "sample", false, "also make an organization, a device and its ports to try")
	return c
}

func (p *program) askTwice() (string, error) {
	first, err := p.ask("Password", "admin-password-stdin", true)
	if err != nil {
		return "", err
	}
	second, err := p.ask("Once more", "admin-password-stdin", true)
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two passwords differ")
	}
	return first, nil
}

func (p *program) showInit(r gateway.InitResult) error {
	f := []field{{"data", r.Dir}, {"admin", r.AdminEmail}}
	if r.DeviceID != "" {
		f = append(f, field{"organization", r.OrgID}, field{"device", r.DeviceID}, field{"secret", r.Secret})
	}
	if err := p.object(r, f...); err != nil {
		return err
	}
	if r.DeviceID != "" {
		p.warn("the secret is shown this once: it is stored as a hash. Start the server, and publish as the device:\n  tidegate serve --data %s\n  %s",
			p.dir, publishLine("127.0.0.1:1883", "", r.DeviceID, r.Secret, r.Topic))
	} else {
		p.warn("start the server: tidegate serve --data %s", p.dir)
	}
	return nil
}

// publishLine is a line to copy: one reading of port 1, acked; with a CA over TLS.
func publishLine(mqtt, ca, device, secret, topic string) string {
	host, port, err := net.SplitHostPort(mqtt)
	if err != nil {
		host, port = mqtt, "1883"
	}
	if ca != "" {
		port += " --cafile " + ca
	}
	return fmt.Sprintf(`mosquitto_pub -q 1 -h %s -p %s -u %s -P %s -t %s -m '{"readings":[{"port":1,"value":230.5}]}'`, host, port, device, secret, topic)
}
