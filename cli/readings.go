package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tidegate/api/client"
	"tidegate/cli/config"
	"tidegate/store"
)

func (p *program) readingsNoun() *cobra.Command {
	return noun("readings", "What devices measured", p.readingsQuery(), p.readingsLatest(), p.readingsExport(), p.readingsImport())
}

// readingFlags choose readings.
type readingFlags struct {
	devices     []string
	ports       []uint
	from, to    moment
	calibration string
}

func (f *readingFlags) add(c *cobra.Command, times bool) {
	c.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "number" {
			name = "port"
		}
		return pflag.NormalizedName(name)
	})
	c.Flags().StringSliceVar(&f.devices, "device", nil, "of this device alone (may be repeated)")
	c.Flags().UintSliceVar(&f.ports, "port", nil, "of this port number alone (may be repeated)")
	if times {
		c.Flags().Var(&f.from, "from", "from this time on (default: the oldest)")
		c.Flags().Var(&f.to, "to", "before this time (default: the newest)")
	}
	c.Flags().StringVar(&f.calibration, "calibration", "current", "current, or ingested: calibrated values as said at ingest")
}

func (f *readingFlags) query() (client.ReadingQuery, error) {
	q := client.ReadingQuery{DeviceIDs: f.devices, From: f.from.Time, To: f.to.Time}
	for _, n := range f.ports {
		if n > 65535 {
			return q, usage("--port %d: port numbers are 0 to 65535", n)
		}
		q.PortNumbers = append(q.PortNumbers, uint16(n))
	}
	if !f.from.IsZero() && !f.to.IsZero() && f.to.Before(f.from.Time) {
		return q, usage("--to %s is before --from %s", &f.to, &f.from)
	}
	switch f.calibration {
	case "current":
	case "ingested":
		q.Ingested = true
	default:
		return q, usage("--calibration %s: use current or ingested", f.calibration)
	}
	return q, nil
}

func readingColumns() []column[store.Reading] {
	return []column[store.Reading]{
		col("ts", func(r store.Reading) any { return r.TS }),
		col("deviceId", func(r store.Reading) any { return r.DeviceID }),
		col("portNumber", func(r store.Reading) any { return r.PortNumber }),
		col("rawValue", func(r store.Reading) any { return r.RawValue }),
		col("calibratedValue", func(r store.Reading) any { return r.CalibratedValue }),
		col("quality", func(r store.Reading) any { return r.Quality }),
		col("flags", func(r store.Reading) any { return r.Flags }),
		col("ingestTs", func(r store.Reading) any { return r.IngestTS }),
	}
}

func aggregateColumns() []column[client.Aggregate] {
	return []column[client.Aggregate]{
		col("ts", func(a client.Aggregate) any { return a.TS }),
		col("deviceId", func(a client.Aggregate) any { return a.DeviceID }),
		col("portNumber", func(a client.Aggregate) any { return a.PortNumber }),
		col("count", func(a client.Aggregate) any { return a.Count }),
		col("mean", func(a client.Aggregate) any { return a.Mean }),
		col("min", func(a client.Aggregate) any { return a.Min }),
		col("max", func(a client.Aggregate) any { return a.Max }),
		col("first", func(a client.Aggregate) any { return a.First }),
		col("last", func(a client.Aggregate) any { return a.Last }),
		col("sum", func(a client.Aggregate) any { return a.Sum }),
	}
}

// whatOf answers what the flags ask for, and whom to ask.
func (p *program) whatOf(f *readingFlags) (client.ReadingQuery, *client.Client, error) {
	q, err := f.query()
	if err != nil {
		return q, nil, err
	}
	cl, err := p.connect()
	return q, cl, err
}

func (p *program) readingsQuery() *cobra.Command {
	var f readingFlags
	var every, cursor string
	var limit int
	var desc bool
	c := verb("query", "Show readings, or aggregates of them with --every", func(ctx context.Context, _ []string) error {
		q, err := f.query()
		if err != nil {
			return err
		}
		var bucket time.Duration
		if every != "" {
			if bucket, err = config.ParseDuration(every); err != nil || bucket < time.Millisecond {
				return usage("--every %s: write a duration such as 1s, 5m, 1h or 1d", every)
			}
			if desc {
				return usage("--desc goes without --every: buckets come oldest first")
			}
		}
		if limit < 0 {
			return usage("--limit %d: 0 is all", limit)
		}
		q.Desc, q.Cursor = desc, cursor
		cl, err := p.connect()
		if err != nil {
			return err
		}
		if bucket > 0 {
			list := func(ctx context.Context, page client.Page) (client.List[client.Aggregate], error) {
				q.Page = page
				return cl.Aggregates(ctx, q, bucket)
			}
			return listPages(ctx, newLister(p, aggregateColumns()...), list, cursor, limit)
		}
		list := func(ctx context.Context, page client.Page) (client.List[store.Reading], error) {
			q.Page = page
			return cl.Readings(ctx, q)
		}
		return listPages(ctx, newLister(p, readingColumns()...), list, cursor, limit)
	})
	c.Long = c.Short + ".\n\nOrder: ts, device, port. Times are RFC 3339 with their zone, now, -1h, or epoch seconds or milliseconds.\n" +
		"Buckets are aligned to the UTC epoch; empty ones are left out."
	c.Example = "  tidegate readings query --device d1 --port 1 --from -1h\n" +
		"  tidegate readings query --device d1 --from -7d --every 1h -o csv"
	f.add(c, true)
	c.Flags().StringVar(&every, "every", "", "aggregate into buckets of this length, such as 1m")
	c.Flags().IntVar(&limit, "limit", 0, "at most so many; 0 is all")
	c.Flags().StringVar(&cursor, "cursor", "", "go on where an earlier answer ended")
	c.Flags().BoolVar(&desc, "desc", false, "newest first")
	return c
}

