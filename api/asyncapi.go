package api

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

// liveExamplesJSON is a conversation over the live connection, which a test has.
//
//go:embed live.json
var liveExamplesJSON []byte

// liveExample is one message of the conversation.
type liveExample struct {
	Message string          `json:"message"` // its type
	Summary string          `json:"summary"`
	Payload json.RawMessage `json:"payload"`
}

// asyncAPI is the description of the live connection, AsyncAPI 3.0, as far as it
// is used.
type asyncAPI struct {
	AsyncAPI           string                    `json:"asyncapi"`
	Info               asyncInfo                 `json:"info"`
	DefaultContentType string                    `json:"defaultContentType"`
	Channels           map[string]asyncChannel   `json:"channels"`
	Operations         map[string]asyncOperation `json:"operations"`
	Components         asyncComponents           `json:"components"`

	registry huma.Registry
}

type asyncInfo struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Description string `json:"description"`
}

type asyncRef struct {
	Ref string `json:"$ref"`
}

type asyncChannel struct {
	Address     string              `json:"address"`
	Title       string              `json:"title"`
	Description string              `json:"description"`
	Messages    map[string]asyncRef `json:"messages"`
	Bindings    map[string]any      `json:"bindings"`
}

type asyncOperation struct {
	Action   string     `json:"action"` // of the server
	Channel  asyncRef   `json:"channel"`
	Title    string     `json:"title"`
	Security []asyncRef `json:"security,omitempty"`
	Messages []asyncRef `json:"messages"`
}

type asyncComponents struct {
	Messages        map[string]asyncMessage `json:"messages"`
	Schemas         map[string]*huma.Schema `json:"schemas"`
	SecuritySchemes map[string]any          `json:"securitySchemes"`
}

type asyncMessage struct {
	Name     string         `json:"name"`
	Title    string         `json:"title"`
	Payload  asyncRef       `json:"payload"`
	Examples []asyncExample `json:"examples,omitempty"`
}

type asyncExample struct {
	Summary string          `json:"summary,omitempty"`
	Payload json.RawMessage `json:"payload"`
}

const asyncPreface = `One WebSocket carries any number of kinds of events, chosen by up to sixteen subscriptions. Log in by an Authorization header at the handshake, or by the message auth within five seconds; send auth again before the token ends, else the connection does.

Guarantees. Each event of a subscription comes at most once, in the order of seq, and all that comes is complete up to the seq of the last message. A client that keeps up misses nothing. One that is slow gets the newest reading of each port and a count of those that were passed over; of other events the oldest go, and skipped says how many. The server never waits for a client.

After a break, subscribe with the stream that subscribed said and, as after, the seq of the last message of that subscription. The server keeps the last 16,384 events, and those for a minute after the last client has gone. If resumed is false, it could not be: ask for a snapshot, or query.

A snapshot is read after the subscription began. What happened while it was read may be in both, so take a reading that is not newer than the one you have for the same; nothing is in neither. Events that were passed over (rejections, messages) are in no snapshot.

A subscription that hears of nothing for fifteen seconds, while others do, gets readings without items, whose seq says how far the stream has come.

Unknown fields and types of messages may come with a later version: pass over them.`

// asyncDocument answers the description of the live connection as JSON.
func (s *Server) asyncDocument() ([]byte, error) {
	doc, err := s.describeLive()
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode AsyncAPI: %w", err)
	}
	return b, nil
}

// describeLive describes the live connection, from the types that it is made of.
func (s *Server) describeLive() (*asyncAPI, error) {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	registry.RegisterTypeAlias(reflect.TypeFor[store.Time](), reflect.TypeFor[time.Time]())
	registry.RegisterTypeAlias(reflect.TypeFor[store.Duration](), reflect.TypeFor[duration]())
	var examples []liveExample
	if err := json.Unmarshal(liveExamplesJSON, &examples); err != nil {
		return nil, fmt.Errorf("read live.json: %w", err)
	}
	const channel = "#/channels/live"
	doc := &asyncAPI{
		registry: registry,
		AsyncAPI: "3.0.0", Info: asyncInfo{"tidegate live", s.o.Version, asyncPreface}, DefaultContentType: "application/json",
		Operations: map[string]asyncOperation{},
		Components: asyncComponents{Messages: map[string]asyncMessage{}, SecuritySchemes: map[string]any{
			"bearer": map[string]string{"type": "http", "scheme": "bearer", "description": "an access token or an API key that may read; or none, and a token as the first message"},
		}},
	}
	live := asyncChannel{
		Address: livePath, Title: "Live", Description: "JSON text messages over WebSocket, told apart by type.",
		Messages: map[string]asyncRef{}, Bindings: map[string]any{"ws": map[string]string{"method": "GET", "bindingVersion": "0.1.0"}},
	}
	for _, of := range []struct {
		name, action, title string
		types               []reflect.Type
		security            []asyncRef
	}{
		{"say", "receive", "What a client says", liveSays, []asyncRef{{"#/components/securitySchemes/bearer"}}},
		{"tell", "send", "What the server tells", liveTells, nil},
	} {
		op := asyncOperation{Action: of.action, Channel: asyncRef{channel}, Title: of.title, Security: of.security}
		for _, t := range of.types {
			field, _ := t.FieldByName("Type")
			name := field.Tag.Get("enum")
			m := asyncMessage{Name: name, Title: strings.TrimPrefix(t.Name(), "Live"), Payload: asyncRef{registry.Schema(t, true, t.Name()).Ref}}
			for _, e := range examples {
				if e.Message == name {
					m.Examples = append(m.Examples, asyncExample{e.Summary, e.Payload})
				}
			}
			doc.Components.Messages[name] = m
			live.Messages[name] = asyncRef{"#/components/messages/" + name}
			op.Messages = append(op.Messages, asyncRef{channel + "/messages/" + name})
		}
		doc.Operations[of.name] = op
	}
	if i := slices.IndexFunc(examples, func(e liveExample) bool { _, ok := live.Messages[e.Message]; return !ok }); i >= 0 {
		return nil, fmt.Errorf("live.json: there is no message %q", examples[i].Message)
	}
	doc.Channels = map[string]asyncChannel{"live": live}
	doc.Components.Schemas = registry.Map()
	return doc, nil
}
