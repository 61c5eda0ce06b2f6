package e2e

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"
)

// exported is one reading of an export.
type exported struct {
	device string
	port   int
	ts     time.Time
	value  float64 // raw
}

// export gives each reading that the server has to take, and answers how many
// there are.
func (s *server) export(t *testing.T, take func(exported)) int {
	t.Helper()
	r := csv.NewReader(strings.NewReader(s.tidegate("readings", "export", "--from", "1990-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z")))
	r.ReuseRecord = true
	head, err := r.Read()
	if err != nil || strings.Join(head, ",") != "ts,device,port,rawValue,calibratedValue,quality,ingestTs" {
		t.Fatalf("header of the export: %v %v", head, err)
	}
	for n := 0; ; n++ {
		row, err := r.Read()
		if err == io.EOF {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		e := exported{device: strings.Clone(row[1])}
		if e.ts, err = time.Parse(time.RFC3339Nano, row[0]); err == nil {
			if e.port, err = strconv.Atoi(row[2]); err == nil {
				e.value, err = strconv.ParseFloat(row[3], 64)
			}
		}
		if err != nil {
			t.Fatalf("row %v: %v", row, err)
		}
		take(e)
	}
}
