package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

// Dispatcher brings commands to devices.
type Dispatcher interface {
	// SendCommand keeps a command of which UID, OrgID, DeviceID, Name, Params,
	// Actor and ExpiresAt are given. It is on disk on return.
	SendCommand(ctx context.Context, n store.Command) (store.Command, error)
	// WithdrawCommand ends one that is open, and answers it as it is then.
	WithdrawCommand(ctx context.Context, uid uint32, id, actor string) (store.Command, error)
}

// Command is something that a device is told to do.
type Command struct {
	ID             string             `json:"id" doc:"in order of making"`
	OrgID          string             `json:"orgId"`
	DeviceID       string             `json:"deviceId"`
	Name           string             `json:"name" doc:"what to do"`
	Params         json.RawMessage    `json:"params,omitempty" doc:"any JSON; absent: none, and the device gets {}"`
	State          store.CommandState `json:"state" enum:"queued,sent,acknowledged,done,failed,expired" doc:"the last three are final. acknowledged: a connection of the device has it; done, failed: the device answered ok, error; expired: it did not in time, or the command was withdrawn"`
	CreatedBy      string             `json:"createdBy" doc:"the actor, as the audit trail names it"`
	CreatedAt      store.Time         `json:"createdAt"`
	ExpiresAt      store.Time         `json:"expiresAt" doc:"it is not sent any more from then on"`
	SentAt         *store.Time        `json:"sentAt,omitempty" doc:"when it last went out; absent: never"`
	Sent           int                `json:"sent" doc:"how often it went out: until the device acks it, also again"`
	AcknowledgedAt *store.Time        `json:"acknowledgedAt,omitempty" doc:"when a connection of the device acked it; absent: never"`
	EndedAt        *store.Time        `json:"endedAt,omitempty" doc:"absent: it is open"`
	Result         json.RawMessage    `json:"result,omitempty" doc:"what the device answered, any JSON; it may come after the end"`
	Detail         string             `json:"detail,omitempty" doc:"why it failed or expired"`
}

// NewCommand is a command to be sent.
type NewCommand struct {
	Name      string          `json:"name" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" doc:"what to do" example:"reboot"`
	Params    json.RawMessage `json:"params,omitempty" doc:"any JSON, also null in it, of at most 64 KiB; absent: the device gets {}"`
	ExpiresIn string          `json:"expiresIn,omitempty" doc:"from a second to 30 days, such as 5m; with neither this nor expiresAt: 1h" example:"5m"`
	ExpiresAt *store.Time     `json:"expiresAt,omitempty" doc:"a time in place of expiresIn"`
}

// commandOrder is a command as the trail shows it before it is made.
type commandOrder struct {
	Name      string          `json:"name"`
	Params    json.RawMessage `json:"params,omitempty"`
	ExpiresAt store.Time      `json:"expiresAt"`
}

const (
	defaultCommandWait = time.Hour
	minCommandWait     = time.Second
)

func newCommand(c store.Command) Command {
	return Command{
		ID: c.ID, OrgID: c.OrgID, DeviceID: c.DeviceID, Name: c.Name, Params: c.Params, State: c.State, CreatedBy: c.Actor,
		CreatedAt: c.CreatedAt, ExpiresAt: c.ExpiresAt, SentAt: reached(c.SentAt), Sent: c.Sent, AcknowledgedAt: reached(c.AckedAt),
		EndedAt: reached(c.EndedAt), Result: c.Result, Detail: c.Detail,
	}
}

// reached answers a time that was; nil: it was not.
func reached(t store.Time) *store.Time {
	if t == 0 {
		return nil
	}
	return &t
}

type commandInput struct {
	ID        string `path:"id"`
	CommandID string `path:"commandId"`
}

type listCommandsInput struct {
	ID string `path:"id"`
	PageInput
	State store.CommandState `query:"state" enum:"queued,sent,acknowledged,done,failed,expired"`
}

