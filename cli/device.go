package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tidegate/api/client"
)

func (p *program) deviceNoun() *cobra.Command {
	return noun("device", "Devices that publish readings",
		p.deviceAdd(), p.deviceLs(), p.deviceGet(), p.deviceSet(), p.deviceRm(), p.deviceRetire(), p.deviceLifecycle(), p.deviceImport())
}

func deviceFields(d client.Device) []field {
	f := []field{
		{"id", d.ID},
		{"orgId", d.OrgID},
		{"serialNumber", d.SerialNumber},
		{"name", d.Name},
		{"state", d.State},
		{"online", d.Online},
		{"lastSeen", d.LastSeen},
		{"acceptPast", d.AcceptPast},
		{"acceptAhead", d.AcceptAhead},
		{"assumeZone", d.AssumeZone},
		{"tags", d.Tags},
		{"createdAt", d.CreatedAt},
	}
	if len(d.Ports) > 0 {
		f = append(f, field{"ports", describePorts(d.Ports)})
	}
	if d.Secret != "" {
		f = append(f, field{"secret", d.Secret})
	}
	return f
}

// describePorts shows ports in one line: 1 Voltage [V], 2.
func describePorts(ports []client.Port) string {
	var out []string
	for _, port := range ports {
		s := strconv.Itoa(int(port.Number))
		if port.Name != "" {
			s += " " + port.Name
		}
		if port.Unit != "" {
			s += " [" + port.Unit + "]"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// showDevice prints d, and says of a new secret that it is shown once.
func (p *program) showDevice(d client.Device) error {
	if err := p.object(d, deviceFields(d)...); err != nil {
		return err
	}
	if d.Secret != "" {
		p.warn("the secret is shown this once: it is stored as a hash")
	}
	return nil
}

// parsePorts reads how many ports, or their names separated by ";".
func parsePorts(text string) (count int, names []string, err error) {
	if text == "" {
		return 0, nil, nil
	}
	if n, err := strconv.Atoi(text); err == nil {
		if n < 0 || n > 65535 {
			return 0, nil, usage("--ports %d: 0 to 65535 ports", n)
		}
		return n, nil, nil
	}
	for name := range strings.SplitSeq(text, ";") {
		if name = strings.TrimSpace(name); name == "" {
			return 0, nil, usage("--ports %q: a name is empty; write how many, or names separated by ;", text)
		}
		names = append(names, name)
	}
	return 0, names, nil
}

func (p *program) deviceAdd() *cobra.Command {
	var d client.NewDevice
	var ports string
	var secret *secretFlag
	c := verb("add", "Make a device; its secret is made and shown once when none is given", func(ctx context.Context, _ []string) error {
		var err error
		if d.PortCount, d.PortNames, err = parsePorts(ports); err != nil {
			return err
		}
		if d.ID == "" && d.SerialNumber == "" {
			return usage("give --id, or --serial: the id defaults to it")
		}
		if d.Secret, err = secret.read(p); err != nil {
			return err
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		out, err := cl.CreateDevice(ctx, d)
		if err != nil {
			return err
		}
		return p.showDevice(out)
	})
	c.Example = "  tidegate device add --org acme --id d1 --serial SN1 --ports 4\n" +
		"  tidegate device add --org acme --serial SN2 --ports 'Voltage;Current' --secret-stdin < secret.txt"
	c.Flags().StringVar(&d.OrgID, "org", "", "organization that owns it, for good")
	c.Flags().StringVar(&d.ID, "id", "", "id (default: the serial number)")
	c.Flags().StringVar(&d.SerialNumber, "serial", "", "serial number of the hardware; also a user name")
	c.Flags().StringVar(&d.Name, "name", "", "name")
	secret = addSecret(c, "secret", "the device's password; better --secret-stdin")
	c.Flags().StringVar(&ports, "ports", "", "how many, numbered from 1, or names separated by ;")
	c.Flags().StringVar(&d.AcceptPast, "accept-past", "", "how old readings may be (default 30d)")
	c.Flags().StringVar(&d.AcceptAhead, "accept-ahead", "", "how far ahead of the clock (default 5m)")
	c.Flags().StringVar(&d.AssumeZone, "assume-zone", "", "zone of times that carry none, such as Europe/Berlin")
	c.Flags().StringArrayVar(&d.Tags, "tag", nil, "tag, for alert rules to choose devices by; may be repeated")
	required(c, "org")
	return c
}

func (p *program) deviceLs() *cobra.Command {
	q := client.DeviceQuery{Ports: true}
	c := verb("ls", "List devices", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		l := newLister(p,
			col("id", func(d client.Device) any { return d.ID }),
			col("orgId", func(d client.Device) any { return d.OrgID }),
			col("serialNumber", func(d client.Device) any { return d.SerialNumber }),
			col("name", func(d client.Device) any { return d.Name }),
			col("state", func(d client.Device) any { return d.State }),
			col("online", func(d client.Device) any { return d.Online }),
			col("lastSeen", func(d client.Device) any { return d.LastSeen }),
			col("tags", func(d client.Device) any { return d.Tags }),
			col("ports", func(d client.Device) any { return len(d.Ports) }))
		list := func(ctx context.Context, page client.Page) (client.List[client.Device], error) {
			q.Page = page
			return cl.Devices(ctx, q)
		}
		if err := client.All(ctx, list, l.item); err != nil {
			return err
		}
		return l.end("")
	})
	c.Flags().StringVar(&q.OrgID, "org", "", "of this organization alone")
	c.Flags().StringArrayVar(&q.Tags, "tag", nil, "that carry this tag; may be repeated: all of them")
	c.Flags().BoolVar(&q.IncludeDeleted, "deleted", false, "deleted ones too")
	return c
}

func (p *program) deviceGet() *cobra.Command {
	var id string
	c := verb("get", "Show a device with its ports", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		d, err := cl.Device(ctx, id)
		if err != nil {
			return err
		}
		return p.object(d, deviceFields(d)...)
	})
	subject(c, &id, "id", "the device")
	return c
}

func (p *program) deviceSet() *cobra.Command {
	var id, name, serial, past, ahead, zone string
	var tags []string
	var rotate, noTags bool
	var secret *secretFlag
	var c *cobra.Command
	c = verb("set", "Change a device; --serial swaps the hardware and keeps the history", func(ctx context.Context, _ []string) error {
		ch := client.DeviceChange{RotateSecret: rotate}
		set := rotate || secret.given()
		for flag, to := range map[string]struct {
			field **string
			value *string
		}{
			"name": {&ch.Name, &name}, "serial": {&ch.SerialNumber, &serial}, "accept-past": {&ch.AcceptPast, &past},
			"accept-ahead": {&ch.AcceptAhead, &ahead}, "assume-zone": {&ch.AssumeZone, &zone},
		} {
			if c.Flags().Changed(flag) {
				*to.field, set = to.value, true
			}
		}
		if noTags || c.Flags().Changed("tag") {
			ch.Tags, set = append([]string{}, tags...), true
		}
		if !set {
			return usage("nothing to change: give --name, --serial, --secret-stdin, --rotate-secret, --accept-past, --accept-ahead, --assume-zone, --tag or --no-tags")
		}
		var err error
		if ch.Secret, err = secret.read(p); err != nil {
			return err
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		d, err := cl.UpdateDevice(ctx, id, ch)
		if err != nil {
			return err
		}
		return p.showDevice(d)
	})
	subject(c, &id, "id", "the device")
	c.Flags().StringVar(&name, "name", "", "name")
	c.Flags().StringVar(&serial, "serial", "", "serial number of the new hardware")
	secret = addSecret(c, "secret", "new secret, an empty one ends its logins; better --secret-stdin")
	c.Flags().BoolVar(&rotate, "rotate-secret", false, "make a new secret and show it once")
	c.Flags().StringVar(&past, "accept-past", "", `how old readings may be, such as 90d; "default" is 30d`)
	c.Flags().StringVar(&ahead, "accept-ahead", "", `how far ahead of the clock; "default" is 5m`)
	c.Flags().StringVar(&zone, "assume-zone", "", "zone of times that carry none; empty: they are refused")
	c.Flags().StringArrayVar(&tags, "tag", nil, "in place of the tags; may be repeated")
	c.Flags().BoolVar(&noTags, "no-tags", false, "take the tags away")
	c.MarkFlagsMutuallyExclusive("tag", "no-tags")
	c.MarkFlagsMutuallyExclusive("rotate-secret", "secret")
	c.MarkFlagsMutuallyExclusive("rotate-secret", "secret-stdin")
	return c
}

func (p *program) deviceRetire() *cobra.Command {
	var id string
	c := verb("retire", "End a device's logins, keep its history, free its serial number", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		d, err := cl.RetireDevice(ctx, id)
		if err != nil {
			return err
		}
		return p.object(d, deviceFields(d)...)
	})
	subject(c, &id, "id", "the device")
	return c
}

func (p *program) deviceRm() *cobra.Command {
	var id string
	c := verb("rm", "Delete a device with its readings; its id stays reserved", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		if err := cl.DeleteDevice(ctx, id); err != nil {
			return err
		}
		return p.deleted(id)
	})
	subject(c, &id, "id", "the device")
	return c
}

func (p *program) deviceImport() *cobra.Command {
	var dryRun bool
	c := verb("import FILE.csv", "Make many devices from CSV: id,org,serial,secret,ports,tags", func(ctx context.Context, args []string) error {
		in, err := p.openInput(args[0])
		if err != nil {
			return err
		}
		defer in.Close()
		cl, err := p.connect()
		if err != nil {
			return err
		}
		out, err := cl.ImportDevices(ctx, in, dryRun)
		if err != nil {
			return err
		}
		if p.output == "json" {
			err = p.object(out)
		} else {
			l := newLister(p,
				col("line", func(r client.DeviceImportRow) any { return r.Line }),
				col("id", func(r client.DeviceImportRow) any { return r.ID }),
				col("created", func(r client.DeviceImportRow) any { return r.Created }),
				col("secret", func(r client.DeviceImportRow) any { return r.Secret }),
				col("error", func(r client.DeviceImportRow) any { return r.Error }))
			err = l.all(out.Items)
		}
		if err == nil && out.Failed > 0 && dryRun {
			return fmt.Errorf("%d of %d devices would not be made", out.Failed, out.Failed+out.Created)
		}
		if err == nil && out.Failed > 0 {
			return fmt.Errorf("%d of %d devices were not made; the others were", out.Failed, out.Failed+out.Created)
		}
		return err
	})
	c.Long = c.Short + ".\nports is how many, numbered from 1, or names separated by ;, as tags are. An empty secret is made, and shown in the answer."
	c.Args = oneFile
	c.Flags().BoolVar(&dryRun, "dry-run", false, "say what would become of each row, and change nothing")
	return c
}
