package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"tidegate/store"
)

// column is one field of what a verb prints. Its name is that of the JSON.
type column[T any] struct {
	name string
	cell func(T) any
}

func col[T any](name string, cell func(T) any) column[T] { return column[T]{name, cell} }

// lister prints items as they come, in the format that was asked for.
type lister[T any] struct {
	p       *program
	columns []column[T]
	n       int
	tab     *tabwriter.Writer
	csv     *csv.Writer
}

func newLister[T any](p *program, columns ...column[T]) *lister[T] {
	return &lister[T]{p: p, columns: columns}
}

// all prints a whole list.
func (l *lister[T]) all(items []T) error {
	for _, v := range items {
		if err := l.item(v); err != nil {
			return err
		}
	}
	return l.end("")
}

// item prints one.
func (l *lister[T]) item(v T) error {
	if err := l.begin(); err != nil {
		return err
	}
	l.n++
	switch l.p.output {
	case "json":
		b, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("encode item: %w", err)
		}
		sep := "\n"
		if l.n > 1 {
			sep = ",\n"
		}
		return l.p.print(sep + "  " + string(b))
	case "csv":
		return l.csv.Write(l.cells(v, csvCell))
	default:
		_, err := fmt.Fprintln(l.tab, strings.Join(l.cells(v, tableCell), "\t"))
		if err == nil && l.n%500 == 0 { // widths are those of 500 rows, so that memory is bounded
			err = l.tab.Flush()
		}
		return err
	}
}

func (l *lister[T]) begin() error {
	switch {
	case l.p.output == "json":
		if l.n == 0 {
			return l.p.print(`{"items":[`)
		}
	case l.p.output == "csv" && l.csv == nil:
		l.csv = csv.NewWriter(l.p.Stdout)
		return l.csv.Write(l.titles())
	case l.p.output == "table" && l.tab == nil:
		l.tab = tabwriter.NewWriter(l.p.Stdout, 0, 8, 2, ' ', 0)
		_, err := fmt.Fprintln(l.tab, strings.ToUpper(strings.Join(l.titles(), "\t")))
		return err
	}
	return nil
}

// end closes the document. cursor is where a further call goes on; empty: all
// was shown.
func (l *lister[T]) end(cursor string) error {
	if l.n == 0 && l.p.output != "table" {
		if err := l.begin(); err != nil {
			return err
		}
	}
	var err error
	switch {
	case l.p.output == "json":
		next := []byte("null")
		if cursor != "" {
			if next, err = json.Marshal(cursor); err != nil {
				return fmt.Errorf("encode cursor: %w", err)
			}
		}
		return l.p.print("],\"nextCursor\":" + string(next) + "}\n")
	case l.csv != nil:
		l.csv.Flush()
		err = l.csv.Error()
	case l.tab != nil:
		err = l.tab.Flush()
	default:
		l.p.warn("none")
	}
	if cursor != "" {
		l.p.warn("there is more: go on with --cursor %s, or raise --limit", cursor)
	}
	return err
}

func (l *lister[T]) titles() []string {
	var out []string
	for _, c := range l.columns {
		out = append(out, c.name)
	}
	return out
}

func (l *lister[T]) cells(v T, format func(any) string) []string {
	out := make([]string, len(l.columns))
	for i, c := range l.columns {
		out[i] = format(c.cell(v))
	}
	return out
}

// field is one line of an object as a table.
type field struct {
	name  string
	value any
}

// object prints one document; its fields are what table and CSV show of it.
func (p *program) object(doc any, fields ...field) error {
	switch p.output {
	case "json":
		raw, ok := doc.(json.RawMessage)
		if !ok {
			var err error
			if raw, err = json.Marshal(doc); err != nil {
				return fmt.Errorf("encode answer: %w", err)
			}
		}
		var b bytes.Buffer
		if err := json.Indent(&b, bytes.TrimSpace(raw), "", "  "); err != nil {
			return fmt.Errorf("indent answer: %w", err)
		}
		return p.print(b.String() + "\n")
	case "csv":
		var head, row []string
		for _, f := range fields {
			head, row = append(head, f.name), append(row, csvCell(f.value))
		}
		w := csv.NewWriter(p.Stdout)
		return w.WriteAll([][]string{head, row})
	default:
		w := tabwriter.NewWriter(p.Stdout, 0, 8, 2, ' ', 0)
		for _, f := range fields {
			if s := tableCell(f.value); s != "" && s != "-" {
				if _, err := fmt.Fprintf(w, "%s\t%s\n", f.name, s); err != nil {
					return err
				}
			}
		}
		return w.Flush()
	}
}

func (p *program) print(s string) error {
	_, err := io.WriteString(p.Stdout, s)
	return err
}

// tableTime is local time with its offset.
const tableTime = "2006-01-02 15:04:05.000 -07:00"

func tableCell(v any) string {
	switch v := v.(type) {
	case store.Time:
		return v.Time().Local().Format(tableTime)
	case *store.Time:
		if v == nil {
			return "-"
		}
		return v.Time().Local().Format(tableTime)
	case time.Time:
		return v.Local().Format(tableTime)
	case float64:
		return strconv.FormatFloat(v, 'g', 15, 64) // 230.6 and not 230.60000000000002; JSON and CSV are exact
	}
	s := csvCell(v)
	if s == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f { // a cell stays one cell, and cannot steer a terminal
			return ' '
		}
		return r
	}, s)
}

func csvCell(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case *float64:
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'g', -1, 64)
	case *store.Time:
		if v == nil {
			return ""
		}
		return v.String()
	case time.Time:
		return v.UTC().Format(store.TimeFormat)
	case []string:
		return strings.Join(v, " ")
	default:
		return fmt.Sprint(v)
	}
}
