package cli

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"tidegate/api/client"
	"tidegate/cli/config"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitConfig      = 3
	exitUnreachable = 4
)

// Process is what the operating system gives a program.
type Process struct {
	Args    []string // without the program's name
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Environ []string
	Config  []byte // the commented default of config.yaml
	Version string
	Built   string // RFC 3339; empty: unknown
}

// identified fills in what a build without linker flags knows of itself.
func (pr Process) identified() Process {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return pr
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = "+" + s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = ".modified"
		case s.Key == "vcs.time" && pr.Built == "":
			pr.Built = s.Value
		}
	}
	if pr.Version == "" {
		pr.Version = "0.1.0-dev" + revision + modified
	}
	return pr
}

// Main runs one verb and answers the exit code.
func Main(pr Process) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	p := &program{Process: pr.identified()}
	root := p.root()
	root.SetArgs(pr.Args)
	root.SetIn(pr.Stdin)
	root.SetOut(pr.Stdout)
	root.SetErr(pr.Stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	code := p.code(err)
	if errors.Is(err, client.ErrUnreachable) {
		err = p.unserved(err)
	}
	text := err.Error()
	if names, ok := strings.CutPrefix(text, "required flag(s) "); ok && !p.started {
		names = strings.TrimSuffix(names, " not set")
		text = "missing: --" + strings.ReplaceAll(strings.ReplaceAll(names, `"`, ""), ", ", ", --")
	}
	for line := range strings.Lines(text) {
		fmt.Fprintf(pr.Stderr, "error: %s\n", strings.TrimRight(line, "\n"))
	}
	if code == exitUsage {
		fmt.Fprintf(pr.Stderr, "Usage and examples: %s --help\n", cmd.CommandPath())
	}
	return code
}

// program is one run of the command line.
type program struct {
	Process
	dir     string // --data
	output  string // -o
	server  string // --server; empty: the one that serves dir
	caFile  string // --ca
	started bool   // the arguments were understood
}

// usageError is a fault of what was typed.
type usageError struct{ error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// configError is a fault of the configuration.
type configError struct{ error }

// awayError says that a database is not reachable.
type awayError struct{ error }

func (e awayError) Unwrap() error { return e.error }

func (p *program) code(err error) int {
	var ue usageError
	var ce configError
	var ae awayError
	switch {
	case !p.started || errors.As(err, &ue):
		return exitUsage
	case errors.As(err, &ce):
		return exitConfig
	case errors.Is(err, client.ErrUnreachable), errors.As(err, &ae):
		return exitUnreachable
	}
	return exitFailed
}

// unserved says how to start what cannot be reached.
func (p *program) unserved(err error) error {
	if at := p.elsewhere(); at != "" {
		return fmt.Errorf("no server answers at %s: %w", at, err)
	}
	if _, statErr := os.Stat(p.socket()); statErr == nil && errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%s belongs to another user: run this as the user that serves %s", p.socket(), p.dir)
	}
	return fmt.Errorf("no tidegate is serving %s: start it with `tidegate serve --data %s`", p.dir, p.dir)
}

func (p *program) socket() string { return filepath.Join(p.dir, "admin.sock") }

// The environment of the command line, beside the settings.
const (
	serverVariable = "TIDEGATE_SERVER"
	keyVariable    = "TIDEGATE_API_KEY"
	caVariable     = "TIDEGATE_CA"
)

// elsewhere answers the server that the flag or the environment names; empty:
// the one that serves the data folder.
func (p *program) elsewhere() string { return cmp.Or(p.server, p.getenv(serverVariable)) }

// connect answers a client of the server that serves the data folder, or of the
// one elsewhere.
func (p *program) connect() (*client.Client, error) {
	if p.elsewhere() != "" {
		return p.connectElsewhere()
	}
	socket := p.socket()
	// The kernel takes 107 bytes; a path below the working folder is shorter.
	if len(socket) > 100 {
		if wd, err := os.Getwd(); err == nil {
			if rel, err := filepath.Rel(wd, socket); err == nil && len(rel) < len(socket) {
				socket = rel
			}
		}
	}
	if len(socket) > 100 {
		return nil, fmt.Errorf("the path %s has %d bytes, a socket's may have 100: use a shorter --data", socket, len(socket))
	}
	return client.New(client.Options{Socket: socket, UserAgent: "tidegate-cli/" + p.Version})
}

// connectElsewhere answers a client that has an API key.
func (p *program) connectElsewhere() (*client.Client, error) {
	o := client.Options{BaseURL: p.elsewhere(), Token: p.getenv(keyVariable), UserAgent: "tidegate-cli/" + p.Version}
	if o.Token == "" {
		return nil, usage("--server needs an API key: make one on the box with `tidegate apikey add --name NAME --scopes read,write`, and put it into %s", keyVariable)
	}
	if file := cmp.Or(p.caFile, p.getenv(caVariable)); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("--ca: %w", err)
		}
		o.Roots = x509.NewCertPool()
		if !o.Roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca %s: no certificate in PEM is in it", file)
		}
	}
	if u, err := url.Parse(o.BaseURL); err == nil && u.Scheme == "http" {
		if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && !ip.IsLoopback() {
			p.warn("the API key goes over the network in the clear: name the server as https://, see TLS in the README")
		}
	}
	return client.New(o)
}

// getenv answers a variable of the process's environment.
func (p *program) getenv(name string) string {
	v := ""
	for _, e := range p.Environ {
		if k, val, ok := strings.Cut(e, "="); ok && k == name {
			v = val
		}
	}
	return v
}

// settings loads the configuration: --config FILE, else DIR/config.yaml.
func (p *program) settings(file string, flags map[string]string) (config.Config, []string, error) {
	c, warnings, err := config.Load(p.sources(file, flags))
	if err != nil {
		return c, warnings, configError{err}
	}
	return c, warnings, nil
}

func (p *program) sources(file string, flags map[string]string) config.Sources {
	if file == "" {
		own := filepath.Join(p.dir, "config.yaml")
		if _, err := os.Stat(own); err == nil {
			file = own
		}
	}
	return config.Sources{DefaultYAML: p.Config, File: file, Environ: p.Environ, Flags: flags}
}

// placed says where the setting was given that is at fault, if it is one.
func placed(err error, s config.Sources) error {
	var f *config.Fault
	if !errors.As(err, &f) {
		return err
	}
	return configError{fmt.Errorf("%s%w", config.Place(s, f.Key), err)}
}

// built answers when the program was built; zero: unknown.
func (p *program) built() time.Time {
	t, err := time.Parse(time.RFC3339, p.Built)
	if err != nil {
		return time.Time{}
	}
	return t
}

// warn tells a person something on standard error.
func (p *program) warn(format string, args ...any) {
	fmt.Fprintf(p.Stderr, format+"\n", args...)
}
