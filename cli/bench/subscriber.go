package bench

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// subscriber is an MQTT client that subscribes with QoS 1 and acks each message
// as it comes, like most.
type subscriber struct {
	conn net.Conn
	r    *bufio.Reader
}

// subscribe logs in and subscribes to a filter.
func subscribe(addr, filter string) (*subscriber, error) {
	conn, err := Connect(addr, Login{ClientID: "subscriber", User: "subscriber", Password: "x"})
	if err != nil {
		return nil, err
	}
	s := &subscriber{conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}
	body := append(appendString([]byte{0, 1}, filter), 1)
	if _, err = conn.Write(append(append([]byte{0x82}, remaining(len(body))...), body...)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	kind, ack, err := s.packet()
	if err == nil && (kind != 0x90 || len(ack) != 3 || ack[2] > 1) {
		err = fmt.Errorf("SUBACK %#x % x", kind, ack)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

// message is what a subscriber gets.
type message struct {
	topic   string
	payload []byte
}

// next answers the next message, after its ack.
func (s *subscriber) next() (message, error) {
	for {
		kind, body, err := s.packet()
		if err != nil {
			return message{}, err
		}
		if kind&0xf0 != 0x30 {
			continue
		}
		if len(body) < 2 || len(body) < 4+int(binary.BigEndian.Uint16(body)) {
			return message{}, errors.New("PUBLISH without a topic or a packet id")
		}
		at := 2 + int(binary.BigEndian.Uint16(body))
		topic := string(body[2:at])
		if kind&0x06 != 0 {
			if _, err := s.conn.Write([]byte{0x40, 2, body[at], body[at+1]}); err != nil {
				return message{}, err
			}
			at += 2
		}
		return message{topic, body[at:]}, nil
	}
}

// packet reads one packet.
func (s *subscriber) packet() (kind byte, body []byte, err error) {
	if kind, err = s.r.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(s.r) // seven bits a byte, the lowest first
	if err != nil {
		return 0, nil, err
	}
	if n > 1<<20 {
		return 0, nil, fmt.Errorf("a packet of %d bytes", n)
	}
	body = make([]byte, n)
	_, err = io.ReadFull(s.r, body)
	return kind, body, err
}
