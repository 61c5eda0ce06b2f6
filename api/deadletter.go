package api

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/ingest"
	"tidegate/store"
)

// LetterSelection names dead letters, or chooses them.
type LetterSelection struct {
	IDs      []string     `json:"ids,omitempty" maxItems:"10000" nullable:"false" doc:"instead of a filter"`
	OrgID    string       `json:"orgId,omitempty" unknown:"empty"`
	DeviceID string       `json:"deviceId,omitempty" unknown:"empty"`
	Reason   store.Reason `json:"reason,omitempty" enum:"malformed_json,invalid_utf8,wrong_type,value_missing,value_not_finite,ts_invalid,ts_out_of_range,unknown_device,unknown_port,conflict,payload_too_large,too_many_readings,quota"`
	From     *store.Time  `json:"from,omitempty" doc:"of receipt, inclusive"`
	To       *store.Time  `json:"to,omitempty" doc:"exclusive"`
	All      bool         `json:"all,omitempty" doc:"every letter; needed when nothing else is given"`
}

// LetterReplay says which letters to bring back, and how.
type LetterReplay struct {
	LetterSelection
	UseReceivedAt bool   `json:"useReceivedAt,omitempty" doc:"take the time of receipt where the reading's own is the fault"`
	Zone          string `json:"zone,omitempty" doc:"read times that carry no zone in this one" example:"Europe/Berlin"`
}

// ReplayResult is what became of the letters.
type ReplayResult struct {
	Stored    int `json:"stored"`
	Duplicate int `json:"duplicate"`
	Rejected  int `json:"rejected" doc:"again; they stay"`
}

// LetterDetail is a letter with its whole message.
type LetterDetail struct {
	store.DeadLetter
	PayloadHex string `json:"payloadHex,omitempty" doc:"the payload's bytes, when they are no text; absent: they are"`
}

// Deletion is how many went.
type Deletion struct {
	Deleted int `json:"deleted"`
}

// LetterCount is how many letters there are.
type LetterCount struct {
	Count int64 `json:"count"`
	More  bool  `json:"more" doc:"there are others, or may be: the count stops at 10,000, and when 200,000 were looked at; by reason alone, and of all, it is exact"`
}

type listLettersInput struct {
	PageInput
	LetterFilterInput
}

// LetterFilterInput is how a query chooses letters.
type LetterFilterInput struct {
	TimeRange
	OrgID    string `query:"orgId" as:"id" unknown:"empty"`
	DeviceID string `query:"deviceId" as:"id" unknown:"empty"`
	Reason   string `query:"reason" enum:"malformed_json,invalid_utf8,wrong_type,value_missing,value_not_finite,ts_invalid,ts_out_of_range,unknown_device,unknown_port,conflict,payload_too_large,too_many_readings,quota"`
}

var reasons = []store.Reason{
	store.ReasonMalformedJSON, store.ReasonInvalidUTF8, store.ReasonWrongType, store.ReasonValueMissing,
	store.ReasonValueNotFinite, store.ReasonTSInvalid, store.ReasonTSOutOfRange, store.ReasonUnknownDevice,
	store.ReasonUnknownPort, store.ReasonConflict, store.ReasonPayloadTooLarge, store.ReasonTooManyReadings,
	store.ReasonQuota,
}

func checkReason(location string, r store.Reason) error {
	if r == "" {
		return nil
	}
	for _, known := range reasons {
		if r == known {
			return nil
		}
	}
	return invalidParam(location, fmt.Sprintf("%q is unknown; use one of %v", r, reasons))
}

func (in *LetterFilterInput) filter() (store.LetterFilter, error) {
	f := store.LetterFilter{OrgID: in.OrgID, DeviceID: in.DeviceID, Reason: store.Reason(in.Reason)}
	err := checkReason("query.reason", f.Reason)
	if err == nil {
		f.From, f.To, err = receiptRange(in.TimeRange)
	}
	return f, err
}

const (
	letterPiece    = 1000   // letters in memory while a filter is worked off
	lettersCounted = 10_000 // at most, where it takes a look at each
)

