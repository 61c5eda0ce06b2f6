package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"tidegate/api/client"
)

// login answers a user name and a password; it is asked at each connect, so
// that short-lived ones may be renewed.
type login func(context.Context) (user, password string, err error)

// grantTTL is how long a login made for a replay lasts.
const grantTTL = time.Hour

// grantLogin answers short-lived logins that publish for every device of an
// organization.
func grantLogin(cl *client.Client, org string) login {
	return func(ctx context.Context) (string, string, error) {
		g, err := cl.Grant(ctx, org, grantTTL)
		return g.Name, g.Secret, err
	}
}

// publisher sends telemetry with QoS 1 over one connection, in order, with a
// bounded number without ack. After a broken connection it sends again, in the
// same order, what was not acked: the server's deduplication makes that safe.
type publisher struct {
	door   mqttDoor
	login  login
	client string // MQTT client id
	device string // org/…/device/…, whose commands it carries out; empty: of none
	window int
	acked  func(messages int)
	warn   func(format string, args ...any)

	conn    mqtt.Client
	lost    chan struct{} // closed when conn is lost
	pending []outgoing
}

// outgoing is a message without ack.
type outgoing struct {
	topic   string
	payload []byte
	token   mqtt.Token // nil: it was not sent, the connection is lost
}

// ended is closed once the message is acked or failed.
func (o *outgoing) ended() <-chan struct{} {
	if o.token == nil {
		c := make(chan struct{})
		close(c)
		return c
	}
	return o.token.Done()
}

func (o *outgoing) err() error {
	if o.token == nil {
		return errors.New("connection lost")
	}
	return o.token.Error()
}

// reconnects is how often in a row a connection may fail without a single ack.
const reconnects = 8

// connectionTimeout bounds one attempt to connect.
const connectionTimeout = 10 * time.Second

// publish sends one message; it blocks while the window is full.
func (p *publisher) publish(ctx context.Context, topic string, payload []byte) error {
	if p.conn == nil {
		if err := p.connect(ctx); err != nil {
			return err
		}
	}
	for len(p.pending) >= p.window {
		if err := p.await(ctx); err != nil {
			return err
		}
	}
	p.pending = append(p.pending, outgoing{topic, payload, p.send(topic, payload)})
	return p.reap(ctx)
}

// send hands a message to the connection. The library's call blocks for half a
// minute when the connection breaks meanwhile; then it is left behind.
func (p *publisher) send(topic string, payload []byte) mqtt.Token {
	conn, sent := p.conn, make(chan mqtt.Token, 1)
	go func() { sent <- conn.Publish(topic, 1, false, payload) }()
	select {
	case t := <-sent:
		return t
	case <-p.lost:
		return nil
	}
}

// reap takes the acks that are there already.
func (p *publisher) reap(ctx context.Context) error {
	for len(p.pending) > 0 {
		select {
		case <-p.pending[0].ended():
			if err := p.await(ctx); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

// flush waits until everything is acked.
func (p *publisher) flush(ctx context.Context) error {
	for len(p.pending) > 0 {
		if err := p.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// drain waits for what is in flight and gives up what the connection loses.
func (p *publisher) drain(ctx context.Context) {
	for len(p.pending) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-p.pending[0].ended():
		}
		if p.pending[0].err() == nil && p.acked != nil {
			p.acked(1)
		}
		p.pending = p.pending[1:]
	}
}

// await waits for the oldest ack.
func (p *publisher) await(ctx context.Context) error {
	failed := 0
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.pending[0].ended():
		}
		err := p.pending[0].err()
		if err == nil {
			p.pending[0] = outgoing{}
			p.pending = p.pending[1:]
			if p.acked != nil {
				p.acked(1)
			}
			return nil
		}
		if failed++; failed > reconnects {
			return fmt.Errorf("publish to %s: the connection broke %d times without an ack: %w", p.pending[0].topic, failed, err)
		}
		p.warn("the connection broke (%v); connecting again", err)
		if err := pause(ctx, time.Duration(failed-1)*time.Second); err != nil {
			return err
		}
		if err := p.reconnect(ctx); err != nil {
			return err
		}
	}
}

func (p *publisher) reconnect(ctx context.Context) error {
	p.conn.Disconnect(0)
	var err error
	for attempt := range reconnects {
		if err = p.connect(ctx); err == nil {
			for i, m := range p.pending {
				p.pending[i].token = p.send(m.topic, m.payload)
			}
			return nil
		}
		if e := pause(ctx, time.Duration(attempt+1)*time.Second); e != nil {
			return e
		}
	}
	return err
}

func (p *publisher) connect(ctx context.Context) error {
	user, password, err := p.login(ctx)
	if err != nil {
		return fmt.Errorf("get a login for MQTT: %w", err)
	}
	lost := make(chan struct{})
	o := mqtt.NewClientOptions().AddBroker(p.door.url()).SetTLSConfig(p.door.tls).SetClientID(p.client).
		SetUsername(user).SetPassword(password).SetCleanSession(true).SetOrderMatters(false).
		SetAutoReconnect(false).SetConnectRetry(false).SetConnectTimeout(connectionTimeout).
		SetKeepAlive(30 * time.Second).
		SetConnectionLostHandler(func(mqtt.Client, error) { close(lost) })
	p.lost = lost
	p.conn = mqtt.NewClient(o)
	t := p.conn.Connect()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.Done():
	}
	if err := t.Error(); err != nil {
		return fmt.Errorf("connect to MQTT at %s as %s: %w", p.door.addr, user, err)
	}
	return p.obey(ctx)
}

// obey listens for commands of the device, if there is one, and answers each
// with what it got: carried out.
func (p *publisher) obey(ctx context.Context) error {
	if p.device == "" {
		return nil
	}
	t := p.conn.Subscribe(p.device+"/command", 1, func(conn mqtt.Client, m mqtt.Message) {
		if said := echo(m.Payload()); said != nil {
			conn.Publish(p.device+"/cmdres", 1, false, said)
		}
	})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.Done():
	}
	if err := t.Error(); err != nil {
		return fmt.Errorf("subscribe to %s/command: %w", p.device, err)
	}
	return nil
}

// echo answers a command as carried out, with its own params; nil: it is none.
func echo(command []byte) []byte {
	var c struct {
		ID     string          `json:"id"`
		Params json.RawMessage `json:"params"`
	}
	if json.Unmarshal(command, &c) != nil || c.ID == "" {
		return nil
	}
	said, err := json.Marshal(map[string]any{"id": c.ID, "status": "ok", "result": map[string]json.RawMessage{"echo": c.Params}})
	if err != nil {
		return nil
	}
	return said
}

// close ends the connection; what is without ack stays so.
func (p *publisher) close() {
	if p.conn != nil {
		p.conn.Disconnect(100)
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// reachable turns the address of a listener into one to connect to.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}

// mqttAt answers where a server's MQTT is, which says that it listens there.
func (p *program) mqttAt(listen string) string {
	_, port, err := net.SplitHostPort(listen)
	u, urlErr := url.Parse(p.elsewhere())
	if p.elsewhere() == "" || err != nil || urlErr != nil {
		return reachable(listen)
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// newClientID answers a client id of which there is one.
func newClientID(prefix string) string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails: see crypto/rand
	return prefix + "-" + hex.EncodeToString(b[:])
}
