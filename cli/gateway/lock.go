package gateway

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// folderLock keeps a second server out of a data folder. The lock is the
// kernel's: it ends with the process, however that ends.
type folderLock struct{ f *os.File }

func lockFolder(dir string) (*folderLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	path := filepath.Join(dir, "tidegate.lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the folder's lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		b, _ := io.ReadAll(io.LimitReader(f, 32))
		who := "another tidegate process"
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			who = fmt.Sprintf("process %d (%s)", pid, commandLine(pid))
		}
		return nil, fmt.Errorf("%s is in use by %s; stop it, or give another folder with --data", dir, who)
	}
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", path, err)
		}
	}
	return &folderLock{f}, nil
}

func (l *folderLock) unlock() { _ = l.f.Close() }

func commandLine(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(b) == 0 {
		return "no longer there"
	}
	return strings.TrimSpace(strings.ReplaceAll(string(b), "\x00", " "))
}
