package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Config is every setting. Sizes are bytes.
type Config struct {
	HTTP struct {
		Listen string
	}
	MQTT struct {
		Listen         string
		MaxConnections int
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
	DeadLetters struct {
		KeepDays int
		MaxSize  int64
	}
	Auth struct {
		AccessTokenTTL time.Duration
	}
	Logging struct {
		Level  string // debug, info, warn, error
		Format string // text, json
	}
}

// Default answers the settings of a box that was told nothing.
func Default() Config {
	var c Config
	c.HTTP.Listen = ":8080"
	c.MQTT.Listen = ":1883"
	c.MQTT.MaxConnections = 20_000
	c.Log.MaxSize = 1 << 30
	c.Log.Linger = 5 * time.Millisecond
	c.Log.Window = 8 << 20
	c.Log.Unacked = 16 << 20
	c.Store.FlushInterval = 10 * time.Minute
	c.Store.FlushSize = 20 << 20
	c.Store.SettleAfter = 10 * time.Minute
	c.DeadLetters.KeepDays = 90
	c.DeadLetters.MaxSize = 1 << 30
	c.Auth.AccessTokenTTL = 8 * time.Hour
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
func Load(s Sources) (c Config, warnings []string, err error) {
	c = Default()
	t := newTable(&c)
	if s.DefaultYAML != nil {
		if err := t.readYAML("the built-in config.yaml", s.DefaultYAML); err != nil {
			return c, nil, err
		}
	}
	if s.File != "" {
		b, err := os.ReadFile(s.File)
		if err != nil {
			return c, nil, fmt.Errorf("read the configuration: %w", err)
		}
		if err := t.readYAML(s.File, b); err != nil {
			return c, nil, err
		}
	}
	warnings, err = t.readEnviron(s.Environ)
	if err != nil {
		return c, warnings, err
	}
	var faults []error
	for _, k := range t {
		text, ok := s.Flags[k.path]
		if !ok {
			continue
		}
		if err := k.value.set(text); err != nil {
			faults = append(faults, fmt.Errorf("flag for %s: %w", k.path, err))
		}
	}
	for path := range s.Flags {
		if t.find(path) == nil {
			faults = append(faults, fmt.Errorf("flag for %s: no such key%s", path, suggest(path, t.paths())))
		}
	}
	if len(faults) == 0 {
		faults = c.check()
	}
	return c, warnings, errors.Join(faults...)
}

// check finds what no single key can say.
func (c *Config) check() []error {
	var faults []error
	if c.Log.Window > c.Log.MaxSize {
		faults = append(faults, fmt.Errorf("log.window is %s, more than log.max_size %s: the window is a part of the log",
			FormatSize(c.Log.Window), FormatSize(c.Log.MaxSize)))
	}
	if c.HTTP.Listen == c.MQTT.Listen && !strings.HasSuffix(c.HTTP.Listen, ":0") {
		faults = append(faults, fmt.Errorf("http.listen and mqtt.listen are both %q: give each a port of its own", c.HTTP.Listen))
	}
	return faults
}
