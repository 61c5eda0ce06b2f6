package gateway

import (
	"strings"
	"time"

	"tidegate/ingest"
	"tidegate/store"
)

// noting is who logs in over MQTT, with a note of each API key that is in use:
// at its login, and while it is connected, because the broker asks then whether
// it would be let in still.
type noting struct {
	*ingest.Registry
	uses store.KeyUses
}

// overMQTT stands where HTTP has an address.
const overMQTT = "mqtt"

// Login implements broker.Authenticator.
func (n noting) Login(name string, secret []byte) (*ingest.Principal, error) {
	p, err := n.Registry.Login(name, secret)
	if err == nil {
		n.note(p)
	}
	return p, err
}

// Current implements broker.Authenticator.
func (n noting) Current(p *ingest.Principal) bool {
	is := n.Registry.Current(p)
	if is {
		n.note(p)
	}
	return is
}

func (n noting) note(p *ingest.Principal) {
	if id, ok := strings.CutPrefix(p.Name, ingest.KeyPrincipal("")); ok {
		n.uses.NoteKeyUse(id, store.KeyUse{At: time.Now(), Remote: overMQTT})
	}
}
