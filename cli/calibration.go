package cli

import (
	"context"

	"github.com/spf13/cobra"

	"tidegate/api/client"
)

func (p *program) calibrationNoun() *cobra.Command {
	return noun("calibration", "Calibrations of a port: what maps raw values to calibrated ones", p.calibrationLs(), p.calibrationAdd())
}

func (p *program) calibrationLs() *cobra.Command {
	var device string
	var number uint16
	c := verb("ls", "List the calibrations of a port in order of entry", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		list, err := cl.Calibrations(ctx, device, number)
		if err != nil {
			return err
		}
		l := newLister(p,
			col("number", func(c client.Calibration) any { return c.Number }),
			col("scaling", func(c client.Calibration) any { return c.Scaling }),
			col("offset", func(c client.Calibration) any { return c.Offset }),
			col("effectiveFrom", func(c client.Calibration) any { return since(c) }),
			col("createdAt", func(c client.Calibration) any { return c.CreatedAt }))
		return l.all(list.Items)
	})
	portFlags(c, &device, &number)
	return c
}

// since shows from when a calibration is in force.
func since(c client.Calibration) any {
	if c.EffectiveFrom == nil {
		return "since ever"
	}
	return c.EffectiveFrom
}

func (p *program) calibrationAdd() *cobra.Command {
	var device string
	var number uint16
	var n client.NewCalibration
	var from moment
	c := verb("add", "Enter a calibration, also one with an earlier date", func(ctx context.Context, _ []string) error {
		n.EffectiveFrom = from.Time
		cl, err := p.connect()
		if err != nil {
			return err
		}
		out, err := cl.AddCalibration(ctx, device, number, n)
		if err != nil {
			return err
		}
		return p.object(out, field{"number", out.Number}, field{"scaling", out.Scaling}, field{"offset", out.Offset},
			field{"effectiveFrom", since(out)}, field{"createdAt", out.CreatedAt})
	})
	c.Long = c.Short + ".\n\nWhat queries, aggregates and exports say from that date on changes;\n" +
		"`readings query --calibration ingested` goes on saying what was said at ingest."
	portFlags(c, &device, &number)
	c.Flags().Float64Var(&n.Scaling, "scaling", 1, "factor from raw to calibrated")
	c.Flags().Float64Var(&n.Offset, "offset", 0, "added after the factor")
	c.Flags().Var(&from, "effective-from", "from when it is in force (default now)")
	return c
}
