package bench

import (
	"fmt"
	"io"
	"net"
	"time"
)

// Login is how one client logs in.
type Login struct {
	ClientID, User, Password string
}

// Connect opens an MQTT 3.1.1 connection and logs in.
func Connect(addr string, in Login) (net.Conn, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	body := appendString(nil, "MQTT")
	body = append(body, 4, 0xC2, 0, 0) // user, password, clean session; no keepalive
	body = appendString(body, in.ClientID)
	body = appendString(body, in.User)
	body = appendString(body, in.Password)
	pk := append([]byte{0x10}, remaining(len(body))...)
	if _, err := conn.Write(append(pk, body...)); err != nil {
		_ = conn.Close()
		return nil, err
	}
	var ack [4]byte
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadFull(conn, ack[:]); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("read CONNACK: %w", err)
	}
	_ = conn.SetReadDeadline(time.Time{})
	if ack[0] != 0x20 || ack[3] != 0 {
		_ = conn.Close()
		return nil, fmt.Errorf("CONNACK % x", ack)
	}
	return conn, nil
}
