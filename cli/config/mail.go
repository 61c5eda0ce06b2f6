package config

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"strings"
)

// checkMail finds what is wrong between the settings of the mail server.
func (c *Config) checkMail(t table) []error {
	m := c.SMTP
	var faults []error
	fault := func(path, format string, args ...any) {
		faults = append(faults, errors.New(t.place(path)+fmt.Sprintf(format, args...)))
	}
	if m.Host != "" && m.From == "" {
		fault("smtp.host", "smtp.host is given and smtp.from is not: name the sender, such as alarms@example.org")
	}
	if m.Host == "" && m.From != "" {
		fault("smtp.from", "smtp.from is given and smtp.host is not: name the mail server")
	}
	if m.Password != "" && m.PasswordFile != "" {
		fault("smtp.password_file", "smtp.password and smtp.password_file are both given: choose one")
	}
	if (m.Password != "" || m.PasswordFile != "") && m.User == "" {
		fault("smtp.password", "a password for the mail server is given and smtp.user is not: name whose it is")
	}
	return faults
}

// mailWarnings says what is right, and perhaps not meant so.
func (c *Config) mailWarnings() []string {
	m := c.SMTP
	if m.Host == "" || m.User == "" || m.TLS != "none" || m.Host == "localhost" || net.ParseIP(m.Host).IsLoopback() {
		return nil
	}
	return []string{"smtp.tls is none: the password for " + m.Host + " can be read on the way there; starttls or tls keep it"}
}

// textValue takes one line.
type textValue struct{ to *string }

func (v textValue) text() string { return *v.to }

func (v textValue) set(text string) error {
	if strings.ContainsAny(text, "\x00\n\r") {
		return fmt.Errorf("%q has a line break in it", text)
	}
	*v.to = text
	return nil
}

// hostValue takes the name or address of another machine; empty: none.
type hostValue struct{ to *string }

func (v hostValue) text() string { return *v.to }

func (v hostValue) set(text string) error {
	if _, err := netip.ParseAddr(text); err != nil && strings.ContainsAny(text, ":/@ \t\x00\n\r") {
		return fmt.Errorf("%q is not the name of a machine, such as mail.example.org; its port is a key of its own", text)
	}
	*v.to = text
	return nil
}

// mailboxValue takes an address of email, perhaps with a name; empty: none.
type mailboxValue struct{ to *string }

func (v mailboxValue) text() string { return *v.to }

func (v mailboxValue) set(text string) error {
	if _, err := mail.ParseAddress(text); err != nil && text != "" {
		return fmt.Errorf("%q is not an address such as alarms@example.org or Plant <alarms@example.org>", text)
	}
	*v.to = text
	return nil
}

// pageValue takes the address of a page, and keeps it without a slash at its end;
// empty: none.
type pageValue struct{ to *string }

func (v pageValue) text() string { return *v.to }

func (v pageValue) set(text string) error {
	u, err := url.Parse(text)
	if text != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
		return fmt.Errorf("%q is not the address of a page, such as https://box.example.org", text)
	}
	*v.to = strings.TrimRight(text, "/")
	return nil
}
