package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/spf13/cobra"
)

// input is a file or standard input, with how much of it was read.
type input struct {
	io.Reader
	gzip bool  // the bytes are compressed
	size int64 // 0: unknown
	read atomic.Int64
	file *os.File
}

// oneFile takes a single argument.
func oneFile(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s takes one file (- is standard input)", cmd.CommandPath())
	}
	return nil
}

// openInput opens a file, or standard input for "-", and looks whether it is
// compressed.
func (p *program) openInput(name string) (*input, error) {
	in := &input{}
	from := p.Stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		in.file, from = f, f
		if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
			in.size = st.Size()
		}
	}
	b := bufio.NewReaderSize(from, 64<<10)
	head, err := b.Peek(2)
	if err != nil && len(head) == 0 && err != io.EOF {
		_ = in.Close() // nothing was written
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	in.gzip = len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b
	in.Reader = b
	return in, nil
}

// Read implements io.Reader.
func (in *input) Read(b []byte) (int, error) {
	n, err := in.Reader.Read(b)
	in.read.Add(int64(n))
	return n, err
}

// Close closes the file; standard input stays open.
func (in *input) Close() error {
	if in.file == nil {
		return nil
	}
	return in.file.Close()
}
