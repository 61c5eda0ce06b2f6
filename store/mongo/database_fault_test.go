package mongo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"tidegate/store"
)

// clearedPool is what an operation gets whose pool was cleared by another one's
// error; the driver does not export its own.
type clearedPool struct{ error }

func (clearedPool) Retryable() bool { return true }

var _ driver.RetryablePoolError = clearedPool{}

// TestFault tells what passes by itself from what does not.
func TestFault(t *testing.T) {
	command := func(code int32) error { return mongo.CommandError{Code: code, Message: "said the server"} }
	x := func(code int32, labels ...string) error {
		return driver.Error{Code: code, Message: "said the server", Labels: labels}
	}
	write := func(code int) error {
		return mongo.WriteException{WriteErrors: mongo.WriteErrors{{Code: code, Message: "said the server"}}}
	}
	concern := func(code int) error {
		return mongo.WriteException{WriteConcernError: &mongo.WriteConcernError{Code: code, Message: "said the server"}}
	}
	bulk := func(code int) error {
		return mongo.BulkWriteException{WriteErrors: []mongo.BulkWriteError{{WriteError: mongo.WriteError{Code: code}}}}
	}
	for _, tt := range []struct {
		name string
		err  error
		kind error // nil: as it came
	}{
		{"nothing", nil, nil},
		{"a network", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, store.ErrUnavailable},
		{"a name", &net.DNSError{Name: "db", IsNotFound: true}, store.ErrUnavailable},
		{"a connection", topology.ConnectionError{Wrapped: errors.New("EOF")}, store.ErrUnavailable},
		{"no server", topology.ServerSelectionError{Wrapped: errors.New("none")}, store.ErrUnavailable},
		{"no connection free", topology.WaitQueueTimeoutError{Wrapped: errors.New("full")}, store.ErrUnavailable},
		{"a pool that was cleared", clearedPool{errors.New("EOF")}, store.ErrUnavailable},
		{"a closed client", mongo.ErrClientDisconnected, store.ErrUnavailable},
		{"a deadline", context.DeadlineExceeded, store.ErrUnavailable},
		{"a cancellation", context.Canceled, nil},
		{"a wrapped cancellation", fmt.Errorf("ask: %w", context.Canceled), nil},
		{"a network error by its label", mongo.CommandError{Labels: []string{driver.NetworkError}}, store.ErrUnavailable},
		{"one that may be retried", mongo.CommandError{Code: 1, Labels: []string{driver.RetryableWriteError}}, store.ErrUnavailable},
		{"one of the x packages", x(0, driver.NetworkError), store.ErrUnavailable},
		{"a code of the x packages", x(11600), store.ErrUnavailable},
		{"a lasting code of the x packages", x(72), nil},
		{"a write concern of the x packages", driver.WriteCommandError{WriteConcernError: &driver.WriteConcernError{Code: 1}}, store.ErrUnavailable},
		{"stepped down", command(189), store.ErrUnavailable},
		{"not primary", command(10107), store.ErrUnavailable},
		{"shutting down", command(91), store.ErrUnavailable},
		{"out of time", command(50), store.ErrUnavailable},
		{"not authorized", command(13), store.ErrUnavailable},
		{"wrong password", command(18), store.ErrUnavailable},
		{"no disk", write(14031), store.ErrUnavailable},
		{"no majority", concern(64), store.ErrUnavailable},
		{"a lock", bulk(46), store.ErrUnavailable},
		{"a taken key", write(11000), store.ErrConflict},
		{"a taken key in a batch", bulk(11000), store.ErrConflict},
		{"a bad command", command(72), nil},
		{"an error of ours", store.Conflict("catalogue", "x", "is another's"), nil},
		{"one that is told already", fmt.Errorf("%w: away", store.ErrUnavailable), nil},
		{"anything else", errors.New("else"), nil},
	} {
		got := fault(tt.err)
		if tt.kind == nil {
			if fmt.Sprint(got) != fmt.Sprint(tt.err) || errors.Is(got, store.ErrUnavailable) != errors.Is(tt.err, store.ErrUnavailable) {
				t.Errorf("%s has become %v", tt.name, got)
			}
			continue
		}
		if !errors.Is(got, tt.kind) || !strings.Contains(got.Error(), tt.err.Error()) {
			t.Errorf("%s is %v, want %v", tt.name, got, tt.kind)
		}
		if again := fault(fmt.Errorf("while asking: %w", got)); !errors.Is(again, tt.kind) || strings.Count(again.Error(), tt.kind.Error()+":") != 1 {
			t.Errorf("%s, told twice: %v", tt.name, again)
		}
	}
	if err := fault(fmt.Errorf("ask: %w", context.DeadlineExceeded)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("whose deadline it was is lost: %v", err)
	}
	err := fault(&net.OpError{Op: "dial", Err: errors.New("mongodb://ann:hunter2@db/plant")})
	if strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "***@db/plant") {
		t.Errorf("credentials are shown: %v", err)
	}
}
