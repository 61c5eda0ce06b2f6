package api

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// wire is a live client that sees each frame, as a browser does.
type wire struct {
	net.Conn
	r *bufio.Reader
}

func (b *box) wire(t *testing.T) wire {
	t.Helper()
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", strings.TrimPrefix(b.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	request := "GET " + livePath + " HTTP/1.1\r\nHost: box\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
	if _, err := c.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	w := wire{c, bufio.NewReader(c)}
	answer, err := http.ReadResponse(w.r, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(answer, err)
	}
	_ = answer.Body.Close()
	return w
}

// send writes a frame of at most 65,535 bytes, masked, as clients must.
func (w wire) send(t *testing.T, first byte, payload []byte) {
	t.Helper()
	const masked = 0x80
	out := []byte{first, masked | 126}
	out = binary.BigEndian.AppendUint16(out, uint16(len(payload)))
	if len(payload) < 126 {
		out = []byte{first, masked | byte(len(payload))}
	}
	var mask [4]byte
	_, _ = rand.Read(mask[:])
	out = append(out, mask[:]...)
	for i, c := range payload {
		out = append(out, c^mask[i%4])
	}
	if _, err := w.Write(out); err != nil {
		t.Fatal(err)
	}
}

// frame reads the next one; first is 0 at the end of the connection.
func (w wire) frame(t *testing.T) (first byte, payload []byte) {
	t.Helper()
	var head [2]byte
	if _, err := io.ReadFull(w.r, head[:]); err != nil {
		return 0, nil
	}
	size := int(head[1])
	if size == 126 {
		var more [2]byte
		if _, err := io.ReadFull(w.r, more[:]); err != nil {
			t.Fatal(err)
		}
		size = int(binary.BigEndian.Uint16(more[:]))
	}
	payload = make([]byte, size)
	if _, err := io.ReadFull(w.r, payload); err != nil {
		t.Fatal(err)
	}
	return head[0], payload
}

// TestLiveClosesOnce: who is sent away is told by one close frame, and its
// answer is the end; who goes gets one as answer.
func TestLiveClosesOnce(t *testing.T) {
	const text = 0x81
	b := newBox(t, func(o *Options) { o.AccessTokenTTL = time.Second }).withSample(t)
	auth, err := json.Marshal(LiveAuth{Type: "auth", Token: b.ann(t).AccessToken})
	if err != nil {
		t.Fatal(err)
	}
	for name, leaves := range map[string]bool{"the server closes": false, "the client closes": true} {
		w := b.wire(t)
		code := []byte{1008 >> 8, 1008 & 0xff}
		if leaves {
			code = []byte{1000 >> 8, 1000 & 0xff}
			w.send(t, opClose, code)
		} else {
			w.send(t, text, auth)
			if first, payload := w.frame(t); first != text || !strings.Contains(string(payload), "expired") {
				t.Fatalf("%s: %x %s", name, first, payload)
			}
		}
		first, payload := w.frame(t)
		if first != opClose || !bytes.HasPrefix(payload, code) {
			t.Fatalf("%s: %x %q", name, first, payload)
		}
		if !leaves {
			w.send(t, opClose, payload[:2])
		}
		if first, payload := w.frame(t); first != 0 {
			t.Errorf("%s: after the close frame: %x %q", name, first, payload)
		}
	}
}

// TestClosesOnce: what follows a close frame is dropped, and payload that looks
// like one is none, in whatever pieces it is written.
func TestClosesOnce(t *testing.T) {
	here, there := net.Pipe()
	defer func() { _ = there.Close() }()
	got := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(there)
		got <- b
	}()
	long := append([]byte{0x81, 127, 0, 0, 0, 0, 0, 2, 0x22, 0xe0}, bytes.Repeat([]byte{opClose, 2}, 70_000)...)
	medium := append([]byte{0x81, 126, 0x01, 0x00}, bytes.Repeat([]byte{opClose}, 256)...)
	end := []byte{opClose, 2, 0x03, 0xe9}
	c := &closesOnce{Conn: here}
	for _, piece := range [][]byte{
		medium, long[:4096], long[4096:100_001], long[100_001:], {0x89, 0}, append(append([]byte{0x8a, 1, opClose}, end...), end...), end, {0x89, 0},
	} {
		if n, err := c.Write(piece); n != len(piece) || err != nil {
			t.Fatalf("%d of %d bytes: %v", n, len(piece), err)
		}
	}
	if err := here.Close(); err != nil {
		t.Fatal(err)
	}
	want := append(append(append(medium, long...), 0x89, 0, 0x8a, 1, opClose), end...)
	if b := <-got; !bytes.Equal(b, want) {
		t.Errorf("%d bytes of %d arrive", len(b), len(want))
	}
}
