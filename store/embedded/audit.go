package embedded

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"tidegate/store"
)

// AuditOptions of an Audit.
type AuditOptions struct {
	Now    func() time.Time // nil: the time
	Logger *slog.Logger     // nil: none
}

// Audit is the trail of changes in a file of JSON lines that is only appended
// to.
//
// The first line says what the file is. Each further line is an entry that
// holds the SHA-256 of the line before (of an entry: its hash; of the first
// line: of its bytes) and its own, taken over its bytes with an empty hash. So
// changing, inserting, removing or reordering lines breaks the chain, and
// VerifyAudit names the first broken link. Cutting lines off the end of a file
// that is not open does not: the number of entries, or the newest hash, kept
// elsewhere, shows that.
//
// When Record returns the entry is fsynced; entries recorded at the same time
// share an fsync. A line that a crash has torn was never answered to anyone and
// is cut off at the next start. A failed write leaves no trace and can be
// repeated; after a failed fsync nothing is written any more.
type Audit struct {
	o    AuditOptions
	path string
	f    *os.File

	mu      sync.Mutex
	queue   []*auditCall // waits for the call that is writing
	writing bool
	end     auditEnd
	broken  error
	closed  bool
	idle    *sync.Cond // writing became false
}

// auditEnd is the end of what is on disk.
type auditEnd struct {
	size int64
	seq  uint64
	hash string
}

type auditCall struct {
	entry store.AuditEntry
	err   error
	done  chan struct{}
}

var _ store.Audit = (*Audit)(nil)

// auditHeader is the first line.
type auditHeader struct {
	Tidegate string     `json:"tidegate"` // auditKind
	Format   int        `json:"format"`
	Created  store.Time `json:"created"`
}

const (
	auditKind   = "audit"
	auditFormat = 1

	maxAuditLine = 4 << 20 // longer ones are refused, so that reading needs a bounded buffer
)

// OpenAudit opens the file, or makes it.
func OpenAudit(path string, o AuditOptions) (*Audit, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if err := makeAudit(path, o.Now()); err != nil {
			return nil, fmt.Errorf("make %s: %w", path, err)
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return nil, fmt.Errorf("open audit trail: %w", err)
	}
	a := &Audit{o: o, path: path, f: f}
	a.idle = sync.NewCond(&a.mu)
	if err := lockFile(f, true); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if err := a.recover(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return a, nil
}

func makeAudit(path string, now time.Time) error {
	line, err := json.Marshal(auditHeader{auditKind, auditFormat, store.Time(now.UnixMilli())})
	if err != nil {
		return err
	}
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	return moveFile(tmp, path)
}

// recover finds the end of the trail, and cuts off a torn line.
func (a *Audit) recover() error {
	if err := checkAuditHeader(a.f, a.path); err != nil {
		return err
	}
	info, err := a.f.Stat()
	if err != nil {
		return err
	}
	whole, last, err := lastLine(a.f, info.Size())
	if err != nil {
		return fmt.Errorf("read the end of %s: %w", a.path, err)
	}
	if whole < info.Size() {
		a.o.Logger.Warn("cut off the torn last line of the audit trail: a crash came before it was complete",
			"path", a.path, "bytes", info.Size()-whole)
		if err := errors.Join(a.f.Truncate(whole), a.f.Sync()); err != nil {
			return fmt.Errorf("repair %s: %w", a.path, err)
		}
	}
	a.end = auditEnd{size: whole}
	if first, err := isAuditHeader(last); first || err != nil {
		a.end.hash = sha256Hex(last)
		return err
	}
	var e store.AuditEntry
	if err := json.Unmarshal(last, &e); err != nil || e.Seq == 0 || len(e.Hash) != 2*sha256.Size {
		return fileError(store.ErrInvalid, a.path, "ends in a line that is not an entry; see `tidegate audit verify`, and put the file back from a backup")
	}
	a.end.seq, a.end.hash = e.Seq, e.Hash
	return nil
}

func isAuditHeader(line []byte) (bool, error) {
	var h auditHeader
	if err := json.Unmarshal(line, &h); err != nil {
		return false, nil //nolint:nilerr // a line that is no JSON is no header
	}
	return h.Tidegate == auditKind, nil
}

func checkAuditHeader(f io.ReaderAt, path string) error {
	r := bufio.NewReader(io.NewSectionReader(f, 0, 4096))
	line, err := r.ReadBytes('\n')
	var h auditHeader
	if err == nil {
		err = json.Unmarshal(line, &h)
	}
	if err != nil || h.Tidegate != auditKind {
		return fileError(store.ErrInvalid, path, "is not an audit trail of tidegate's; put the file back from a backup, or move it away")
	}
	if h.Format > auditFormat {
		return fileError(store.ErrInvalid, path, "has format %d, this tidegate knows up to %d; run a newer tidegate", h.Format, auditFormat)
	}
	return nil
}

// Record implements store.Audit.
func (a *Audit) Record(ctx context.Context, e store.AuditEntry) (store.AuditEntry, error) {
	if err := ctx.Err(); err != nil {
		return e, err
	}
	for field, raw := range map[string]json.RawMessage{"before": e.Before, "after": e.After} {
		if len(raw) > 0 && !json.Valid(raw) {
			return e, store.Invalid("audit entry", field, "is not JSON")
		}
	}
	if e.At == 0 {
		e.At = store.Time(a.o.Now().UnixMilli())
	}
	call := &auditCall{entry: e, done: make(chan struct{})}
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return e, fileError(store.ErrUnavailable, a.path, "is closed")
	}
	a.queue = append(a.queue, call)
	if !a.writing {
		a.writing = true
		a.drain()
	}
	a.mu.Unlock()
	<-call.done
	return call.entry, call.err
}

