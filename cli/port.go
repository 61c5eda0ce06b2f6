package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tidegate/api/client"
)

func (p *program) portNoun() *cobra.Command {
	return noun("port", "Ports: the quantities that a device measures", p.portLs(), p.portGet(), p.portSet(), p.portRm())
}

// portFlags are the two that name a port. --port is --number and the other way
// round, since both are what a hand types.
func portFlags(c *cobra.Command, device *string, number *uint16) {
	c.Flags().StringVar(device, "device", "", "device")
	c.Flags().Uint16Var(number, "number", 0, "port number, 0 to 65535")
	c.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "port" {
			name = "number"
		}
		return pflag.NormalizedName(name)
	})
	required(c, "device", "number")
}

func portFields(o client.Port) []field {
	return []field{
		{"deviceId", o.DeviceID},
		{"number", o.Number},
		{"name", o.Name},
		{"unit", o.Unit},
		{"scaling", o.Scaling},
		{"offset", o.Offset},
		{"calibrations", len(o.Calibrations)},
		{"validMin", o.ValidMin},
		{"validMax", o.ValidMax},
		{"low", o.Low},
		{"high", o.High},
		{"createdAt", o.CreatedAt},
	}
}

func (p *program) portLs() *cobra.Command {
	var device string
	c := verb("ls", "List the ports of a device", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		ports, err := cl.Ports(ctx, device)
		if err != nil {
			return err
		}
		l := newLister(p,
			col("number", func(o client.Port) any { return o.Number }),
			col("name", func(o client.Port) any { return o.Name }),
			col("unit", func(o client.Port) any { return o.Unit }),
			col("scaling", func(o client.Port) any { return o.Scaling }),
			col("offset", func(o client.Port) any { return o.Offset }),
			col("validMin", func(o client.Port) any { return o.ValidMin }),
			col("validMax", func(o client.Port) any { return o.ValidMax }),
			col("low", func(o client.Port) any { return o.Low }),
			col("high", func(o client.Port) any { return o.High }))
		return l.all(ports.Items)
	})
	subject(c, &device, "device", "the device")
	return c
}

func (p *program) portGet() *cobra.Command {
	var device string
	var number uint16
	c := verb("get", "Show a port", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		o, err := cl.Port(ctx, device, number)
		if err != nil {
			return err
		}
		return p.object(o, portFields(o)...)
	})
	portFlags(c, &device, &number)
	return c
}

func (p *program) portSet() *cobra.Command {
	var device, name, unit string
	var number uint16
	var scaling, offset, validMin, validMax, low, high float64
	var clear []string
	var from moment
	var c *cobra.Command
	c = verb("set", "Make or change a port", func(ctx context.Context, _ []string) error {
		ch := client.PortChange{Clear: clear}
		for flag, to := range map[string]struct{ field, value any }{
			"name": {&ch.Name, &name}, "unit": {&ch.Unit, &unit}, "scaling": {&ch.Scaling, &scaling}, "offset": {&ch.Offset, &offset},
			"valid-min": {&ch.ValidMin, &validMin}, "valid-max": {&ch.ValidMax, &validMax}, "low": {&ch.Low, &low}, "high": {&ch.High, &high},
		} {
			if !c.Flags().Changed(flag) {
				continue
			}
			switch f := to.field.(type) {
			case **string:
				*f = to.value.(*string)
			case **float64:
				*f = to.value.(*float64)
			}
		}
		for i, limit := range ch.Clear {
			switch strings.ToLower(strings.ReplaceAll(limit, "-", "")) {
			case "validmin":
				ch.Clear[i] = "validMin"
			case "validmax":
				ch.Clear[i] = "validMax"
			case "low", "high":
				ch.Clear[i] = strings.ToLower(limit)
			default:
				return usage("--clear %s: use valid-min, valid-max, low or high", limit)
			}
		}
		ch.EffectiveFrom = from.ms()
		cl, err := p.connect()
		if err != nil {
			return err
		}
		o, err := cl.SetPort(ctx, device, number, ch)
		if err != nil {
			return err
		}
		return p.object(o, portFields(o)...)
	})
	c.Long = "Make a port, or change what is given of it.\n\n" +
		"calibrated = raw * scaling + offset. A port without readings takes a changed scaling or offset for all time;\n" +
		"one with readings takes it from now on, or from --effective-from."
	c.Example = "  tidegate port set --device d1 --number 1 --name Voltage --unit V --scaling 2 --offset 1"
	portFlags(c, &device, &number)
	c.Flags().StringVar(&name, "name", "", "name, unique within the device; devices may publish by it")
	c.Flags().StringVar(&unit, "unit", "", "unit, such as V")
	c.Flags().Float64Var(&scaling, "scaling", 1, "factor from raw to calibrated")
	c.Flags().Float64Var(&offset, "offset", 0, "added after the factor")
	c.Flags().Float64Var(&validMin, "valid-min", 0, "calibrated values below are flagged out_of_range")
	c.Flags().Float64Var(&validMax, "valid-max", 0, "calibrated values above are flagged out_of_range")
	c.Flags().Float64Var(&low, "low", 0, "default alarm below")
	c.Flags().Float64Var(&high, "high", 0, "default alarm above")
	c.Flags().StringSliceVar(&clear, "clear", nil, "take limits away: valid-min,valid-max,low,high")
	c.Flags().Var(&from, "effective-from", "when a changed scaling or offset begins (default now)")
	return c
}

func (p *program) portRm() *cobra.Command {
	var device string
	var number uint16
	c := verb("rm", "Take a port away; its readings are not answered any more", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		if err := cl.DeletePort(ctx, device, number); err != nil {
			return err
		}
		return p.object(map[string]any{"deviceId": device, "number": number, "deleted": true}, field{"deleted", device}, field{"number", number})
	})
	portFlags(c, &device, &number)
	return c
}
