package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"tidegate/cli/gateway"
)

func (p *program) doctorVerb() *cobra.Command {
	var file string
	o := gateway.DoctorOptions{}
	c := verb("doctor", "Look at the data folder and the machine, with or without a server", func(ctx context.Context, _ []string) error {
		var warnings []string
		var err error
		if o.Config, warnings, err = p.settings(file, nil); err != nil {
			return err
		}
		o.Dir, o.BuildDate = p.dir, p.built()
		checks, err := gateway.Doctor(ctx, o)
		if err != nil {
			return err
		}
		for _, w := range warnings {
			checks = append(checks, gateway.Check{Name: "configuration", State: "warning", Detail: w})
		}
		failed := 0
		l := newLister(p,
			col("state", func(c gateway.Check) any { return c.State }),
			col("name", func(c gateway.Check) any { return c.Name }),
			col("detail", func(c gateway.Check) any { return c.Detail }))
		for _, check := range checks {
			if check.State == "failed" {
				failed++
			}
		}
		if err := l.all(checks); err != nil {
			return err
		}
		if failed > 0 {
			return fmt.Errorf("%d of %d checks failed", failed, len(checks))
		}
		return nil
	})
	c.Long = c.Short + ".\n\nClock, disk, ports, the database of MONGO_URI, and, while no server has them, the files: formats, chains, and whether they follow the log."
	c.Flags().StringVar(&file, "config", "", "configuration file (default DIR/config.yaml, if there is one)")
	c.Flags().BoolVar(&o.AdoptLog, "adopt-log", false, "let the files follow the log that is there now, when the old one is lost: what they have counted counts as received in it; what the old one held beyond the last flush is lost with it")
	return c
}
