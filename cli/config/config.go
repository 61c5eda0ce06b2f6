package config

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Config is every setting. Sizes are bytes.
type Config struct {
	HTTP struct {
		Listen      string // empty: closed
		TLSListen   string // with TLS; empty: closed
		Redirect    bool   // from Listen to TLSListen
		CORSOrigins List   // of pages elsewhere that may ask the API
		// Requests a second; twice as many at once. 0: no limit.
		RateLimit, RateLimitAddress int
		// Live connections at once: in all, and of one person or key.
		LiveConnections, LiveConnectionsUser int
	}
	MQTT struct {
		Listen         string // empty: closed
		TLSListen      string // with TLS; empty: closed
		MaxConnections int
	}
	TLS struct {
		Cert, Key      string // PEM files; empty: there is no TLS, or it is self-signed
		SelfSigned     bool
		ClientCA       string // PEM file: who signs the certificates of devices
		ClientRequired bool
	}
	Log struct {
		MaxSize int64
		Linger  time.Duration
		Window  int64
		Unacked int64
	}
	Store struct {
		FlushInterval time.Duration
		FlushSize     int64
		SettleAfter   time.Duration
		KeepMonths    int // 0: for ever
	}
	Mongo struct {
		FlushInterval time.Duration // the longest that readings wait in memory
		FlushSize     int64
		Writers       int  // insert commands at once
		RawPayload    bool // keep each reading's whole message beside it
	}
	DeadLetters struct {
		KeepDays int
		MaxSize  int64
	}
	Alerts struct {
		MaxAge time.Duration // of a reading against its receipt: an older one pages nobody
	}
	Notify struct {
		Allow     List          // ranges of addresses that are not public, to which messages may go all the same
		GroupWait time.Duration // that silent ports wait for each other; 0: not at all
		BaseURL   string        // where people reach the page, for links; empty: messages have none
	}
	SMTP struct {
		Host         string // empty: no email is sent
		Port         int    // 0: the usual one of TLS
		User         string // empty: without a login
		Password     Secret
		PasswordFile string // instead of Password
		From         string // address, perhaps with a name
		TLS          string // starttls, tls, none
	}
	Auth struct {
		AccessTokenTTL time.Duration
		SessionTTL     time.Duration // a login that is not used for so long is over
	}
	// MongoURI is MONGO_URI, which holds a password, and so is taken from the
	// environment alone; empty: the embedded store.
	MongoURI string
	Logging  struct {
		Level  string // debug, info, warn, error
		Format string // text, json
	}
}

// Default answers the settings of a box that was told nothing.
func Default() Config {
	var c Config
	c.HTTP.Listen, c.HTTP.TLSListen = ":8080", ":8443"
	c.HTTP.Redirect = true
	c.HTTP.RateLimit, c.HTTP.RateLimitAddress = 50, 50
	c.HTTP.LiveConnections, c.HTTP.LiveConnectionsUser = 2000, 64
	c.MQTT.Listen, c.MQTT.TLSListen = ":1883", ":8883"
	c.MQTT.MaxConnections = 20_000
	c.Log.MaxSize = 1 << 30
	c.Log.Linger = 5 * time.Millisecond
	c.Log.Window = 8 << 20
	c.Log.Unacked = 16 << 20
	c.Store.FlushInterval = 10 * time.Minute
	c.Store.FlushSize = 16 << 20
	c.Store.SettleAfter = 10 * time.Minute
	c.Mongo.FlushInterval = 10 * time.Second
	c.Mongo.FlushSize = 16 << 20
	c.Mongo.Writers = 2
	c.DeadLetters.KeepDays = 90
	c.DeadLetters.MaxSize = 1 << 30
	c.Alerts.MaxAge = 5 * time.Minute
	c.Notify.GroupWait = 5 * time.Second
	c.SMTP.TLS = "starttls"
	c.Auth.AccessTokenTTL = 15 * time.Minute
	c.Auth.SessionTTL = 30 * 24 * time.Hour
	c.Logging.Level = "info"
	c.Logging.Format = "text"
	return c
}

// Sources are where settings come from, weakest first.
type Sources struct {
	DefaultYAML []byte            // the commented default; nil: the code's
	File        string            // path; empty: none
	Environ     []string          // KEY=value, as os.Environ answers
	Flags       map[string]string // by key, such as http.listen
}

// Load answers the settings and what a person should know about them. Every
// fault of one source is in the error.
func Load(s Sources) (Config, []string, error) {
	c := Default()
	warnings, err := newTable(&c).load(&c, s)
	return c, warnings, err
}

// load takes the sources into c, whose table it is.
func (t table) load(c *Config, s Sources) (warnings []string, err error) {
	if s.DefaultYAML != nil {
		if err := t.readYAML("the built-in config.yaml", s.DefaultYAML); err != nil {
			return nil, err
		}
		for i := range t {
			t[i].source, t[i].origin = SourceDefault, "" // a default was given by nobody
		}
	}
	if s.File != "" {
		b, err := os.ReadFile(s.File)
		if err != nil {
			return nil, fmt.Errorf("read the configuration: %w", err)
		}
		if err := t.readYAML(s.File, b); err != nil {
			return nil, err
		}
	}
	warnings, err = t.readEnviron(s.Environ, &c.MongoURI)
	if err != nil {
		return warnings, err
	}
	var faults []error
	for i, k := range t {
		text, ok := s.Flags[k.path]
		if !ok {
			continue
		}
		if err := t[i].set(text, SourceFlag, "flag for "+k.path); err != nil {
			faults = append(faults, fmt.Errorf("flag for %s: %w", k.path, err))
		}
	}
	for path := range s.Flags {
		if t.find(path) == nil {
			faults = append(faults, fmt.Errorf("flag for %s: no such key%s", path, suggest(path, t.paths())))
		}
	}
	if len(faults) == 0 {
		faults = append(append(c.check(), c.checkDoors(t)...), c.checkMail(t)...)
	}
	return append(append(warnings, c.warnings()...), c.mailWarnings()...), errors.Join(faults...)
}

// check finds what no single key can say.
func (c *Config) check() []error {
	var faults []error
	if c.Log.Window > c.Log.MaxSize {
		faults = append(faults, fmt.Errorf("log.window is %s, more than log.max_size %s: the window is a part of the log",
			FormatSize(c.Log.Window), FormatSize(c.Log.MaxSize)))
	}
	if c.MongoURI != "" && c.Store.KeepMonths > 0 {
		faults = append(faults, errors.New("store.keep_months drops months of the embedded store, and MONGO_URI is set: leave it out, and let the collection values expire by collMod expireAfterSeconds"))
	}
	return faults
}