func (s *Server) routeDeadLetters() {
	tags := []string{"dead letters"}
	const path = "/api/v1/dead-letters"
	route(s, reads, huma.Operation{
		OperationID: "list-dead-letters", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "List rejected readings, newest first",
	}, s.listLetters)
	route(s, reads, huma.Operation{
		OperationID: "count-dead-letters", Method: http.MethodGet, Path: path + "/count", Tags: tags,
		Summary: "Count rejected readings, before they are replayed or deleted by the same filter",
	}, s.countLetters)
	route(s, reads, huma.Operation{
		OperationID: "get-dead-letter", Method: http.MethodGet, Path: path + "/{id}", Tags: tags,
		Summary: "Get a rejected reading with its message",
	}, func(ctx context.Context, in *struct {
		ID string `path:"id" example:"17-0"`
	},
	) (*answer[LetterDetail], error) {
		id, err := store.ParseLetterID(in.ID)
		if err != nil {
			return nil, store.NotFound("dead letter", in.ID)
		}
		l, payload, err := s.o.Letters.DeadLetter(ctx, id)
		if err != nil {
			return nil, err
		}
		sees, err := s.admin.seen(ctx).letter(ctx, l)
		if err == nil && !sees {
			err = store.NotFound("dead letter", in.ID)
		}
		out := LetterDetail{DeadLetter: l}
		if !utf8.Valid(payload) {
			out.PayloadHex = hex.EncodeToString(payload)
		}
		return &answer[LetterDetail]{out}, err
	})
	route(s, writes, huma.Operation{
		OperationID: "replay-dead-letters", Method: http.MethodPost, Path: path + "/replay", Tags: tags,
		Summary:     "Bring rejected readings back into the store",
		Description: "In their original hour the ledger moves them from rejected to stored.",
	}, func(ctx context.Context, in *struct{ Body LetterReplay }) (*answer[ReplayResult], error) {
		res, err := s.replayLetters(ctx, in.Body)
		return &answer[ReplayResult]{res}, err
	})
	route(s, writes, huma.Operation{
		OperationID: "delete-dead-letters", Method: http.MethodPost, Path: path + "/delete", Tags: tags,
		Summary: "Delete rejected readings; no count of the ledger changes",
	}, func(ctx context.Context, in *struct{ Body LetterSelection }) (*answer[Deletion], error) {
		n, err := s.deleteLetters(ctx, in.Body)
		return &answer[Deletion]{Deletion{n}}, err
	})
}

func (s *Server) listLetters(ctx context.Context, in *listLettersInput) (*answer[List[store.DeadLetter]], error) {
	f, err := in.filter()
	if err != nil {
		return nil, err
	}
	f.Limit = in.Limit + 1
	if in.Cursor != "" {
		after, err := store.ParseLetterID(in.Cursor)
		if err != nil {
			return nil, invalidParam("query.cursor", "is not a nextCursor of this query")
		}
		f.After = &after
	}
	letters, err := s.seenLetters(ctx, f)
	if err != nil {
		return nil, err
	}
	l := page(letters, in.Limit, func(l store.DeadLetter) string { return l.ID }, func(l store.DeadLetter) store.DeadLetter { return l })
	return &answer[List[store.DeadLetter]]{l}, nil
}

func (s *Server) countLetters(ctx context.Context, in *LetterFilterInput) (*answer[LetterCount], error) {
	f, err := in.filter()
	if err != nil {
		return nil, err
	}
	f.Limit = lettersCounted
	f, any, err := s.admin.seen(ctx).letters(ctx, f)
	if !any {
		return &answer[LetterCount]{}, err
	}
	n, more, err := s.o.Letters.CountChosen(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("count dead letters: %w", err)
	}
	return &answer[LetterCount]{LetterCount{n, more}}, nil
}

// seenLetters answers the letters of f that the actor sees.
func (s *Server) seenLetters(ctx context.Context, f store.LetterFilter) ([]store.DeadLetter, error) {
	f, any, err := s.admin.seen(ctx).letters(ctx, f)
	if !any {
		return nil, err
	}
	letters, err := s.o.Letters.ListDeadLetters(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", err)
	}
	return letters, nil
}

