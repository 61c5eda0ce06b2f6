package bench

import (
	"context"
	"fmt"
)

// manyPorts shows how the rate changes from 10 ports to 10,000.
func manyPorts(ctx context.Context, c *Config) error {
	fmt.Fprintln(c.Out, "### From 10 to 10,000 ports (10 readings a message)")
	fmt.Fprintln(c.Out, "\n| ports | readings/s | CPU µs/reading | written B/reading | disk B/reading | newest 100 of a port ms | RssAnon MiB |\n|---|---|---|---|---|---|---|")
	for _, clients := range []int{1, 10, 100, 1000} {
		var ts []Throughput
		for range c.Runs {
			c.logf("%d ports", clients*10)
			t, err := c.EndToEnd(ctx, Shape{clients, 10}, false)
			if err != nil {
				return err
			}
			ts = append(ts, t)
		}
		fmt.Fprintf(c.Out, "| %d | %s | %s | %s | %s | %s | %s |\n", clients*10,
			spread(ts, func(t Throughput) float64 { return t.Readings }), spread(ts, func(t Throughput) float64 { return t.CPU }),
			spread(ts, func(t Throughput) float64 { return t.Written }), spread(ts, func(t Throughput) float64 { return t.Disk }),
			spread(ts, func(t Throughput) float64 { return t.Query }), spread(ts, func(t Throughput) float64 { return t.RssAnonMiB }))
	}
	fmt.Fprintln(c.Out)
	return nil
}