// drain writes what is queued, a group at a time, until nothing is. mu is held
// but while it writes.
func (a *Audit) drain() {
	for len(a.queue) > 0 {
		group := a.queue
		a.queue = nil
		end, err := a.end, a.broken
		a.mu.Unlock()
		if err == nil {
			end, err = a.write(group, end)
		}
		a.mu.Lock()
		if err == nil {
			a.end = end
		} else if errors.Is(err, errFsync) {
			a.broken = err
		}
		for _, c := range group {
			if c.err == nil {
				c.err = err
			}
			close(c.done)
		}
	}
	a.writing = false
	a.idle.Broadcast()
}

// write appends a group behind end and fsyncs it.
func (a *Audit) write(group []*auditCall, end auditEnd) (auditEnd, error) {
	var buf bytes.Buffer
	was := end.size
	for _, c := range group {
		e := c.entry
		e.Seq, e.Prev = end.seq+1, end.hash
		line, hash, err := auditLine(e)
		if err != nil {
			c.err = err
			continue
		}
		e.Hash = hash
		c.entry = e
		end.seq, end.hash = e.Seq, hash
		buf.Write(line)
		buf.WriteByte('\n')
	}
	if buf.Len() == 0 {
		return end, nil
	}
	end.size += int64(buf.Len())
	if _, err := a.f.Write(buf.Bytes()); err != nil {
		kind := store.ErrUnavailable
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			kind = store.ErrFull
		}
		err = fmt.Errorf("write %s: %w: %w", a.path, kind, err)
		if terr := a.f.Truncate(was); terr != nil { // a torn line must not stand before the next one
			return end, fmt.Errorf("%w: %w: %w", err, errFsync, terr)
		}
		return end, err
	}
	if err := a.f.Sync(); err != nil {
		return end, fmt.Errorf("write %s: %w: %w: %w", a.path, store.ErrUnavailable, errFsync, err)
	}
	return end, nil
}

// auditLine answers the line of e, whose Hash is empty, and its hash. The hash
// is the last field, so that it can be blanked without understanding the rest:
// a newer version may add fields.
func auditLine(e store.AuditEntry) (line []byte, hash string, err error) {
	e.Hash = ""
	line, err = json.Marshal(e)
	if err != nil {
		return nil, "", fmt.Errorf("encode audit entry: %w", err)
	}
	if len(line) > maxAuditLine {
		return nil, "", store.Invalid("audit entry", "", "has %d bytes, more than %d", len(line), maxAuditLine)
	}
	hash = sha256Hex(line)
	return append(line[:len(line)-len(`"}`)], hash+`"}`...), hash, nil
}

func sha256Hex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Close waits for what is being recorded and closes the file.
func (a *Audit) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil
	}
	a.closed = true
	for a.writing {
		a.idle.Wait()
	}
	return a.f.Close()
}

// durable answers the end of the trail on disk.
func (a *Audit) durable() (auditEnd, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return auditEnd{}, fileError(store.ErrUnavailable, a.path, "is closed")
	}
	return a.end, nil
}

// Snapshot implements Source.
func (a *Audit) Snapshot(ctx context.Context, write func(name string, size int64, r io.Reader) error) error {
	end, err := a.durable()
	if err != nil {
		return err
	}
	return snapshotFile(ctx, a.path, filepath.Base(a.path), end.size, write)
}
