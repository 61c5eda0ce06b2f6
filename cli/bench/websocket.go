package bench

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// socket is the client's end of a WebSocket (RFC 6455), as cheap as it can be: a
// thousand of them share the machine with the server that is measured.
type socket struct {
	conn net.Conn
	r    *bufio.Reader
	buf  []byte
}

// dialSocket opens one, with a token.
func dialSocket(addr, path, token string) (*socket, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &socket{conn: conn, r: bufio.NewReaderSize(conn, 16<<10)}
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path, addr, token)
	var resp *http.Response
	if err == nil {
		resp, err = http.ReadResponse(s.r, nil)
	}
	if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
		err = errors.New(resp.Status)
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("open a WebSocket: %w", err)
	}
	return s, nil
}

const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// write sends a frame. The mask is zero: what it is for is no matter here.
func (s *socket) write(op byte, b []byte) error {
	head := []byte{0x80 | op}
	switch {
	case len(b) < 126:
		head = append(head, 0x80|byte(len(b)))
	case len(b) < 1<<16:
		head = binary.BigEndian.AppendUint16(append(head, 0x80|126), uint16(len(b)))
	default:
		head = binary.BigEndian.AppendUint64(append(head, 0x80|127), uint64(len(b)))
	}
	_, err := s.conn.Write(append(append(head, 0, 0, 0, 0), b...))
	return err
}

// read answers the next message, which is good until the next read.
func (s *socket) read() ([]byte, error) {
	s.buf = s.buf[:0]
	for {
		var head [10]byte
		if _, err := io.ReadFull(s.r, head[:2]); err != nil {
			return nil, err
		}
		final, op, n := head[0]&0x80 != 0, head[0]&0xf, uint64(head[1]&0x7f)
		switch n {
		case 126:
			if _, err := io.ReadFull(s.r, head[2:4]); err != nil {
				return nil, err
			}
			n = uint64(binary.BigEndian.Uint16(head[2:]))
		case 127:
			if _, err := io.ReadFull(s.r, head[2:10]); err != nil {
				return nil, err
			}
			n = binary.BigEndian.Uint64(head[2:])
		}
		if n > 16<<20 {
			return nil, fmt.Errorf("a frame of %d bytes", n)
		}
		at := len(s.buf)
		s.buf = append(s.buf, make([]byte, n)...)
		if _, err := io.ReadFull(s.r, s.buf[at:]); err != nil {
			return nil, err
		}
		switch op {
		case opPing:
			if err := s.write(opPong, s.buf[at:]); err != nil {
				return nil, err
			}
			s.buf = s.buf[:at]
			continue
		case opClose:
			return nil, io.EOF
		}
		if final {
			return s.buf, nil
		}
	}
}
