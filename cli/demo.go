package cli

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tidegate/cli/config"
	"tidegate/cli/gateway"
)

// demo serves a folder with devices that publish, for a first look.
type demo struct {
	p       *program
	listen  string // host
	devices int
	seeded  demoLogin
}

// demoLogin is what the demo has made up, kept in the data folder so that a
// later run can say it again.
type demoLogin struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	OrgID    string `json:"orgId"`
	DeviceID string `json:"deviceId"`
	Secret   string `json:"secret"`
	Topic    string `json:"topic"`
}

func (p *program) demoVerb() *cobra.Command {
	d := &demo{p: p}
	c := verb("demo", "Serve a sample with simulated devices: a first look", func(ctx context.Context, _ []string) error {
		if d.devices < 0 || d.devices > 1000 {
			return usage("--devices %d: 0 to 1000", d.devices)
		}
		return d.run(ctx)
	})
	c.Long = c.Short + ".\n\nAn empty folder is filled with an organization, a device and a login; any other is served as it is.\n" +
		"A taken port gives way to the next free one."
	c.Flags().StringVar(&d.listen, "listen", "127.0.0.1", "0.0.0.0 lets a phone or an ESP32 in")
	c.Flags().IntVar(&d.devices, "devices", 3, "how many devices to simulate")
	return c
}

func (d *demo) run(ctx context.Context) error {
	p := d.p
	set, err := d.addresses()
	if err != nil {
		return err
	}
	cfg, warnings, err := p.settings("", set)
	if err != nil {
		return err
	}
	if err := d.seed(ctx, cfg); err != nil {
		return err
	}
	o := p.gatewayOptions(cfg, warnings)
	o.NextPort = true
	if o.Settings, err = config.Settings(p.sources("", set)); err != nil {
		return err
	}
	o.Logger = p.logger("warn", cfg.Logging.Format) // the lines to copy stay the last ones

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	simulated := make(chan struct{})
	var began bool
	err = gateway.Run(ctx, o, func(a gateway.Addrs) {
		began = true
		go func() {
			defer close(simulated)
			if err := d.simulate(ctx, a); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		}()
	})
	if began {
		cancel(err)
		<-simulated
	}
	err = placed(err, p.sources("", set))
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// addresses puts the configured ports on the host that was asked for; an
// address set in the environment stays as it is.
func (d *demo) addresses() (map[string]string, error) {
	cfg, _, err := d.p.settings("", nil)
	if err != nil {
		return nil, err
	}
	set := map[string]string{}
	for path, listen := range map[string]string{
		"http.listen": cfg.HTTP.Listen, "http.tls_listen": cfg.HTTP.TLSListen,
		"mqtt.listen": cfg.MQTT.Listen, "mqtt.tls_listen": cfg.MQTT.TLSListen,
	} {
		if listen == "" || d.p.getenv("TIDEGATE_"+strings.ToUpper(strings.ReplaceAll(path, ".", "_"))) != "" {
			continue
		}
		_, port, err := net.SplitHostPort(listen)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		set[path] = net.JoinHostPort(d.listen, port)
	}
	return set, nil
}

func (d *demo) file() string { return filepath.Join(d.p.dir, "secrets", "demo.json") }

// seed fills an empty folder, and reads what an earlier run has made up.
func (d *demo) seed(ctx context.Context, cfg config.Config) error {
	b, err := os.ReadFile(d.file())
	if err == nil {
		if err := json.Unmarshal(b, &d.seeded); err != nil {
			return fmt.Errorf("read %s: %w", d.file(), err)
		}
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	empty, err := emptyFolder(d.p.dir)
	if err != nil || !empty {
		return err
	}
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails: see crypto/rand
	password := strings.ToLower(base32.StdEncoding.EncodeToString(random[:]))
	r, err := gateway.Init(ctx, gateway.InitOptions{Dir: d.p.dir, Config: cfg, AdminEmail: "admin@example.org", AdminPassword: password, Sample: true})
	if err != nil {
		return err
	}
	d.seeded = demoLogin{Email: r.AdminEmail, Password: password, OrgID: r.OrgID, DeviceID: r.DeviceID, Secret: r.Secret, Topic: r.Topic}
	if b, err = json.MarshalIndent(d.seeded, "", "  "); err != nil {
		return fmt.Errorf("encode %s: %w", d.file(), err)
	}
	return writeWhole(d.file(), func(f *os.File) error {
		_, err := f.Write(append(b, '\n'))
		return err
	})
}

// emptyFolder reports whether dir is absent or holds nothing but a
// configuration.
func emptyFolder(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	for _, e := range entries {
		if e.Name() != "config.yaml" {
			return false, err
		}
	}
	return true, err
}

// simulate runs the devices once the server serves, and prints the lines to
// copy.
func (d *demo) simulate(ctx context.Context, a gateway.Addrs) error {
	if d.seeded.OrgID == "" || d.devices == 0 {
		return d.show(a)
	}
	cl, err := d.p.connect()
	if err != nil {
		return err
	}
	s := &simulation{cl: cl, org: d.seeded.OrgID, prefix: "demo", devices: d.devices, every: time.Second, seed: 1, warn: d.p.warn, door: d.p.doorOf}
	var shown error
	err = s.run(ctx, func() { shown = d.show(a) })
	return errors.Join(err, shown)
}

// show prints the three lines: address and login, a device's publish, tail.
func (d *demo) show(a gateway.Addrs) error {
	tail := "./tidegate tail"
	if d.p.dir != "./data" {
		tail += " --data " + d.p.dir
	}
	s := d.seeded
	page := "http://" + fromOutside(a.HTTP)
	if a.HTTPS != "" {
		page = "https://" + fromOutside(a.HTTPS)
	}
	if s.Email == "" {
		return d.p.print(fmt.Sprintf("\n%s\n%s\n", page, tail))
	}
	mqtt, ca := a.MQTT, ""
	if mqtt == "" {
		mqtt, ca = a.MQTTS, filepath.Join(d.p.dir, "secrets", "tls-ca.crt")
	}
	return d.p.print(fmt.Sprintf("\n%s  login %s  password %s\n%s\n%s\n", page, s.Email, s.Password,
		publishLine(fromOutside(mqtt), ca, s.DeviceID, s.Secret, s.Topic), tail))
}

// fromOutside answers an address that others can use: for one that listens on
// every interface, that of the machine in its network.
func fromOutside(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
		return listen
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return reachable(listen)
	}
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if ok && n.IP.To4() != nil && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			return net.JoinHostPort(n.IP.String(), port)
		}
	}
	return reachable(listen)
}
