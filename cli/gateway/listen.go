package gateway

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"tidegate/broker"
)

// maxSocketPath is the longest path of a Unix socket that we use; the kernel
// allows 107 bytes.
const maxSocketPath = 100

// listenSocket opens the owner-only socket. A socket left over from a killed
// server is replaced: the folder's lock says that nobody serves on it.
func listenSocket(path string) (net.Listener, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path of the socket %s has %d bytes, and at most %d work: give a shorter folder with --data", path, len(path), maxSocketPath)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the old socket: %w", err)
	}
	old := syscall.Umask(0o177)
	l, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return l, nil
}

// listenTCP opens an address, or with next the first free port from there on.
func listenTCP(addr, key string, next bool) (net.Listener, error) {
	for range 100 {
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return l, nil
		}
		if !next || !errors.Is(err, syscall.EADDRINUSE) {
			return nil, explainListen(addr, key, err)
		}
		if addr, err = nextPort(addr); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("no free port up to %s", addr)
}

// explainListen adds the likely owner and the way out to the error of a taken
// port.
func explainListen(addr, key string, err error) error {
	way := "choose another with TIDEGATE_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_")) + "=127.0.0.1:8081 or " + key + " in config.yaml"
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listen for HTTP on %s: %w; %s", addr, err, way)
	}
	by := ""
	if _, p, serr := net.SplitHostPort(addr); serr == nil {
		if port, cerr := strconv.Atoi(p); cerr == nil {
			if owner := broker.PortOwner(port); owner != "" {
				by = ", likely by " + owner
			}
		}
	}
	return fmt.Errorf("listen for HTTP on %s: the port is taken%s: stop that program, or %s: %w", addr, by, way, err)
}

// browsable answers the address of a page for a browser on this machine: one
// that listens everywhere is shown as loopback.
func browsable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "http://" + addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

func nextPort(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("address %q: %w", addr, err)
	}
	n, err := strconv.Atoi(port)
	if err != nil || n >= 65535 {
		return "", fmt.Errorf("address %q has no next port", addr)
	}
	return net.JoinHostPort(host, strconv.Itoa(n+1)), nil
}

// addressMQTT says where the broker listens: at the configured addresses, or with
// NextPort at the first ones from there on that are free now.
func (g *gateway) addressMQTT(o *broker.Options) (err error) {
	c := g.o.Config.MQTT
	if o.Listen, err = freeMQTT(c.Listen, g.o.NextPort); err != nil || g.cert == nil {
		return err
	}
	o.TLS = g.cert.MQTTS()
	o.ListenTLS, err = freeMQTT(c.TLSListen, g.o.NextPort)
	return err
}

func freeMQTT(addr string, next bool) (string, error) {
	if !next || addr == "" {
		return addr, nil
	}
	l, err := listenTCP(addr, "mqtt.listen", true)
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