// seenIDs leaves out the letters that the actor does not see: they are treated
// like those that are gone.
func (s *Server) seenIDs(ctx context.Context, ids []store.LetterID) ([]store.LetterID, error) {
	seen := s.admin.seen(ctx)
	if seen.access.Whole() {
		return ids, nil
	}
	var out []store.LetterID
	for _, id := range ids {
		l, _, err := s.o.Letters.DeadLetter(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		sees := false
		if err == nil {
			sees, err = seen.letter(ctx, l)
		}
		if err != nil {
			return nil, fmt.Errorf("read dead letter %s: %w", id, err)
		}
		if sees {
			out = append(out, id)
		}
	}
	return out, nil
}

// receiptRange is a range as LetterFilter has it: 0 is open.
func receiptRange(r TimeRange) (from, to int64, err error) {
	if from, to, err = parseRange(r.From, r.To); err != nil {
		return 0, 0, err
	}
	if r.From == "" {
		from = 0
	}
	if r.To == "" {
		to = 0
	}
	return from, to, nil
}

// check refuses what chooses nothing, or too much by mistake, and reads the ids.
func (sel LetterSelection) check() ([]store.LetterID, error) {
	if err := checkReason("body.reason", sel.Reason); err != nil {
		return nil, err
	}
	filtered := sel.OrgID != "" || sel.DeviceID != "" || sel.Reason != "" || sel.From != nil || sel.To != nil
	switch {
	case len(sel.IDs) > 0 && (filtered || sel.All):
		return nil, invalidParam("body.ids", "give ids or a filter, not both")
	case len(sel.IDs) == 0 && !filtered && !sel.All:
		return nil, invalidParam("body", "choose letters by ids or by a filter, or set all")
	}
	ids := make([]store.LetterID, len(sel.IDs))
	for i, id := range sel.IDs {
		var err error
		if ids[i], err = store.ParseLetterID(id); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// each calls fn with the chosen letters, a piece at a time. As fn may make
// them go, or not, each piece resumes behind the last.
func (s *Server) each(ctx context.Context, sel LetterSelection, ids []store.LetterID, fn func([]store.LetterID) error) error {
	if len(ids) > 0 {
		ids, err := s.seenIDs(ctx, ids)
		if err != nil || len(ids) == 0 {
			return err
		}
		return fn(ids)
	}
	f := store.LetterFilter{OrgID: sel.OrgID, DeviceID: sel.DeviceID, Reason: sel.Reason, Limit: letterPiece}
	if sel.From != nil {
		f.From = int64(*sel.From)
	}
	if sel.To != nil {
		f.To = int64(*sel.To)
	}
	for {
		letters, err := s.seenLetters(ctx, f)
		if err != nil {
			return err
		}
		ids := make([]store.LetterID, len(letters))
		for i, l := range letters {
			if ids[i], err = store.ParseLetterID(l.ID); err != nil {
				return err
			}
		}
		if len(ids) > 0 {
			f.After = &ids[len(ids)-1]
			if err := fn(ids); err != nil {
				return err
			}
		}
		if len(letters) < letterPiece {
			return nil
		}
	}
}

func (s *Server) replayLetters(ctx context.Context, r LetterReplay) (ReplayResult, error) {
	var res ReplayResult
	if r.Zone != "" {
		if _, err := time.LoadLocation(r.Zone); err != nil {
			return res, invalidParam("body.zone", fmt.Sprintf("%q is not a zone such as Europe/Berlin or UTC", r.Zone))
		}
	}
	ids, err := r.check()
	if err != nil {
		return res, err
	}
	err = s.admin.do(ctx, change{"deadletter.replay", "dead letter", "", orgOf(ctx, r.OrgID), nil, r}, func() error {
		return s.each(ctx, r.LetterSelection, ids, func(ids []store.LetterID) error {
			o := ingest.ReplayOptions{UseReceivedAt: r.UseReceivedAt, Zone: r.Zone}
			stored, duplicate, rejected, err := s.o.Pipeline.ReplayLetters(ctx, ids, o)
			res.Stored += stored
			res.Duplicate += duplicate
			res.Rejected += rejected
			return err
		})
	})
	return res, err
}

func (s *Server) deleteLetters(ctx context.Context, sel LetterSelection) (int, error) {
	ids, err := sel.check()
	if err != nil {
		return 0, err
	}
	deleted := 0
	err = s.admin.do(ctx, change{"deadletter.delete", "dead letter", "", orgOf(ctx, sel.OrgID), nil, sel}, func() error {
		return s.each(ctx, sel, ids, func(ids []store.LetterID) error {
			n, err := s.o.Letters.DeleteDeadLetters(ctx, ids)
			deleted += n
			return err
		})
	})
	return deleted, err
}
