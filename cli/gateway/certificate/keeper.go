package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options are what a Keeper is made of.
type Options struct {
	Cert, Key string // PEM files; empty: the box has an authority of its own
	Dir       string // where that is kept, a folder that only its owner reads

	ClientCA       string // PEM file; empty: nobody is asked for a certificate
	ClientRequired bool

	// Built is when the program was: no clock is believed to be earlier.
	Built time.Time
	// Names are the host names and addresses of the machine; nil: it is asked.
	Names func() []string
	// ClientCAChanged is told what devices are verified against from now on; nil:
	// nobody is.
	ClientCAChanged func(*x509.CertPool)

	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil: no metrics
	Now        func() time.Time      // nil: the time
}

// lookEvery is how often the files are read.
const lookEvery = 2 * time.Second

// Keeper has the certificate that is in force. Its methods are safe for
// concurrent use.
type Keeper struct {
	o       Options
	log     *slog.Logger
	reloads *prometheus.CounterVec
	now     func() time.Time

	pair    atomic.Pointer[tls.Certificate] // with its Leaf
	devices atomic.Pointer[trust]           // nil: there is no client CA

	mu      sync.Mutex // one look at a time
	files   *watched   // nil: the box's own
	ca      *watched   // nil: there is none
	own     *authority // nil: there are files
	trouble map[string]string
	said    string    // the warnings that were logged last
	named   time.Time // when the names of the machine were compared last
}

// trust is what devices are verified against.
type trust struct {
	roots  *x509.CertPool
	certs  []*x509.Certificate
	config *tls.Config
}

// Open reads, or makes, a certificate. Its error is a config.Fault that names
// the setting, and says the way out.
func Open(o Options) (*Keeper, error) {
	k := newKeeper(o)
	if k.o.Cert == "" {
		if err := k.openOwn(); err != nil {
			return nil, err
		}
	} else {
		k.files = newWatched(k.o.Cert, k.o.Key)
		pair, err := first(k.files, k.parsePair)
		if err != nil {
			return nil, err
		}
		k.pair.Store(pair)
	}
	if k.o.ClientCA != "" {
		k.ca = newWatched(k.o.ClientCA)
		t, err := first(k.ca, k.parseCA)
		if err != nil {
			return nil, err
		}
		k.devices.Store(t)
	}
	if err := k.register(); err != nil {
		return nil, err
	}
	k.tell("certificate")
	k.warn()
	return k, nil
}

func newKeeper(o Options) *Keeper {
	k := &Keeper{o: o, log: o.Logger, now: o.Now, trouble: map[string]string{}}
	if k.now == nil {
		k.now = time.Now
	}
	if k.o.Names == nil {
		k.o.Names = machineNames
	}
	k.reloads = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tidegate_gateway_certificate_reloads_total", Help: "Certificates, and client CAs, that came while the server ran.",
	}, []string{"result"})
	return k
}

func (k *Keeper) register() error {
	if k.o.Registerer == nil {
		return nil
	}
	days := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tidegate_gateway_certificate_days_left", Help: "Whole days until the certificate ends; negative: it has ended.",
	}, func() float64 { return float64(k.Info().DaysLeft(k.now())) })
	for _, c := range []prometheus.Collector{k.reloads, days} {
		if err := k.o.Registerer.Register(c); err != nil {
			return fmt.Errorf("register the certificate's metrics: %w", err)
		}
	}
	return nil
}

// HTTPS answers how web page and API are served.
func (k *Keeper) HTTPS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: k.current}
}

// MQTTS answers how devices are served.
func (k *Keeper) MQTTS() *tls.Config {
	c := k.HTTPS()
	if k.devices.Load() != nil {
		c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return k.devices.Load().config, nil }
	}
	return c
}

func (k *Keeper) current(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.pair.Load(), nil }

// Run looks at the files until ctx ends; hangup makes it look at once.
func (k *Keeper) Run(ctx context.Context, hangup <-chan os.Signal) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			k.look(false)
		case <-hangup:
			k.look(true)
		}
	}
}

// look takes over what has changed; now says that the files are whole.
func (k *Keeper) look(now bool) {
	if roots := k.compare(now); roots != nil && k.o.ClientCAChanged != nil {
		k.o.ClientCAChanged(roots)
	}
}

// compare answers what devices are verified against, if that is new.
func (k *Keeper) compare(now bool) (roots *x509.CertPool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.own != nil {
		k.renew()
	} else if pair, ok, err := changed(k.files, now, k.parsePair); ok {
		if k.took("tls.cert", err) {
			k.pair.Store(pair)
			k.tell("took over the new certificate")
		}
	}
	if k.ca != nil {
		if t, ok, err := changed(k.ca, now, k.parseCA); ok && k.took("tls.client_ca", err) {
			k.devices.Store(t)
			k.log.Info("took over the new client CA", "file", k.o.ClientCA, "subjects", subjects(t.certs))
			roots = t.roots
		}
	}
	k.warn()
	return roots
}

// took notes whether what came is good, and tells when it is not.
func (k *Keeper) took(what string, err error) bool {
	if err == nil {
		delete(k.trouble, what)
		k.reloads.WithLabelValues("taken").Inc()
		return true
	}
	k.trouble[what] = "what came is not taken, and the one before stays: " + err.Error()
	k.reloads.WithLabelValues("refused").Inc()
	k.log.Error("what came is not taken; the one before stays", "setting", what, "error", err)
	return false
}

// tell logs what is in force.
func (k *Keeper) tell(message string) {
	i := k.Info()
	args := []any{"subject", i.Subject, "not_after", i.NotAfter.UTC().Format(time.RFC3339), "sha256", i.Fingerprint, "names", strings.Join(i.Names, " ")}
	if k.own != nil {
		args = append(args, "trust", k.own.file())
	}
	k.log.Info(message, args...)
}

// warn logs warnings when they are others than before; those that speak of days
// change once a day.
func (k *Keeper) warn() {
	all := k.warnings()
	said := strings.Join(all, "\n")
	if said == k.said {
		return
	}
	k.said = said
	for _, w := range all {
		k.log.Warn("certificate", "warning", w)
	}
}
