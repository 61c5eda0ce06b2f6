package broker

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"
)

// peer is a client that speaks raw packets.
type peer struct {
	t testing.TB
	net.Conn
	r  *bufio.Reader
	v5 bool
}

// packet is a packet as it came.
type packet struct {
	head byte
	body []byte
}

func (p packet) kind() byte { return p.head >> 4 }

func (x *box) dial(v5 bool) *peer {
	x.t.Helper()
	return dial(x.t, x.addr, v5)
}

func dial(t testing.TB, addr string, v5 bool) *peer {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &peer{t: t, Conn: c, r: bufio.NewReader(c), v5: v5}
}

type connect struct {
	id, user, password string
	keep               uint16
	stored             bool // clean session off
	expiry             uint32
	willTopic, will    string
	willQos            byte
	level              byte // protocol level, when not 4 or 5
	noUser, noPassword bool
}

func str(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }

func frameOf(head byte, body []byte) []byte {
	return append(append([]byte{head}, varint(len(body))...), body...)
}

func varint(n int) []byte {
	var out []byte
	for {
		b := byte(n & 0x7f)
		if n >>= 7; n > 0 {
			b |= 0x80
		}
		out = append(out, b)
		if n == 0 {
			return out
		}
	}
}

func (c connect) packet(v5 bool) []byte {
	level, name := byte(4), "MQTT"
	if v5 {
		level = 5
	}
	if c.level != 0 {
		level = c.level
	}
	if level == 3 {
		name = "MQIsdp"
	}
	var flags byte
	if !c.stored {
		flags |= 2
	}
	if c.willTopic != "" {
		flags |= 4 | c.willQos<<3
	}
	if !c.noUser {
		flags |= 0xC0
	}
	if c.noPassword {
		flags &^= 0x40
	}
	b := append(str(name), level, flags)
	b = binary.BigEndian.AppendUint16(b, c.keep)
	if v5 {
		if c.expiry > 0 {
			b = binary.BigEndian.AppendUint32(append(b, 5, 17), c.expiry)
		} else {
			b = append(b, 0)
		}
	}
	b = append(b, str(c.id)...)
	if c.willTopic != "" {
		if v5 {
			b = append(b, 0)
		}
		b = append(append(b, str(c.willTopic)...), str(c.will)...)
	}
	if !c.noUser {
		b = append(b, str(c.user)...)
		if !c.noPassword {
			b = append(b, str(c.password)...)
		}
	}
	return frameOf(0x10, b)
}

func (p *peer) send(b []byte) {
	p.t.Helper()
	if _, err := p.Write(b); err != nil {
		p.t.Fatalf("write: %v", err)
	}
}

func (p *peer) read() (packet, error) {
	head, err := p.r.ReadByte()
	if err != nil {
		return packet{}, err
	}
	n, err := binary.ReadUvarint(p.r)
	if err != nil {
		return packet{}, err
	}
	body := make([]byte, n)
	_, err = io.ReadFull(p.r, body)
	return packet{head, body}, err
}

// expect reads the next packet, which must be of the kind.
func (p *peer) expect(kind byte) packet {
	p.t.Helper()
	pk, err := p.read()
	if err != nil {
		p.t.Fatalf("waiting for packet type %d: %v", kind, err)
	}
	if pk.kind() != kind {
		p.t.Fatalf("packet type %d (% x), want %d", pk.kind(), pk.body, kind)
	}
	return pk
}

// gone reads until the broker closes, and answers what came.
func (p *peer) gone() []packet {
	p.t.Helper()
	var all []packet
	for {
		pk, err := p.read()
		if isTimeout(err) {
			p.t.Fatal("the broker does not close the connection")
		}
		if err != nil {
			return all
		}
		all = append(all, pk)
	}
}

// login connects and answers the return code.
func (p *peer) login(c connect) byte {
	p.t.Helper()
	p.send(c.packet(p.v5))
	return p.expect(2).body[1]
}

// device logs a device in, with its right secret.
func (x *box) device(v5 bool, id, client string) *peer {
	x.t.Helper()
	p := x.dial(v5)
	if code := p.login(connect{id: client, user: id, password: "s-" + id}); code != 0 {
		x.t.Fatalf("login of %s: code %#x", id, code)
	}
	return p
}

func (p *peer) publishPacket(topic, payload string, qos byte, id uint16, flags byte) []byte {
	b := str(topic)
	if qos > 0 {
		b = binary.BigEndian.AppendUint16(b, id)
	}
	if p.v5 {
		b = append(b, 0)
	}
	return frameOf(0x30|qos<<1|flags, append(b, payload...))
}

func (p *peer) publish(topic, payload string, qos byte, id uint16) {
	p.t.Helper()
	p.send(p.publishPacket(topic, payload, qos, id, 0))
}

func (p *peer) subscribe(id uint16, qos byte, filters ...string) []byte {
	p.t.Helper()
	b := binary.BigEndian.AppendUint16(nil, id)
	if p.v5 {
		b = append(b, 0)
	}
	for _, f := range filters {
		b = append(append(b, str(f)...), qos)
	}
	p.send(frameOf(0x82, b))
	ack := p.expect(9).body
	if got := binary.BigEndian.Uint16(ack); got != id {
		p.t.Fatalf("SUBACK for packet %d, want %d", got, id)
	}
	if p.v5 {
		return ack[3+int(ack[2]):]
	}
	return ack[2:]
}

// ack reads a PUBACK and answers its packet id and reason code.
func (p *peer) ack() (uint16, byte) {
	p.t.Helper()
	b := p.expect(4).body
	if len(b) > 2 {
		return binary.BigEndian.Uint16(b), b[2]
	}
	return binary.BigEndian.Uint16(b), 0
}

// ping says that everything sent before was processed.
func (p *peer) ping() {
	p.t.Helper()
	p.send([]byte{0xC0, 0})
	p.expect(13)
}

// message reads a PUBLISH.
func (p *peer) message() (topic, payload string, id uint16, retained bool) {
	p.t.Helper()
	pk := p.expect(3)
	n := int(binary.BigEndian.Uint16(pk.body))
	topic, rest := string(pk.body[2:2+n]), pk.body[2+n:]
	if pk.head&6 != 0 {
		id, rest = binary.BigEndian.Uint16(rest), rest[2:]
	}
	if p.v5 {
		rest = rest[1+int(rest[0]):]
	}
	return topic, string(rest), id, pk.head&1 != 0
}
