package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/store"
	"tidegate/store/embedded"
	"tidegate/store/mongo"
)

const (
	plcKey    = "key-0123456789abcdef"
	plcSecret = "of the PLC"
)

// plc is an API key of acme that may publish, in the catalogue of b.
func (b *box) plc() store.APIKey {
	b.t.Helper()
	s, err := embedded.OpenSecrets(b.path("secrets"))
	if err != nil {
		b.t.Fatal(err)
	}
	return store.APIKey{
		ID: plcKey, Name: "PLC", OrgID: "acme", Scopes: []store.Scope{store.ScopeIngest},
		SecretHash: store.HashSecret(s.Device, plcSecret), CreatedBy: "uid:7",
	}
}

// people adds to a stopped box with a catalogue of its own what is not of
// devices: API keys, a user with a name, one who was invited, an alert rule and a
// channel.
func (b *box) people() {
	b.t.Helper()
	ctx := b.t.Context()
	c, err := embedded.OpenCatalog(b.path("catalog.db"), embedded.CatalogOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	high := 80.0
	ops := store.Channel{ID: "ch-0", OrgID: "acme", Name: "ops", Type: store.ChannelWebhook, URL: "https://example.org", Headers: map[string]string{"B": "2", "A.b": "1"}, Secret: "s"}
	hot := store.AlertRule{
		ID: "rule-0", OrgID: "acme", Name: "hot", Severity: store.SeverityWarning, Labels: map[string]string{"b": "2", "a.b": "1"}, Channels: []string{"ch-0"},
		Selection: store.Selection{DeviceIDs: []string{"d1"}, Ports: []uint16{1}}, Condition: store.Condition{Kind: store.CondAbove, High: &high}, For: store.Duration(time.Minute),
	}
	listed, end := b.plc(), time.Now().Add(time.Hour)
	listed.ID, listed.DeviceIDs, listed.ExpiresAt = "key-1111111111111111", []string{"d1"}, &end
	err = errors.Join(
		c.CreateAPIKey(ctx, b.plc()), c.CreateAPIKey(ctx, listed),
		c.CreateUser(ctx, store.User{ID: "u1", Email: "bob@example.org", Name: "Bob", Role: store.RoleViewer, OrgID: "acme", PasswordHash: "$", PasswordChangedAt: end}),
		c.CreateUser(ctx, store.User{ID: "u2", Email: "eve@example.org", Role: store.RoleOrgAdmin, OrgID: "acme", LinkHash: []byte{1}, LinkExpires: end}),
		c.CreateChannel(ctx, ops), c.CreateAlertRule(ctx, hot),
		c.Close(),
	)
	if err != nil {
		b.t.Fatal(err)
	}
}

// send publishes with QoS 1 over a connection, and waits for the ack.
func (b *box) send(conn net.Conn, topic, payload string) {
	b.t.Helper()
	body := append(append([]byte{0, byte(len(topic))}, topic...), 0, 7)
	body = append(body, payload...)
	ack := make([]byte, 4)
	_, err := conn.Write(append([]byte{0x32, byte(len(body))}, body...))
	if err == nil {
		_, err = io.ReadFull(conn, ack)
	}
	if err != nil || ack[0] != 0x40 || ack[3] != 7 {
		b.t.Fatalf("publish to %s: %v, %v", topic, ack, err)
	}
}

// ended waits until the box ends a connection.
func (b *box) ended(conn net.Conn) {
	b.t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		b.t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		b.t.Errorf("the connection was not ended: %v", err)
	}
}

// TestKeySpeaksForDevices: a PLC publishes for devices that are there, and for
// one that nobody has made.
func TestKeySpeaksForDevices(t *testing.T) {
	b := newBox(t, "")
	b.start()
	b.sample()
	b.stop()
	b.people()
	b.start()
	conn := b.connect(plcKey, plcSecret)
	b.send(conn, "org/acme/device/d1/telemetry", `{"readings":[{"port":1,"value":1}]}`)
	b.send(conn, "org/acme/device/d9/telemetry", `{"readings":[{"port":1,"value":1}]}`)
	b.until("both are judged", func() bool { l := b.ledger(); return l.Stored == 1 && l.Rejected == 1 })
	letters, err := b.cl.DeadLetters(t.Context(), client.DeadLetterQuery{})
	if err != nil || len(letters.Items) != 1 || letters.Items[0].Reason != store.ReasonUnknownDevice || letters.Items[0].DeviceID != "d9" {
		t.Errorf("dead letters: %+v, %v", letters, err)
	}
}

// TestKeysOfOthers: an API key that another instance makes lets in here, and out
// when it is deleted there.
func TestKeysOfOthers(t *testing.T) {
	_, uri := mongod(t)
	b, ctx := newBox(t, uri), t.Context()
	b.start()
	b.sample()
	quiet := slog.New(slog.DiscardHandler)
	db, err := mongo.Open(mongo.Options{URI: uri, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	local, err := embedded.OpenCatalog(filepath.Join(t.TempDir(), "catalog.db"), embedded.CatalogOptions{Copy: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = local.Close() })
	other, err := mongo.OpenCatalog(db, local, mongo.CatalogOptions{Logger: quiet})
	if err == nil {
		err = other.CreateAPIKey(ctx, b.plc())
	}
	if err != nil {
		t.Fatal(err)
	}
	b.until("the key is known", func() bool { return b.tryConnect(plcKey, plcSecret) == nil })
	conn, device := b.connect(plcKey, plcSecret), b.connect("d1", "S")
	b.send(conn, "org/acme/device/d1/telemetry", `{"readings":[{"port":1,"value":1}]}`)
	if err := other.DeleteAPIKey(ctx, plcKey); err != nil {
		t.Fatal(err)
	}
	b.ended(conn)
	if err := b.tryConnect(plcKey, plcSecret); err == nil {
		t.Error("a deleted key lets in")
	}
	b.send(device, "org/acme/device/d1/telemetry", `{"readings":[{"port":1,"value":2}]}`)
}

// TestLostDeviceKey: with the key that secrets are hashed under, API keys are
// lost like devices.
func TestLostDeviceKey(t *testing.T) {
	b := newBox(t, "")
	b.start()
	if _, err := b.cl.CreateOrganization(t.Context(), client.NewOrganization{ID: "acme", Name: "Acme"}); err != nil {
		t.Fatal(err)
	}
	b.stop()
	c, err := embedded.OpenCatalog(b.path("catalog.db"), embedded.CatalogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.CreateAPIKey(t.Context(), b.plc()), c.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(b.path("secrets/device.key")); err != nil {
		t.Fatal(err)
	}
	if err := b.tryStart(); !errors.Is(err, store.ErrConflict) {
		t.Errorf("started, or %v", err)
	}
}