func (s *Server) routeCommands() {
	tags := []string{"commands"}
	const path = "/api/v1/devices/{id}/commands"
	route(s, reads, huma.Operation{
		OperationID: "list-commands", Method: http.MethodGet, Path: path, Tags: tags,
		Summary:     "List the commands of a device, newest first",
		Description: fmt.Sprintf("All that are open, and the newest %d that have ended.", store.CommandsKept),
	}, s.listCommands)
	route(s, writes, huma.Operation{
		OperationID: "send-command", Method: http.MethodPost, Path: path, Tags: tags,
		Summary: "Tell a device to do something",
		Description: "It is on disk when this is answered, and goes to the device over MQTT as soon as it listens, until it acks it or the command expires: " +
			"a device gets a command at least once, and passes over an id that it knows. What it answers is in the command. " +
			fmt.Sprintf("A device has at most %d open ones.", store.MaxOpenCommands),
		DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *struct {
		ID   string `path:"id"`
		Body NewCommand
	},
	) (*answer[Command], error) {
		c, err := s.sendCommand(ctx, in.ID, in.Body)
		return &answer[Command]{newCommand(c)}, err
	})
	route(s, reads, huma.Operation{
		OperationID: "get-command", Method: http.MethodGet, Path: path + "/{commandId}", Tags: tags,
		Summary:     "Get a command, with what became of it",
		Description: "What is not an end, such as sent, is on disk some milliseconds after it was so.",
	}, func(ctx context.Context, in *commandInput) (*answer[Command], error) {
		_, c, err := s.command(ctx, in.ID, in.CommandID)
		return &answer[Command]{newCommand(c)}, err
	})
	route(s, writes, huma.Operation{
		OperationID: "withdraw-command", Method: http.MethodDelete, Path: path + "/{commandId}", Tags: tags,
		Summary:     "End a command that is open",
		Description: "It expires. A device that has it already is not told.",
	}, func(ctx context.Context, in *commandInput) (*answer[Command], error) {
		c, err := s.withdrawCommand(ctx, in.ID, in.CommandID)
		return &answer[Command]{newCommand(c)}, err
	})
}

