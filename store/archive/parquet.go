package archive

import (
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"tidegate/store"
)

// parquetFile writes readings as one Parquet file. It is not safe for concurrent
// use.
type parquetFile struct {
	file *parquet.GenericWriter[parquetRow]
	rows []parquetRow
}

const (
	groupRows    = 64 << 10 // of a row group, which is held in memory until it is full
	turnedRows   = 1 << 10  // that are turned into rows of the file at once
	writtenBytes = 64 << 10 // at once
)

// parquetRow is the columns of the file, in their order. They are called as in
// the API's JSON. The two values are not said by dictionaries: measured values
// repeat too seldom.
type parquetRow struct {
	TS              int64    `parquet:"ts,timestamp(millisecond:utc),delta"`
	DeviceID        string   `parquet:"deviceId,dict"`
	PortNumber      uint16   `parquet:"portNumber,uint(16),dict"`
	RawValue        float64  `parquet:"rawValue"`
	CalibratedValue float64  `parquet:"calibratedValue"`
	Quality         string   `parquet:"quality,dict"`
	Flags           []string `parquet:"flags,list" parquet-element:",dict"`
	IngestTS        int64    `parquet:"ingestTs,timestamp(millisecond:utc),delta"`
}

// Parquet begins a file in w. Nothing is written before a row group is full, or
// the file is closed.
func Parquet(w io.Writer) store.ReadingWriter {
	return &parquetFile{
		file: parquet.NewGenericWriter[parquetRow](w,
			parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
			parquet.MaxRowsPerRowGroup(groupRows),
			parquet.WriteBufferSize(writtenBytes),
			parquet.CreatedBy("tidegate", "", ""),
		),
		rows: make([]parquetRow, turnedRows),
	}
}

// Write implements store.ReadingWriter.
func (f *parquetFile) Write(readings []store.Reading) error {
	for len(readings) > 0 {
		n := min(len(readings), len(f.rows))
		for i := range n {
			r := &readings[i]
			f.rows[i] = parquetRow{
				TS: int64(r.TS), DeviceID: r.DeviceID, PortNumber: r.PortNumber, RawValue: r.RawValue, CalibratedValue: r.CalibratedValue,
				Quality: r.Quality, Flags: r.Flags, IngestTS: int64(r.IngestTS),
			}
		}
		if _, err := f.file.Write(f.rows[:n]); err != nil {
			return fmt.Errorf("write Parquet: %w", err)
		}
		readings = readings[n:]
	}
	return nil
}

// Close implements store.ReadingWriter.
func (f *parquetFile) Close() error {
	if err := f.file.Close(); err != nil {
		return fmt.Errorf("end Parquet: %w", err)
	}
	return nil
}
