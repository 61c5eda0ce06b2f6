package ingest

import (
	"bytes"
	"encoding/hex"
	"math"
	"reflect"
	"strings"
	"testing"

	"tidegate/store"
)

// TestRecordGolden holds version 1 to its bytes: a log that was written once
// must be read for ever.
func TestRecordGolden(t *testing.T) {
	canonical := Message{
		UID: 7, OrgID: "acme", DeviceID: "d1", Principal: "device:d1", Topic: "org/acme/device/d1/telemetry",
		ReceivedAt: 1757160000123, count: 1, Payload: []byte(`{}`),
	}
	everything := Message{
		Source: SourceReplay, UID: 300, OrgID: "acme", DeviceID: "d1", Principal: "uid:0", Topic: "x/y",
		ReceivedAt: -1, ClockUntrusted: true, AnyTime: true, count: 1, size: 2 << 20, Payload: []byte(`[`),
		replay: &replay{useReceivedAt: true, zone: "UTC", letters: []store.LetterID{{Seq: 1000, Index: 2}, {Seq: 999, Index: 3}}},
	}
	for _, tt := range []struct {
		name string
		m    Message
		want string
	}{
		{
			"of a device", canonical,
			"01 00 00 f6a9aeeea366 07 0461636d65 026431 01 7b7d",
		},
		{
			"with everything", everything,
			"01 3f 04 01 ac02 0461636d65 026431 03782f79 057569643a30 01 80808001 01 03555443 02 d00f 02 01 03 5b",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want, err := hex.DecodeString(strings.ReplaceAll(tt.want, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			if got := tt.m.AppendRecord(nil); !bytes.Equal(got, want) {
				t.Errorf("got  %x\nwant %x", got, want)
			}
			m, err := parseRecord(want)
			if err != nil {
				t.Fatal(err)
			}
			if tt.m.Topic == TelemetryTopic("acme", "d1") {
				tt.m.Topic = ""
			}
			tt.m.size = max(tt.m.size, len(tt.m.Payload))
			if !reflect.DeepEqual(*m, tt.m) {
				t.Errorf("read  %+v\nwrote %+v", *m, tt.m)
			}
		})
	}
}

func TestRecordKeepsTheBeginningOfALargePayload(t *testing.T) {
	payload := bytes.Repeat([]byte("a"), MaxPayloadBytes+1)
	b := (&Message{OrgID: "acme", DeviceID: "d1", Payload: payload, count: 1}).AppendRecord(nil)
	if len(b) > KeptBytes+100 {
		t.Errorf("the record has %d bytes", len(b))
	}
	m, err := parseRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	if m.size != len(payload) || !bytes.Equal(m.Payload, payload[:KeptBytes]) {
		t.Errorf("size %d, kept %d", m.size, len(m.Payload))
	}
	if again := m.AppendRecord(nil); !bytes.Equal(again, b) {
		t.Error("the record of what was read differs")
	}
	var d decoded
	decodeMessage(m, &d)
	if d.reason != store.ReasonPayloadTooLarge {
		t.Errorf("judged %s", d.reason)
	}

	whole := (&Message{Payload: payload[:MaxPayloadBytes]}).AppendRecord(nil)
	if m, err := parseRecord(whole); err != nil || len(m.Payload) != MaxPayloadBytes {
		t.Errorf("1 MiB is not kept in whole: %v", err)
	}
}

func TestRecordTakesTheCountOfTheDecoded(t *testing.T) {
	m := &Message{Payload: telemetry(4), decoded: getDecoded()}
	decode(m.Payload, m.decoded)
	back, err := parseRecord(m.AppendRecord(nil))
	if err != nil || back.count != 4 {
		t.Errorf("count %d, %v", back.count, err)
	}
}

// TestRecordOverhead is what a record costs beyond its payload.
func TestRecordOverhead(t *testing.T) {
	m := &Message{
		UID: 200, OrgID: "acme", DeviceID: "meter-0042", Principal: "device:meter-0042",
		ReceivedAt: 1757160000123, Payload: telemetry(4), count: 4,
	}
	if n := len(m.AppendRecord(nil)) - len(m.Payload); n != 28 {
		t.Errorf("%d bytes", n)
	}
}

func TestParseRecordRefuses(t *testing.T) {
	good := (&Message{
		UID: 7, OrgID: "acme", DeviceID: "d1", Principal: "uid:0", Payload: []byte("{}"),
		replay: &replay{letters: []store.LetterID{{Seq: 1, Index: 1}}},
	}).AppendRecord(nil)
	change := func(i int, c byte) []byte {
		b := bytes.Clone(good)
		b[i] = c
		return b
	}
	for _, tt := range []struct {
		name string
		b    []byte
		want string
	}{
		{"nothing", nil, "log record: it is empty"},
		{"a newer version", change(0, 2), "log record: version 2 is newer than this binary, which reads up to 1: start the newer one"},
		{"version 0", change(0, 0), "log record: version 0 never was"},
		{"unknown flags", change(1, 0x80), "log record: flags 0x80 are not of version 1"},
		{"an unknown source", change(2, 5), "log record: source 5 is unknown"},
		{"a string beyond the end", change(5, 0x7f), "log record: it ends early"},
		{"a cut payload that is whole", []byte{1, recordCut | recordPrincipal, 0, 0, 0, 0, 0, 0, 1, 1, 'x'}, "log record: a payload of 1 bytes keeps 1"},
		{"a device number above 32 bits", []byte{1, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x10, 0}, "log record: number 4294967296 is above 4294967295"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := parseRecord(tt.b); err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	for n := 1; n < len(good)-len("{}"); n++ {
		if _, err := parseRecord(good[:n]); err == nil {
			t.Errorf("cut after %d bytes it is read", n)
		}
	}
}

func TestIsTelemetryTopic(t *testing.T) {
	for _, tt := range []struct {
		topic string
		want  bool
	}{
		{"org/acme/device/d1/telemetry", true},
		{"org/acme/device/d2/telemetry", false},
		{"org/acmd/device/d1/telemetry", false},
		{"org/acme/device/d1/telemetri", false},
		{"org/acme/devicE/d1/telemetry", false},
		{"", false},
	} {
		if got := isTelemetryTopic(tt.topic, "acme", "d1"); got != tt.want {
			t.Errorf("%q: %v", tt.topic, got)
		}
	}
}

// FuzzParseRecord: whatever is read never panics, and what was read writes and
// reads as the same again.
func FuzzParseRecord(f *testing.F) {
	f.Add((&Message{UID: 7, OrgID: "acme", DeviceID: "d1", Principal: "device:d1", ReceivedAt: 1757160000123, count: 4, Payload: telemetry(4)}).AppendRecord(nil))
	f.Add((&Message{Source: SourceReplay, Topic: "x", replay: &replay{zone: "UTC", useReceivedAt: true, letters: []store.LetterID{{Seq: math.MaxUint64, Index: 1}, {Seq: 0, Index: math.MaxUint32}}}}).AppendRecord(nil))
	f.Add((&Message{size: 2 << 20, Payload: []byte("[")}).AppendRecord(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseRecord(b)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "log record: ") {
				t.Errorf("%v", err)
			}
			return
		}
		if len(m.Payload) > MaxPayloadBytes || (m.size > MaxPayloadBytes && len(m.Payload) > KeptBytes) {
			return // never written so
		}
		if isTelemetryTopic(m.Topic, m.OrgID, m.DeviceID) {
			m.Topic = ""
		}
		again, err := parseRecord(m.AppendRecord(nil))
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(m, again) {
			t.Errorf("read %+v\nthen %+v", m, again)
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	m := &Message{
		UID: 200, OrgID: "acme", DeviceID: "meter-0042", Principal: "device:meter-0042", Topic: "org/acme/device/meter-0042/telemetry",
		ReceivedAt: 1757160000123, Payload: telemetry(4), count: 4,
	}
	record := m.AppendRecord(nil)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			record = m.AppendRecord(record[:0])
		}
	})
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := parseRecord(record); err != nil {
				b.Fatal(err)
			}
		}
	})
}
