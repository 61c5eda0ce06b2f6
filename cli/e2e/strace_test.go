package e2e

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// event is one system call that a power cut could fall before or behind.
type event struct {
	call string // pwrite64, write, ftruncate, sync, create, rename, unlink
	path string // the file; for a socket its description
	to   string // of a rename
	off  int64  // of a write; the size of an ftruncate
	data []byte
	// began and ended are line numbers of the trace: a call that ended before
	// another began happened before it.
	began, ended int
}

var (
	callLine    = regexp.MustCompile(`^(\d+)\s+(\w+)\((.*)$`)
	resumedLine = regexp.MustCompile(`^(\d+)\s+<\.\.\. (\w+) resumed>(.*)$`)
	// A call during which the process was killed has the result ?.
	result = regexp.MustCompile(`\)\s+= (-?\d+|\?)`)
	fdArg  = regexp.MustCompile(`^(\d+|AT_FDCWD)<([^>]*(?:>[^>]*\])?[^>]*)>`)
	quoted = regexp.MustCompile(`"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?`)
)

// parseTrace reads what strace -f -yy -xx wrote and answers the calls that
// succeeded, in order of their beginning.
func parseTrace(file string) ([]event, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	type open struct {
		call, args string
		began      int
	}
	unfinished := map[string]open{}
	var events []event
	r := bufio.NewReaderSize(f, 1<<20)
	for n := 1; ; n++ {
		line, err := r.ReadString('\n')
		if line == "" && err != nil {
			break
		}
		line = strings.TrimRight(line, "\n")
		var o open
		if m := resumedLine.FindStringSubmatch(line); m != nil {
			o = unfinished[m[1]]
			if o.call != m[2] {
				continue
			}
			delete(unfinished, m[1])
			o.args += m[3]
		} else if m := callLine.FindStringSubmatch(line); m != nil {
			o = open{call: m[2], args: m[3], began: n}
			if rest, ok := strings.CutSuffix(o.args, "<unfinished ...>"); ok {
				o.args = strings.TrimRight(rest, " ")
				unfinished[m[1]] = o
				continue
			}
		} else {
			continue
		}
		e, ok, err := parseCall(o.call, o.args)
		if err != nil {
			return nil, fmt.Errorf("trace line %d: %w", n, err)
		}
		if ok {
			e.began, e.ended = o.began, n
			events = append(events, e)
		}
	}
	// What was under way at the end counts as begun and never ended.
	for _, o := range unfinished {
		if e, ok, err := parseCall(o.call, o.args+") = ?"); err == nil && ok {
			e.began, e.ended = o.began, 1<<60
			events = append(events, e)
		}
	}
	return events, nil
}

// parseCall understands one call; ok is false for what does not matter.
func parseCall(call, args string) (e event, ok bool, err error) {
	res := result.FindStringSubmatch(args)
	if res == nil || strings.HasPrefix(res[1], "-") {
		return e, false, nil
	}
	e.call = call
	if m := fdArg.FindStringSubmatch(args); m != nil {
		e.path = unhex(m[2])
	}
	// What a descriptor stands for may have quotes of its own.
	strs := quoted.FindAllStringSubmatch(args[len(fdArg.FindString(args)):], -1)
	switch call {
	case "pwrite64", "write":
		if len(strs) != 1 || strs[0][2] != "" {
			return e, false, fmt.Errorf("%s to %s without its data", call, e.path)
		}
		e.data = []byte(unhex(strs[0][1]))
		if call == "pwrite64" {
			tail := args[:strings.LastIndex(args, ")")]
			e.off, err = strconv.ParseInt(strings.TrimSpace(tail[strings.LastIndex(tail, ",")+1:]), 10, 64)
		}
		if n, _ := strconv.Atoi(res[1]); err == nil && n < len(e.data) && n > 0 {
			e.data = e.data[:n]
		}
		return e, true, err
	case "ftruncate":
		tail := args[:strings.LastIndex(args, ")")]
		e.off, err = strconv.ParseInt(strings.TrimSpace(tail[strings.LastIndex(tail, ",")+1:]), 10, 64)
		return e, true, err
	case "fdatasync", "fsync":
		e.call = "sync"
		return e, res[1] != "?", nil
	case "openat":
		if !strings.Contains(args, "O_CREAT") || len(strs) != 1 {
			return e, false, nil
		}
		e.call, e.path = "create", unhex(strs[0][1])
		return e, filepath.IsAbs(e.path), nil
	case "renameat", "renameat2", "rename":
		if len(strs) != 2 {
			return e, false, nil
		}
		e.call, e.path, e.to = "rename", unhex(strs[0][1]), unhex(strs[1][1])
		return e, true, nil
	case "unlinkat", "unlink":
		if len(strs) != 1 {
			return e, false, nil
		}
		e.call, e.path = "unlink", unhex(strs[0][1])
		return e, true, nil
	}
	return e, false, nil
}

// unhex turns \x41 into A and leaves the rest.
func unhex(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	out := make([]byte, 0, len(s)/4)
	for i := 0; i < len(s); {
		if i+3 < len(s) && s[i] == '\\' && s[i+1] == 'x' {
			if b, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				out = append(out, byte(b))
				i += 4
				continue
			}
		}
		out = append(out, s[i])
		i++
	}
	return string(out)
}