func (s *Server) listCommands(ctx context.Context, in *listCommandsInput) (*answer[List[Command]], error) {
	d, err := s.admin.device(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if s.o.Commands == nil {
		return nil, errAbsent("command")
	}
	if in.Cursor != "" && !store.ValidID(in.Cursor) {
		return nil, invalidParam("query.cursor", "is not a nextCursor of this list")
	}
	list, err := s.o.Commands.ListCommands(ctx, store.CommandFilter{UID: d.UID, State: in.State, After: in.Cursor, Limit: in.Limit + 1})
	if err != nil {
		return nil, fmt.Errorf("list commands: %w", err)
	}
	return &answer[List[Command]]{page(list, in.Limit, func(c store.Command) string { return c.ID }, newCommand)}, nil
}

// command answers one of a device that the actor sees.
func (s *Server) command(ctx context.Context, deviceID, id string) (store.Device, store.Command, error) {
	d, err := s.admin.device(ctx, deviceID)
	if err != nil {
		return d, store.Command{}, err
	}
	if s.o.Commands == nil {
		return d, store.Command{}, errAbsent("command")
	}
	c, err := s.o.Commands.Command(ctx, d.UID, id)
	return d, c, err
}

// sendCommand needs no database: commands are the box's own.
func (s *Server) sendCommand(ctx context.Context, deviceID string, n NewCommand) (store.Command, error) {
	// Whoever retires the device waits, and then ends what was sent to it.
	s.admin.commands.RLock()
	defer s.admin.commands.RUnlock()
	d, err := s.admin.device(ctx, deviceID)
	switch {
	case err != nil:
		return store.Command{}, err
	case d.State != store.DeviceActive:
		return store.Command{}, store.Conflict("device", d.ID, "is %s and gets no commands", d.State)
	case s.o.Dispatcher == nil:
		return store.Command{}, errAbsent("command")
	}
	o := commandOrder{Name: n.Name}
	if o.ExpiresAt, err = n.expiry(s.o.Now()); err != nil {
		return store.Command{}, err
	}
	if o.Params, err = compactParams(n.Params); err != nil {
		return store.Command{}, err
	}
	var made store.Command
	// An order that is written down is made, also when nobody waits for it any more.
	err = s.admin.do(ctx, change{"command.send", "device", d.ID, d.OrgID, nil, o}, func() (err error) {
		made, err = s.o.Dispatcher.SendCommand(context.WithoutCancel(ctx), store.Command{
			UID: d.UID, OrgID: d.OrgID, DeviceID: d.ID, Name: o.Name, Params: o.Params, Actor: ActorName(ctx), ExpiresAt: o.ExpiresAt,
		})
		return err
	})
	return made, err
}

// expiry answers until when it is sent.
func (n *NewCommand) expiry(now time.Time) (store.Time, error) {
	if n.ExpiresIn != "" && n.ExpiresAt != nil {
		return 0, invalidParam("body.expiresAt", "give it or expiresIn, not both")
	}
	wait := defaultCommandWait
	if n.ExpiresIn != "" {
		var err error
		if wait, err = parseDuration(n.ExpiresIn); err != nil || wait < minCommandWait || wait > store.MaxCommandWait {
			return 0, invalidParam("body.expiresIn", fmt.Sprintf("%q is not a duration from 1s to 30d, such as 5m", n.ExpiresIn))
		}
	}
	if n.ExpiresAt == nil {
		return at(now.Add(wait)), nil
	}
	switch wait = n.ExpiresAt.Time().Sub(now); {
	case wait < minCommandWait:
		return 0, invalidParam("body.expiresAt", "is over already, or within a second")
	case wait > store.MaxCommandWait:
		return 0, invalidParam("body.expiresAt", "is more than 30 days away")
	}
	return *n.ExpiresAt, nil
}

// compactParams answers what a device gets, without blanks between, so that
// layout does not count; nil: nothing was given.
func compactParams(params json.RawMessage) (json.RawMessage, error) {
	if params == nil {
		return nil, nil
	}
	var b bytes.Buffer
	if err := json.Compact(&b, params); err != nil {
		return nil, fmt.Errorf("compact params: %w", err)
	}
	if b.Len() > store.MaxCommandBytes {
		p := invalidParam("body.params", fmt.Sprintf("have %d bytes; at most %d are sent", b.Len(), store.MaxCommandBytes))
		return nil, p.limited("body.params", store.MaxCommandBytes)
	}
	if !store.ValidCommandJSON(b.Bytes()) {
		return nil, invalidParam("body.params", "are nested too deep; at most 100 levels are sent")
	}
	return b.Bytes(), nil
}

func (s *Server) withdrawCommand(ctx context.Context, deviceID, id string) (store.Command, error) {
	d, c, err := s.command(ctx, deviceID, id)
	switch {
	case err != nil:
		return c, err
	case !c.State.Open():
		return c, store.Conflict("command", id, "has ended: it is %s", c.State)
	case s.o.Dispatcher == nil:
		return c, errAbsent("command")
	}
	err = s.admin.do(ctx, change{"command.withdraw", "device", d.ID, d.OrgID, newCommand(c), nil}, func() (err error) {
		c, err = s.o.Dispatcher.WithdrawCommand(context.WithoutCancel(ctx), d.UID, id, ActorName(ctx))
		return err
	})
	return c, err
}

// dropCommands ends the commands of a device that gets no more, and with history
// deletes all of them.
func (a *Admin) dropCommands(ctx context.Context, d store.Device, reason string, history bool) error {
	if a.o.DropCommands == nil {
		return nil
	}
	a.commands.Lock()
	defer a.commands.Unlock()
	if err := a.o.DropCommands(context.WithoutCancel(ctx), d.UID, reason, history); err != nil {
		return fmt.Errorf("the device is %s, but its commands are still on disk: %w", d.State, err)
	}
	return nil
}
