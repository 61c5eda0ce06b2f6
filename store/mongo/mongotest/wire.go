package mongotest

import (
	"encoding/binary"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Of MongoDB's wire protocol: a header of four little-endian int32, and the one
// kind of message that matters.
// https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
const (
	headerSize  = 16
	opMsg       = 2013
	mostMessage = 64 << 20 // bytes; servers take 48 MB
)

// message is one message, with its header.
type message []byte

// readMessage reads one message, into buf when it fits.
func readMessage(r io.Reader, buf []byte) (message, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.LittleEndian.Uint32(head[:]))
	if n < headerSize || n > mostMessage {
		return nil, fmt.Errorf("a message of %d bytes is none of MongoDB's", n)
	}
	if cap(buf) < n {
		buf = make([]byte, n)
	}
	m := message(buf[:n])
	copy(m, head[:])
	_, err := io.ReadFull(r, m[headerSize:])
	return m, err
}

func (m message) requestID() int32  { return int32(binary.LittleEndian.Uint32(m[4:])) }
func (m message) responseTo() int32 { return int32(binary.LittleEndian.Uint32(m[8:])) }
func (m message) opCode() int32     { return int32(binary.LittleEndian.Uint32(m[12:])) }

// command answers the name of the command that a message holds; empty for what
// is none, such as the hello of a new connection in the old protocol.
func (m message) command() string {
	if m.opCode() != opMsg || len(m) < headerSize+4 {
		return ""
	}
	for b := m[headerSize+4:]; len(b) > 5; {
		size := int(binary.LittleEndian.Uint32(b[1:]))
		if size < 5 || size > len(b)-1 {
			return ""
		}
		if b[0] == 0 { // the body; kind 1 is a sequence of documents
			elements, err := bson.Raw(b[1 : 1+size]).Elements()
			if err != nil || len(elements) == 0 {
				return ""
			}
			return elements[0].Key()
		}
		b = b[1+size:]
	}
	return ""
}
