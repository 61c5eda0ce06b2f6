package broker

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// explainListen adds the likely owner and the way out to the error of a taken
// port.
func explainListen(addr, key string, err error) error {
	env := "TIDEGATE_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
	if !errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("listen for MQTT on %s: %w; set %s or %s", addr, err, env, key)
	}
	by := ""
	if _, p, err := net.SplitHostPort(addr); err == nil {
		if port, err := strconv.Atoi(p); err == nil {
			if owner := PortOwner(port); owner != "" {
				by = ", likely by " + owner
			}
		}
	}
	return fmt.Errorf("listen for MQTT on %s: the port is taken%s: stop that program, or choose another port with %s=127.0.0.1:1884 or %s in config.yaml: %w", addr, by, env, key, err)
}

// PortOwner names the process that listens on a TCP port, such as
// "mosquitto (pid 812)"; empty when it cannot be told (another user's process,
// or not Linux).
func PortOwner(port int) string {
	inodes := make(map[string]bool)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		listeningInodes(table, port, inodes)
	}
	if len(inodes) == 0 {
		return ""
	}
	fds, err := filepath.Glob("/proc/[0-9]*/fd/[0-9]*")
	if err != nil {
		return ""
	}
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil {
			continue
		}
		inode, ok := strings.CutPrefix(target, "socket:[")
		if !ok || !inodes[strings.TrimSuffix(inode, "]")] {
			continue
		}
		pid := strings.Split(fd, "/")[2]
		name, err := os.ReadFile("/proc/" + pid + "/comm")
		if err != nil {
			return "pid " + pid
		}
		return strings.TrimSpace(string(name)) + " (pid " + pid + ")"
	}
	return ""
}

// listeningInodes adds the sockets of a table (proc(5), /proc/net/tcp) that
// listen on port.
func listeningInodes(table string, port int, into map[string]bool) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer f.Close()
	const stateListen = "0A"
	suffix := fmt.Sprintf(":%04X", port)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		cols := strings.Fields(lines.Text())
		if len(cols) > 9 && cols[3] == stateListen && strings.HasSuffix(cols[1], suffix) {
			into[cols[9]] = true
		}
	}
}
