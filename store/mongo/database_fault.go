package mongo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/auth"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"

	"tidegate/store"
)

// Codes of the server after which the same command may work later, without
// anything of ours having changed. Source: error_codes.yml of the server.
var passing = []int{
	6, 7, 89, 9001, // host unreachable, not found, network timeout, socket
	13, 18, // not authorized, authentication failed: mended by the server's operator
	24, 46, 112, // lock timeout, lock busy, write conflict
	50, 202, 262, // out of time
	63, 150, 13388, // stale shard version, epoch, config
	64, 79, 100, // the write concern could not be satisfied
	91, 189, 10058, 10107, 11600, 11601, 11602, 13435, 13436, // shutting down, stepping down, not primary, interrupted
	133, 134, // no fitting member, its snapshot is not yet there
	211,       // its keys are not loaded yet, a moment after it started
	14031, 39, // out of disk space, file stream failed
	462, // overloaded
}

// fault answers err as the store's callers know it: what passes by itself (no
// network, no primary, a server out of time or disk, refused credentials) wraps
// store.ErrUnavailable, a taken unique key store.ErrConflict. A cancellation
// stays what it is. A deadline is ErrUnavailable and context.DeadlineExceeded
// at once: whose it was, the caller's context knows.
func fault(err error) error {
	var se mongo.ServerError
	var we driver.WriteCommandError
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrConflict), errors.As(err, new(*store.Error)):
		return err
	case errors.As(err, &se) && slices.ContainsFunc(se.ErrorCodes(), func(c int) bool { return slices.Contains(passing, c) }),
		errors.As(err, &we) && we.WriteConcernError != nil,
		away(err):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, redacted{err})
	case mongo.IsDuplicateKeyError(err):
		return fmt.Errorf("%w: %w", store.ErrConflict, err)
	}
	var de driver.Error // what the x packages answer is not wrapped by package mongo
	if errors.As(err, &de) && slices.Contains(passing, int(de.Code)) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, redacted{err})
	}
	return err
}

func isPassing(code int) bool { return slices.Contains(passing, code) }

// away reports whether err says that no server, or none that may be written to,
// could be asked.
func away(err error) bool {
	var labels mongo.LabeledError
	var de driver.Error
	var ne net.Error
	switch {
	case mongo.IsTimeout(err), errors.As(err, &ne),
		errors.As(err, new(topology.ConnectionError)), errors.As(err, new(topology.ServerSelectionError)),
		errors.As(err, new(topology.WaitQueueTimeoutError)), errors.As(err, new(driver.RetryablePoolError)), errors.As(err, new(*auth.Error)),
		errors.Is(err, mongo.ErrClientDisconnected):
		return true
	case errors.As(err, &labels) && (labels.HasErrorLabel(driver.NetworkError) || labels.HasErrorLabel(driver.RetryableWriteError)):
		return true
	case errors.As(err, &de):
		return de.NetworkError() || de.HasErrorLabel(driver.RetryableWriteError)
	}
	return false
}

// redacted is an error of the driver whose text names no credentials.
type redacted struct{ error }

func (r redacted) Error() string { return withoutCredentials(r.error.Error()) }
func (r redacted) Unwrap() error { return r.error }
