package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// secretFlag is a secret given on the command line or, better, on standard
// input: arguments are seen by every user of the machine.
type secretFlag struct {
	name  string
	text  string
	stdin bool
	cmd   *cobra.Command
}

func addSecret(c *cobra.Command, name, what string) *secretFlag {
	s := &secretFlag{name: name, cmd: c}
	c.Flags().StringVar(&s.text, name, "", what)
	c.Flags().BoolVar(&s.stdin, name+"-stdin", false, "read it from standard input")
	c.MarkFlagsMutuallyExclusive(name, name+"-stdin")
	return s
}

// given reports whether one of the two flags was.
func (s *secretFlag) given() bool { return s.cmd.Flags().Changed(s.name) || s.stdin }

// read answers the secret; nil: none was given.
func (s *secretFlag) read(p *program) (*string, error) {
	if s.stdin {
		text, err := p.readSecret(s.name)
		return &text, err
	}
	if s.cmd.Flags().Changed(s.name) {
		return &s.text, nil
	}
	return nil, nil
}

// readSecret reads standard input to its end and drops the line break.
func (p *program) readSecret(name string) (string, error) {
	b, err := io.ReadAll(io.LimitReader(p.Stdin, 4097))
	if err != nil {
		return "", fmt.Errorf("read the %s from standard input: %w", name, err)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch {
	case text == "":
		return "", usage("standard input holds no %s", name)
	case len(text) > 4096:
		return "", usage("the %s on standard input is longer than 4096 bytes", name)
	case strings.ContainsAny(text, "\r\n"):
		return "", usage("the %s on standard input has more than one line", name)
	}
	return text, nil
}

// ask prompts on a terminal; without one it is a fault of usage.
func (p *program) ask(prompt, flag string, hidden bool) (string, error) {
	in, ok := p.Stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", usage("give --%s: standard input is not a terminal to ask on", flag)
	}
	if _, err := fmt.Fprintf(p.Stderr, "%s: ", prompt); err != nil {
		return "", err
	}
	if hidden {
		b, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(p.Stderr)
		if err != nil {
			return "", fmt.Errorf("read the answer: %w", err)
		}
		return string(b), nil
	}
	var line []byte
	for one := make([]byte, 1); ; {
		n, err := in.Read(one)
		if n == 1 && one[0] != '\n' {
			line = append(line, one[0])
			continue
		}
		if n == 1 {
			return strings.TrimSpace(string(line)), nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the answer: %w", err)
		}
		return strings.TrimSpace(string(line)), nil
	}
}
