package cli

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// terminal answers both ends of one with 100 columns.
func terminal(t *testing.T) (screen, stderr *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	number, unlock, size := uint32(0), int32(0), [4]uint16{24, 100}
	for _, ask := range []struct {
		what uintptr
		with unsafe.Pointer
	}{{syscall.TIOCGPTN, unsafe.Pointer(&number)}, {syscall.TIOCSPTLCK, unsafe.Pointer(&unlock)}, {syscall.TIOCSWINSZ, unsafe.Pointer(&size)}} {
		if _, _, no := syscall.Syscall(syscall.SYS_IOCTL, screen.Fd(), ask.what, uintptr(ask.with)); no != 0 {
			t.Fatalf("ioctl %x: %v", ask.what, no)
		}
	}
	if stderr, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stderr.Close() })
	return screen, stderr
}

// TestProgressBar: on a terminal it is a bar with what is said beside it.
func TestProgressBar(t *testing.T) {
	screen, stderr := terminal(t)
	p := &program{Process: Process{Stderr: stderr}}
	g := p.newProgress(200)
	g.set(100, "half of it")
	shown := make(chan string, 1)
	go func() {
		var all strings.Builder
		b := make([]byte, 4096)
		for !strings.Contains(all.String(), "half of it") {
			n, err := screen.Read(b)
			if err != nil {
				break
			}
			all.Write(b[:n])
		}
		shown <- all.String()
	}()
	select {
	case s := <-shown:
		if !strings.Contains(s, "50 %") || !strings.Contains(s, "=>") || !strings.Contains(s, "half of it") {
			t.Errorf("the terminal has %q", s)
		}
	case <-time.After(20 * time.Second):
		t.Error("nothing was shown")
	}
	g.done()
}
