package cli

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"tidegate/api/client"
)

// mqttDoor is where programs of this machine publish: at the door without TLS,
// or else at the one with it.
type mqttDoor struct {
	addr string
	tls  *tls.Config // nil: without
}

// url answers the address as paho takes it.
func (d mqttDoor) url() string {
	if d.tls != nil {
		return "ssl://" + d.addr
	}
	return "tcp://" + d.addr
}

// doorOf answers the door of the server behind cl. Over TLS it is known by the
// fingerprint that the server itself tells over its socket, at each handshake
// anew: names do not matter then, and a certificate may be replaced meanwhile.
// Of a server elsewhere that is asked over TLS the same is wanted.
func (p *program) doorOf(s client.Status, cl *client.Client) mqttDoor {
	private := strings.HasPrefix(p.elsewhere(), "https:") && s.TLS != nil && s.TLS.MQTT != ""
	if s.TLS == nil || s.MQTT != "" && !private {
		return mqttDoor{addr: p.mqttAt(s.MQTT)}
	}
	return mqttDoor{addr: p.mqttAt(s.TLS.MQTT), tls: &tls.Config{
		InsecureSkipVerify: true, // by name and CA; see VerifyConnection
		VerifyConnection: func(cs tls.ConnectionState) error {
			ctx, cancel := context.WithTimeout(context.Background(), connectionTimeout)
			defer cancel()
			now, err := cl.Status(ctx)
			if err != nil {
				return fmt.Errorf("ask for the server's certificate: %w", err)
			}
			sum := sha256.Sum256(cs.PeerCertificates[0].Raw)
			if now.TLS == nil || !strings.EqualFold(strings.ReplaceAll(now.TLS.Fingerprint, ":", ""), hex.EncodeToString(sum[:])) {
				return errors.New("somebody else's certificate is at the server's address")
			}
			return nil
		},
	}}
}
