package api

import (
	"net/http"
	"time"
)

// stream writes an answer in pieces. A client that takes nothing for a while
// is cut off, and so is one to which the rest cannot be sent.
type stream struct {
	w    http.ResponseWriter
	rc   *http.ResponseController
	buf  []byte
	size int
}

const streamPiece = 64 << 10

func newStream(w http.ResponseWriter, contentType string) *stream {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	return &stream{w: w, rc: http.NewResponseController(w), buf: make([]byte, 0, streamPiece+4096), size: streamPiece}
}

// full sends what is buffered when it is a piece.
func (s *stream) full() {
	if len(s.buf) >= s.size {
		s.send()
	}
}

// send sends what is buffered; it breaks the connection when it cannot.
func (s *stream) send() {
	if len(s.buf) == 0 {
		return
	}
	s.touch()
	if _, err := s.w.Write(s.buf); err != nil {
		s.abort()
	}
	s.buf = s.buf[:0]
}

// touch gives the client time for one more piece.
func (s *stream) touch() {
	_ = s.rc.SetWriteDeadline(time.Now().Add(2 * bodyTimeout)) // a writer without deadlines has none
}

// Write implements io.Writer.
func (s *stream) Write(p []byte) (int, error) {
	s.touch()
	return s.w.Write(p)
}

// unsay takes back what the header says of the answer, nothing of which was
// sent: another one takes its place.
func (s *stream) unsay() {
	s.touch()
	s.w.Header().Del("Content-Disposition")
}

// abort ends the connection, so that the client does not take the part for the
// whole.
func (s *stream) abort() { panic(http.ErrAbortHandler) }
