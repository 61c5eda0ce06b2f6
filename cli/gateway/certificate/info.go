package certificate

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"time"
)

// Info is what people want to know of a certificate.
type Info struct {
	Subject     string
	Names       []string // host names and addresses that it is for
	NotBefore   time.Time
	NotAfter    time.Time
	Fingerprint string // SHA-256, as browsers and openssl show it
	SelfSigned  bool   // nobody but the box vouches for it
}

// DaysLeft answers how many whole days it is good for; negative: it has ended.
func (i Info) DaysLeft(now time.Time) int { return int(math.Floor(i.NotAfter.Sub(now).Hours() / 24)) }

// Info answers what is in force.
func (k *Keeper) Info() Info { return describe(k.pair.Load().Leaf, k.own != nil) }

func describe(c *x509.Certificate, own bool) Info {
	i := Info{
		Subject: name(c), NotBefore: c.NotBefore, NotAfter: c.NotAfter, Fingerprint: fingerprint(c.Raw),
		SelfSigned: own || c.CheckSignatureFrom(c) == nil || selfIssued(c),
	}
	i.Names = append(i.Names, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		i.Names = append(i.Names, ip.String())
	}
	return i
}

// selfIssued recognizes a certificate that signed itself without being a CA.
func selfIssued(c *x509.Certificate) bool {
	return string(c.RawIssuer) == string(c.RawSubject) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(pairs, ":")
}

// soon is how many days before its end a certificate that others make is warned
// of.
const soon = 14

// Warnings answers what somebody must do something about.
func (k *Keeper) Warnings() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.warnings()
}

func (k *Keeper) warnings() []string {
	now := k.now()
	var all []string
	if w := k.Info().warning(now, k.own != nil); w != "" {
		all = append(all, w)
	}
	if k.own != nil {
		if w := k.own.warning(now); w != "" {
			all = append(all, w)
		}
	}
	if t := k.devices.Load(); t != nil {
		all = append(all, t.warnings(now)...)
	}
	for _, setting := range []string{"tls.cert", "tls.client_ca"} {
		if why := k.trouble[setting]; why != "" {
			all = append(all, why)
		}
	}
	return all
}

// warning says what is wrong with the time of a certificate; own: the box
// renews it by itself.
func (i Info) warning(now time.Time, own bool) string {
	day := i.NotAfter.UTC().Format(time.DateOnly)
	left := i.DaysLeft(now)
	way := "put a new one in the place of tls.cert and tls.key; it is taken over within seconds"
	if own {
		way = "the log says why it was not renewed"
	}
	switch {
	case now.After(i.NotAfter):
		return fmt.Sprintf("the certificate of %s HAS EXPIRED on %s, %d days ago, and clients refuse it: %s", i.Subject, day, int(now.Sub(i.NotAfter).Hours()/24), way)
	case now.Before(i.NotBefore):
		return fmt.Sprintf("the certificate of %s is good from %s on, and clients refuse it before: see whether the clock of this box is right", i.Subject, i.NotBefore.UTC().Format(time.RFC3339))
	case left < soon:
		return fmt.Sprintf("the certificate of %s ends in %d days, on %s: %s", i.Subject, left, day, way)
	}
	return ""
}

// warnings says what is wrong with the time of the client CA.
func (t *trust) warnings(now time.Time) []string {
	var all []string
	for _, c := range t.certs {
		if now.After(c.NotAfter) {
			all = append(all, fmt.Sprintf("the client CA %s HAS EXPIRED on %s: no device that it signed for can log in with its certificate", name(c), c.NotAfter.UTC().Format(time.DateOnly)))
		}
	}
	slices.Sort(all)
	return all
}

// Inspect answers what Open would find, and what somebody must do about it. It
// makes nothing: ok is false while the box has not made its own certificate.
func Inspect(o Options) (i Info, warnings []string, ok bool, err error) {
	k := newKeeper(o)
	if o.Cert != "" {
		pair, err := first(newWatched(o.Cert, o.Key), k.parsePair)
		if err != nil {
			return i, nil, false, err
		}
		k.pair.Store(pair)
	} else {
		k.own, err = readAuthority(o.Dir)
		if errors.Is(err, fs.ErrNotExist) {
			return i, nil, false, nil
		}
		if err != nil {
			return i, nil, false, err
		}
		pair, err := k.own.read()
		if err != nil {
			return i, nil, false, nil //nolint:nilerr // the next start makes another
		}
		k.pair.Store(pair)
	}
	if o.ClientCA != "" {
		t, err := first(newWatched(o.ClientCA), k.parseCA)
		if err != nil {
			return i, nil, false, err
		}
		k.devices.Store(t)
	}
	return k.Info(), k.Warnings(), true, nil
}