// pageSize is how many items a page holds while all are wanted.
const pageSize = 5000

// listPages prints pages as they come, at most limit items; 0 is all.
func listPages[T any](ctx context.Context, l *lister[T], list func(context.Context, client.Page) (client.List[T], error), cursor string, limit int) error {
	page := client.Page{Cursor: cursor}
	for {
		page.Limit = pageSize
		if limit > 0 {
			page.Limit = min(page.Limit, limit-l.n)
		}
		got, err := list(ctx, page)
		if err != nil {
			return err
		}
		for _, item := range got.Items {
			if err := l.item(item); err != nil {
				return err
			}
		}
		page.Cursor = got.NextCursor
		if page.Cursor == "" || limit > 0 && l.n >= limit {
			return l.end(page.Cursor)
		}
	}
}

func (p *program) readingsLatest() *cobra.Command {
	var f readingFlags
	c := verb("latest", "Show the newest reading of each port", func(ctx context.Context, _ []string) error {
		q, cl, err := p.whatOf(&f)
		if err != nil {
			return err
		}
		list, err := cl.LatestReadings(ctx, q)
		if err != nil {
			return err
		}
		l := newLister(p, readingColumns()...)
		return l.all(list.Items)
	})
	f.add(c, false)
	return c
}

func (p *program) readingsExport() *cobra.Command {
	var f readingFlags
	format := ""
	c := verb("export", "Write readings as CSV or Parquet to standard output, whatever -o says", func(ctx context.Context, _ []string) error {
		if format != "csv" && format != "parquet" {
			return usage("--format %s: use csv or parquet", format)
		}
		q, cl, err := p.whatOf(&f)
		if err != nil {
			return err
		}
		write := cl.ExportReadings
		if format == "parquet" {
			write = cl.ExportParquet
		}
		g := p.newProgress(0)
		defer g.done()
		w := &meter{w: p.Stdout, told: func(n int64) { g.set(n, config.FormatSize(n>>20<<20)+" exported") }}
		_, err = write(ctx, q, w)
		return err
	})
	c.Long = c.Short + ".\n\nHeader of CSV: ts,device,port,rawValue,calibratedValue,quality,ingestTs. Parquet has flags too. Times are UTC."
	c.Example = "  tidegate readings export --from 2025-09-01T00:00:00Z --to 2025-10-01T00:00:00Z | gzip > september.csv.gz\n" +
		"  tidegate readings export --from -7d --format parquet > week.parquet"
	c.Flags().StringVar(&format, "format", "csv", "csv or parquet")
	f.add(c, true)
	return c
}

func (p *program) readingsImport() *cobra.Command {
	o := client.ImportOptions{}
	c := verb("import FILE", "Store readings from CSV (.gz too) with their own times", func(ctx context.Context, args []string) error {
		if o.Create && o.OrgID == "" {
			return usage("--create needs --org: the organization of the new devices")
		}
		in, err := p.openInput(args[0])
		if err != nil {
			return err
		}
		defer in.Close()
		cl, err := p.connect()
		if err != nil {
			return err
		}
		g := p.newProgress(in.size)
		faults := newRowFaults(p)
		o.Gzip = in.gzip
		o.Progress = func(n client.ImportCounts) {
			g.set(in.read.Load(), fmt.Sprintf("%d rows, %d stored, %d duplicate, %d rejected", n.Rows, n.Stored, n.Duplicate, n.Rejected))
		}
		o.Row = func(r client.ImportRow) { faults.add(r.Line, r.Reason, r.Detail) }
		n, err := cl.ImportReadings(ctx, in, o)
		g.done()
		faults.end()
		if err != nil {
			return fmt.Errorf("%w; %d rows were read, %d readings stored; the same import may be run again", err, n.Rows, n.Stored)
		}
		err = p.object(n, field{"rows", n.Rows}, field{"received", n.Received}, field{"stored", n.Stored}, field{"duplicate", n.Duplicate},
			field{"rejected", n.Rejected}, field{"malformed", n.Malformed}, field{"devicesCreated", n.DevicesCreated}, field{"portsCreated", n.PortsCreated})
		if err == nil && n.Malformed > 0 {
			return fmt.Errorf("%d of %d rows are not ts,device,port,value and were passed over", n.Malformed, n.Rows)
		}
		return err
	})
	c.Long = c.Short + ".\n\nHeader: ts,device,port,value. There is no window of accepted times. Rejected rows become dead letters.\n" +
		"Running the same import again is safe: what is stored counts as duplicate."
	c.Example = "  tidegate readings import history.csv.gz --org acme --create"
	c.Args = oneFile
	c.Flags().StringVar(&o.OrgID, "org", "", "organization of rows whose device is unknown")
	c.Flags().BoolVar(&o.Create, "create", false, "make missing devices and ports")
	return c
}
