package api

import (
	"reflect"
	"strings"
	"testing"

	"tidegate/api/client"
	"tidegate/store"
)

// TestClientShapes holds the client's types against the server's: the client
// states them anew, so that programs that use it do not link the server.
func TestClientShapes(t *testing.T) {
	for _, pair := range [][2]any{
		{Organization{}, client.Organization{}},
		{NewOrganization{}, client.NewOrganization{}},
		{OrganizationChange{}, client.OrganizationChange{}},
		{User{}, client.User{}},
		{NewUser{}, client.NewUser{}},
		{UserChange{}, client.UserChange{}},
		{Link{}, client.Link{}},
		{APIKey{}, client.APIKey{}},
		{NewAPIKey{}, client.NewAPIKey{}},
		{APIKeyChange{}, client.APIKeyChange{}},
		{AlertRule{}, client.AlertRule{}},
		{NewAlertRule{}, client.NewAlertRule{}},
		{AlertRuleChange{}, client.AlertRuleChange{}},
		{AlertRuleEdit{}, client.AlertRuleEdit{}},
		{AlertCondition{}, store.Condition{}},
		{AlertSelection{}, store.Selection{}},
		{AlertSchedule{}, store.Schedule{}},
		{Channel{}, client.Channel{}},
		{NewChannel{}, client.NewChannel{}},
		{ChannelChange{}, client.ChannelChange{}},
		{AlertAcknowledgement{}, client.AlertAcknowledgement{}},
		{AlertComment{}, client.AlertComment{}},
		{Silence{}, client.Silence{}},
		{Command{}, client.Command{}},
		{NewCommand{}, client.NewCommand{}},
		{NewSilence{}, client.NewSilence{}},
		{Notification{}, client.Notification{}},
		{Login{}, client.Login{}},
		{Session{}, client.Session{}},
		{Me{}, client.Me{}},
		{Device{}, client.Device{}},
		{NewDevice{}, client.NewDevice{}},
		{DeviceChange{}, client.DeviceChange{}},
		{DeviceImport{}, client.DeviceImport{}},
		{DeviceImportRow{}, client.DeviceImportRow{}},
		{Port{}, client.Port{}},
		{PortChange{}, client.PortChange{}},
		{Calibration{}, client.Calibration{}},
		{Aggregate{}, client.Aggregate{}},
		{ImportCounts{}, client.ImportCounts{}},
		{LetterReplay{}, client.Replay{}},
		{LetterSelection{}, client.LetterSelection{}},
		{ReplayResult{}, client.ReplayResult{}},
		{AuditVerification{}, client.AuditVerification{}},
		{Grant{}, client.Grant{}},
		{RetentionReport{}, client.Retention{}},
		{RetentionMonth{}, client.RetentionMonth{}},
		{Status{}, client.Status{}},
		{LogStatus{}, client.LogStatus{}},
		{AlarmStatus{}, client.AlarmStatus{}},
		{LivePort{}, client.LivePort{}},
		{Problem{}, client.Problem{}},
	} {
		server, mine := fields(reflect.TypeOf(pair[0])), fields(reflect.TypeOf(pair[1]))
		for name, kind := range server {
			if name == "type" && reflect.TypeOf(pair[0]) == reflect.TypeFor[Problem]() {
				continue
			}
			if mine[name] != kind {
				t.Errorf("%T.%s is %s, the client has %q", pair[0], name, kind, mine[name])
			}
			delete(mine, name)
		}
		for name := range mine {
			if name != "value" {
				t.Errorf("%T has %s, the server does not", pair[1], name)
			}
		}
	}
}

// fields lists the JSON fields of a struct and their kinds.
func fields(t reflect.Type) map[string]string {
	out := map[string]string{}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			for k, v := range fields(f.Type) {
				out[k] = v
			}
			continue
		}
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		kind := f.Type.Kind().String()
		if f.Type.Kind() == reflect.Pointer || f.Type.Kind() == reflect.Slice {
			kind += " of " + f.Type.Elem().Kind().String()
		}
		out[name] = kind + " " + opts
	}
	return out
}
