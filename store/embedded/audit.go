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
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"tidegate/store"
)

// maxAuditLine bounds one entry of the trail, in bytes.
const maxAuditLine = 8 << 20

// AuditOptions of an Audit.
type AuditOptions struct {
	Logger *slog.Logger // nil: silent
}

// Audit is the trail of changes: a file of JSON lines that is only appended to.
// Each entry carries the SHA-256 of the one before, and its own over itself, so
// that a line that was changed, taken out or put in is found.
//
// Record has fsynced the entry when it returns. A last line that a crash cut
// off was never answered to anyone: opening drops it.
type Audit struct {
	path string
	log  *slog.Logger

	mu   sync.Mutex
	f    *os.File
	seq  uint64
	hash string
	size int64 // of whole entries
	err  error // of a write that left the file in doubt
}

var _ store.Audit = (*Audit)(nil)

// OpenAudit opens the trail, or begins one.
func OpenAudit(path string, o AuditOptions) (*Audit, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	_, statErr := os.Stat(path)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the audit trail: %w", err)
	}
	a := &Audit{path: path, log: o.Logger, f: f}
	if err := a.recover(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if errors.Is(statErr, os.ErrNotExist) {
		if err := syncDir(filepath.Dir(path)); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return a, nil
}

// recover finds the last whole entry and cuts off what a crash left behind it.
func (a *Audit) recover() error {
	info, err := a.f.Stat()
	if err != nil {
		return fmt.Errorf("open the audit trail: %w", err)
	}
	// The last entry is within the last two lines' bounds.
	from := max(0, info.Size()-2*maxAuditLine)
	tail := make([]byte, info.Size()-from)
	if _, err := a.f.ReadAt(tail, from); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the audit trail: %w", err)
	}
	end := bytes.LastIndexByte(tail, '\n') + 1
	if end < len(tail) {
		a.log.Warn("the audit trail ended in the middle of an entry, which nobody was told of: it is cut off", "path", a.path, "bytes", len(tail)-end)
		if err := a.f.Truncate(from + int64(end)); err != nil {
			return fmt.Errorf("repair the audit trail: %w", err)
		}
		if err := a.f.Sync(); err != nil {
			return fmt.Errorf("repair the audit trail: %w", err)
		}
	}
	a.size = from + int64(end)
	if end == 0 {
		return nil
	}
	last := tail[bytes.LastIndexByte(tail[:end-1], '\n')+1 : end-1]
	var e store.AuditEntry
	if err := json.Unmarshal(last, &e); err != nil {
		return fileError(store.ErrInvalid, a.path, "its last line is no entry of an audit trail (%v). Look at it with `tidegate audit verify`, and restore the file from a backup", err)
	}
	a.seq, a.hash = e.Seq, e.Hash
	return nil
}

// Close closes the file.
func (a *Audit) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.f.Close()
}

// Record implements store.Audit.
func (a *Audit) Record(_ context.Context, e store.AuditEntry) (store.AuditEntry, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return e, a.err
	}
	e.Seq, e.Prev = a.seq+1, a.hash
	var err error
	if e.Hash, err = auditHash(e); err != nil {
		return e, fmt.Errorf("encode an audit entry: %w", err)
	}
	line, err := json.Marshal(e)
	if err != nil {
		return e, fmt.Errorf("encode an audit entry: %w", err)
	}
	if len(line) >= maxAuditLine {
		return e, store.Invalid("audit entry", "", "it has %d bytes, and at most %d are kept", len(line), maxAuditLine)
	}
	line = append(line, '\n')
	if _, err = a.f.Write(line); err == nil {
		err = a.f.Sync()
	}
	if err != nil {
		// What was written of it must not stand before the next entry.
		if terr := a.f.Truncate(a.size); terr != nil {
			a.err = fmt.Errorf("%w: the audit trail is in doubt; restart tidegate: %w", store.ErrUnavailable, errors.Join(err, terr))
		}
		return e, fmt.Errorf("%w: write the audit trail: %w", store.ErrUnavailable, err)
	}
	a.seq, a.hash, a.size = e.Seq, e.Hash, a.size+int64(len(line))
	return e, nil
}

// auditHash answers the SHA-256 of e with an empty Hash, in hex.
func auditHash(e store.AuditEntry) (string, error) {
	e.Hash = ""
	b, err := json.Marshal(e)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// ListAudit implements store.Audit.
func (a *Audit) ListAudit(ctx context.Context, after uint64, limit int) ([]store.AuditEntry, error) {
	var out []store.AuditEntry
	err := a.each(ctx, func(_ int, line []byte) (bool, error) {
		var e store.AuditEntry
		if err := json.Unmarshal(line, &e); err != nil {
			return false, fmt.Errorf("read the audit trail: %w", err)
		}
		if e.Seq > after {
			out = append(out, e)
		}
		return len(out) < limit, nil
	})
	return out, err
}

// VerifyAudit implements store.Audit.
func (a *Audit) VerifyAudit(ctx context.Context) (uint64, error) {
	var seq uint64
	var hash string
	err := a.each(ctx, func(n int, line []byte) (bool, error) {
		var e store.AuditEntry
		if err := json.Unmarshal(line, &e); err != nil {
			return false, broken(a.path, n, seq+1, "it is no entry")
		}
		switch want, err := auditHash(e); {
		case err != nil:
			return false, err
		case e.Seq != seq+1:
			return false, broken(a.path, n, seq+1, fmt.Sprintf("it says seq %d", e.Seq))
		case e.Prev != hash:
			return false, broken(a.path, n, e.Seq, "it does not follow the entry before")
		case e.Hash != want:
			return false, broken(a.path, n, e.Seq, "its content is not what was written")
		}
		seq, hash = e.Seq, e.Hash
		return true, nil
	})
	return seq, err
}

func broken(path string, line int, seq uint64, what string) error {
	return &store.Error{Kind: store.ErrConflict, Noun: "audit trail", ID: path, Msg: fmt.Sprintf("first broken link at line %d, seq %d: %s", line, seq, what)}
}

// each calls fn for each line, numbered from 1, until it answers false.
func (a *Audit) each(ctx context.Context, fn func(n int, line []byte) (bool, error)) error {
	a.mu.Lock()
	size := a.size
	a.mu.Unlock()
	sc := bufio.NewScanner(io.NewSectionReader(a.f, 0, size))
	sc.Buffer(nil, maxAuditLine)
	for n := 1; sc.Scan(); n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if more, err := fn(n, sc.Bytes()); err != nil || !more {
			return err
		}
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("read the audit trail: %w", err)
	}
	return nil
}

// VerifyAuditFile checks the trail of a folder without opening it for writing.
func VerifyAuditFile(ctx context.Context, path string) (uint64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("open the audit trail: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("open the audit trail: %w", err)
	}
	a := &Audit{path: path, f: f, size: info.Size()}
	return a.VerifyAudit(ctx)
}
