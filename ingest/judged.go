package ingest

import "tidegate/store"

// judged is a message with what its readings became.
type judged struct {
	m       *Message
	seq     uint64
	letters []store.Letter
	settled []store.Settlement
	payload string // of m, once it was asked for
	stored  int
	dups    int
}

func (j *judged) hasLetter(index uint32) bool {
	for i := range j.letters {
		if j.letters[i].Index == index {
			return true
		}
	}
	return false
}

func (j *judged) isSettled(index uint32) bool {
	for i := range j.settled {
		if j.settled[i].Index == index {
			return true
		}
	}
	return false
}

// text answers the payload as a string that all its readings share.
func (j *judged) text() string {
	if j.payload == "" {
		j.payload = string(j.m.Payload)
	}
	return j.payload
}

func (j *judged) rejection() store.Rejection {
	m := j.m
	topic := m.Topic
	if topic == "" {
		topic = TelemetryTopic(m.OrgID, m.DeviceID)
	}
	return store.Rejection{
		Seq: j.seq, ReceivedAt: m.ReceivedAt, UID: m.UID, OrgID: m.OrgID, DeviceID: m.DeviceID, Topic: topic,
		Source: m.Source.String(), Principal: m.Principal, ClockUntrusted: m.ClockUntrusted, Payload: m.Payload, Size: m.size, Letters: j.letters,
	}
}
