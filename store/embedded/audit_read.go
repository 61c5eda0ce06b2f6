package embedded

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"tidegate/store"
)

// lastLine answers where the last whole line of the first size bytes ends, and
// the line without its end.
func lastLine(f io.ReaderAt, size int64) (end int64, line []byte, err error) {
	const step = 64 << 10
	var tail []byte // the file from start to size
	for start := size; start > 0; {
		n := min(step, start)
		start -= n
		b := make([]byte, n, int(n)+len(tail))
		if _, err := f.ReadAt(b, start); err != nil {
			return 0, nil, err
		}
		tail = append(b, tail...)
		last := bytes.LastIndexByte(tail, '\n')
		if last < 0 {
			continue
		}
		first := bytes.LastIndexByte(tail[:last], '\n')
		if first >= 0 || start == 0 {
			return start + int64(last) + 1, tail[first+1 : last], nil
		}
	}
	return 0, nil, io.ErrUnexpectedEOF
}

// ListAudit implements store.Audit. It finds the place by bisecting the file:
// the lines are in order.
func (a *Audit) ListAudit(ctx context.Context, after uint64, limit int) ([]store.AuditEntry, error) {
	if limit < 1 {
		return nil, store.Invalid("audit trail", "limit", "must be at least 1")
	}
	end, err := a.durable()
	if err != nil || after >= end.seq {
		return nil, err
	}
	low, high := int64(0), end.size // the line that begins at or behind low is sought
	for high-low > 64<<10 {
		mid := low + (high-low)/2
		seq, err := a.seqBehind(mid, end.size)
		if err != nil {
			return nil, err
		}
		if seq != 0 && seq <= after {
			low = mid
		} else {
			high = mid
		}
	}
	var out []store.AuditEntry
	r := lineReader(a.f, low, end.size)
	if low > 0 {
		if _, err := r.ReadBytes('\n'); err != nil {
			return nil, a.readError(err)
		}
	}
	for len(out) < limit {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		if err != nil {
			return nil, a.readError(err)
		}
		var e store.AuditEntry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, a.readError(err)
		}
		if e.Seq > after {
			out = append(out, e)
		}
	}
	return out, nil
}

// LastAudit implements store.Audit.
func (a *Audit) LastAudit(ctx context.Context) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	end, err := a.durable()
	return end.seq, err
}

// ExportAudit implements store.Audit: what it writes is for VerifyAuditFile.
func (a *Audit) ExportAudit(ctx context.Context, w io.Writer) error {
	end, err := a.durable()
	if err != nil {
		return err
	}
	r := io.NewSectionReader(a.f, 0, end.size)
	for ctx.Err() == nil {
		n, err := io.CopyN(w, r, 1<<20)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("export audit trail after %d bytes: %w", n, err)
		}
	}
	return ctx.Err()
}

// seqBehind answers the number of the first line that begins behind offset, or
// 0 when there is none.
func (a *Audit) seqBehind(offset, size int64) (uint64, error) {
	r := lineReader(a.f, offset, size)
	if _, err := r.ReadBytes('\n'); err != nil {
		return 0, nil //nolint:nilerr // the last line has no successor
	}
	line, err := r.ReadBytes('\n')
	if err != nil {
		return 0, nil //nolint:nilerr // as above
	}
	var e struct {
		Seq uint64 `json:"seq"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return 0, a.readError(err)
	}
	return e.Seq, nil
}

func (a *Audit) readError(err error) error {
	return fmt.Errorf("read %s (see `tidegate audit verify`): %w", a.path, err)
}

func lineReader(f io.ReaderAt, from, to int64) *bufio.Reader {
	return bufio.NewReaderSize(io.NewSectionReader(f, from, to-from), 64<<10)
}

// VerifyAudit implements store.Audit. Beside the chain it checks that the file
// still ends where this process left it.
func (a *Audit) VerifyAudit(ctx context.Context) (uint64, error) {
	end, err := a.durable()
	if err != nil {
		return 0, err
	}
	info, err := os.Stat(a.path)
	if err != nil {
		return 0, fmt.Errorf("verify audit trail: %w", err)
	}
	if info.Size() < end.size {
		return 0, fileError(store.ErrInvalid, a.path, "has %d bytes, but %d were written: lines were cut off its end", info.Size(), end.size)
	}
	got, err := verifyAudit(ctx, a.f, end.size, a.path)
	if err == nil && (got.seq != end.seq || got.hash != end.hash) {
		err = fileError(store.ErrInvalid, a.path, "ends with entry %d, but entry %d was written last: it was replaced while tidegate runs", got.seq, end.seq)
	}
	return got.seq, err
}

// VerifyAuditFile is VerifyAudit for a file that no process has open. A torn
// last line is no broken link: the next start cuts it off.
func VerifyAuditFile(ctx context.Context, path string) (entries uint64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("verify audit trail: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	whole, _, err := lastLine(f, info.Size())
	if err != nil {
		return 0, fileError(store.ErrInvalid, path, "is not an audit trail of tidegate's")
	}
	end, err := verifyAudit(ctx, f, whole, path)
	return end.seq, err
}

// verifyAudit follows the chain over the first size bytes. On an error it
// answers the last entry that is sound.
func verifyAudit(ctx context.Context, f io.ReaderAt, size int64, path string) (auditEnd, error) {
	if err := checkAuditHeader(f, path); err != nil {
		return auditEnd{}, err
	}
	var end auditEnd
	r := lineReader(f, 0, size)
	for n := 1; end.size < size; n++ {
		if err := ctx.Err(); err != nil {
			return end, err
		}
		line, err := r.ReadBytes('\n')
		if err != nil {
			return end, fmt.Errorf("read %s: %w", path, err)
		}
		end.size += int64(len(line))
		line = line[:len(line)-1]
		if n == 1 {
			end.hash = sha256Hex(line)
			continue
		}
		e, why := auditLink(line, end)
		if why != "" {
			return end, fileError(store.ErrInvalid, path, "is broken at line %d, where entry %d belongs: %s", n, end.seq+1, why)
		}
		end.seq, end.hash = e.Seq, e.Hash
	}
	return end, nil
}

// auditLink checks the line that follows end, and says what is wrong with it.
func auditLink(line []byte, end auditEnd) (e store.AuditEntry, why string) {
	if err := json.Unmarshal(line, &e); err != nil {
		return e, fmt.Sprintf("it is not an entry (%v)", err)
	}
	mark := `"hash":"` + e.Hash + `"}`
	if !strings.HasSuffix(string(line), mark) {
		return e, "it does not end with its hash"
	}
	blank := append(line[:len(line)-len(mark):len(line)-len(mark)], `"hash":""}`...)
	switch {
	case sha256Hex(blank) != e.Hash:
		return e, fmt.Sprintf("it was changed: its hash is not that of its content (it says entry %d, %s of %s %q by %s)", e.Seq, e.Action, e.Noun, e.ID, e.Actor)
	case e.Seq != end.seq+1:
		return e, fmt.Sprintf("entry %d stands there: entries were removed, inserted or moved", e.Seq)
	case e.Prev != end.hash:
		return e, "it does not follow the line before: that one, or this, was replaced"
	}
	return e, ""
}
