package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/rogpeppe/go-internal/testscript"

	"tidegate/api/client"
	"tidegate/store"
)

// commanded ORG DEVICE SECRET ANSWER connects a device that answers each command
// with its id and ANSWER, or acks it alone where that is empty, until the script
// ends.
func commanded(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: commanded org device secret answer")
	}
	topic := "org/" + args[0] + "/device/" + args[1]
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + ts.Getenv("MQTT")).SetClientID("board").
		SetUsername(args[1]).SetPassword(args[2]).SetAutoReconnect(false))
	ended := func(t mqtt.Token) {
		<-t.Done()
		ts.Check(t.Error())
	}
	ended(c.Connect())
	ts.Defer(func() { c.Disconnect(0) })
	ended(c.Subscribe(topic+"/command", 1, func(c mqtt.Client, m mqtt.Message) {
		var order struct{ ID string }
		if json.Unmarshal(m.Payload(), &order) == nil && args[3] != "" {
			c.Publish(topic+"/cmdres", 1, false, `{"id":"`+order.ID+`",`+args[3]+`}`)
		}
	}))
}

// queued DEVICE waits until a command of the device waits for it.
func queued(ts *testscript.TestScript, _ bool, args []string) {
	cl := dial(ts)
	until(ts, "queued", func(ctx context.Context) (bool, error) {
		l, err := cl.Commands(ctx, client.CommandQuery{DeviceID: args[0], State: store.CommandQueued})
		return len(l.Items) > 0, err
	})
}

// field PATH NAME keeps a field of the document on stdout in a variable.
func fieldOf(ts *testscript.TestScript, _ bool, args []string) {
	var doc map[string]any
	ts.Check(json.NewDecoder(strings.NewReader(ts.ReadFile("stdout"))).Decode(&doc))
	ts.Setenv(args[1], fmt.Sprint(doc[args[0]]))
}
