package broker

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/autopaho/queue/memory"
	"github.com/eclipse/paho.golang/paho"
	pahov3 "github.com/eclipse/paho.mqtt.golang"
)

// autopaho keeps as many messages in flight as it may, and is never told that
// they are too many.
func TestAutopaho(t *testing.T) {
	x := newBox(t)
	server, err := url.Parse("mqtt://" + x.addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var mu sync.Mutex
	var faults []string
	fault := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		faults = append(faults, s)
	}
	ups := 0
	commands := make(chan string, 10)
	cm, err := autopaho.NewConnection(ctx, autopaho.ClientConfig{
		ServerUrls: []*url.URL{server}, KeepAlive: 20, SessionExpiryInterval: 60,
		ConnectUsername: "d1", ConnectPassword: []byte("s-d1"), Queue: memory.New(),
		OnConnectionUp: func(*autopaho.ConnectionManager, *paho.Connack) {
			mu.Lock()
			defer mu.Unlock()
			ups++
		},
		OnConnectError: func(err error) { fault(err.Error()) },
		ClientConfig: paho.ClientConfig{
			ClientID:           "auto",
			OnServerDisconnect: func(d *paho.Disconnect) { fault(fmt.Sprintf("disconnect %#x", d.ReasonCode)) },
			OnClientError:      func(err error) { fault(err.Error()) },
			OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(r paho.PublishReceived) (bool, error) {
				commands <- string(r.Packet.Payload)
				return true, nil
			}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := cm.AwaitConnection(ctx); err != nil {
		t.Fatal(err)
	}
	_, err = cm.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "org/acme/device/d1/command", QoS: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	const n = 3000 // three times the receive maximum
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if _, err := cm.Publish(ctx, &paho.Publish{Topic: telemetryD1, QoS: 1, Payload: fmt.Append(nil, i)}); err != nil {
				fault(err.Error())
			}
		})
	}
	wg.Wait()
	seen := make(map[string]bool)
	for _, m := range x.wal.taken(n) {
		seen[string(m.Payload)] = true
	}
	if len(seen) != n {
		t.Errorf("%d of %d messages", len(seen), n)
	}
	if _, err := cm.Publish(ctx, &paho.Publish{Topic: "org/acme/device/d2/telemetry", QoS: 1}); err == nil {
		t.Error("published to another device's topic")
	}
	if _, err := cm.Publish(ctx, &paho.Publish{Topic: "org/acme/device/d1/command", QoS: 1, Payload: []byte("go")}); err != nil {
		t.Error(err)
	}
	if got := <-commands; got != "go" {
		t.Errorf("command %q", got)
	}
	if err := cm.Disconnect(ctx); err != nil {
		t.Error(err)
	}
	x.until("offline", func() bool { return x.lifecycle[len(x.lifecycle)-1] == "d1 offline disconnected" })
	mu.Lock()
	defer mu.Unlock()
	if len(faults) != 0 || ups != 1 {
		t.Errorf("%d connections, faults %q", ups, faults)
	}
}

func TestPahoV3(t *testing.T) {
	x := newBox(t)
	lost := make(chan error, 1)
	c := pahov3.NewClient(pahov3.NewClientOptions().AddBroker("tcp://" + x.addr).SetClientID("v3").
		SetUsername("SN1").SetPassword("s-d1").SetAutoReconnect(false).SetCleanSession(false).
		SetConnectionLostHandler(func(_ pahov3.Client, err error) { lost <- err }))
	if tok := c.Connect(); !tok.WaitTimeout(10*time.Second) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	commands := make(chan string, 1)
	tok := c.Subscribe("org/acme/device/d1/command", 1, func(_ pahov3.Client, m pahov3.Message) { commands <- string(m.Payload()) })
	if !tok.WaitTimeout(10*time.Second) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	const n = 3000
	tokens := make([]pahov3.Token, n)
	for i := range tokens {
		tokens[i] = c.Publish(telemetryD1, 1, false, fmt.Append(nil, i))
	}
	for i, tok := range tokens {
		if !tok.WaitTimeout(10*time.Second) || tok.Error() != nil {
			t.Fatalf("message %d: %v", i, tok.Error())
		}
	}
	if got := len(x.wal.taken(n)); got != n {
		t.Errorf("%d messages, want %d", got, n)
	}
	c.Publish("org/acme/device/d1/command", 1, false, "go")
	select {
	case got := <-commands:
		if got != "go" {
			t.Errorf("command %q", got)
		}
	case <-time.After(10 * time.Second):
		t.Error("no command")
	}
	select {
	case err := <-lost:
		t.Errorf("connection lost: %v", err)
	default:
	}
	c.Publish("org/acme/device/d2/telemetry", 1, false, "x") // MQTT 3 can only hang up
	select {
	case err := <-lost:
		if err == nil {
			t.Error("lost without an error")
		}
	case <-time.After(10 * time.Second):
		t.Error("still connected")
	}
	c.Disconnect(0)
}
