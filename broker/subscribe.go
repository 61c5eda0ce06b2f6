package broker

import (
	"strconv"
	"strings"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// OnSubscribe prepares the filters of a SUBSCRIBE. What is over a limit is
// blanked, which mochi refuses as an invalid filter.
func (h *hook) OnSubscribe(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	s := sessionOf(cl)
	if s == nil {
		return pk
	}
	s.subscribing.Store(true)
	have := cl.State.Subscriptions.Len()
	for i := range pk.Filters {
		f := &pk.Filters[i]
		f.Qos = min(f.Qos, 1)
		if !s.access.reads(f.Filter) {
			h.b.metrics.refused.WithLabelValues("filter").Inc()
			h.b.refuse(s.refusal("subscribe", "subscribed to "+shown(f.Filter, maxTopicShown)+"; allowed "+s.access.allowed(false)))
			continue
		}
		if _, again := cl.State.Subscriptions.Get(f.Filter); !again {
			have++
		}
		if have > s.account.limit(maxFilters) || len(f.Filter) > maxFilterBytes {
			h.b.metrics.refused.WithLabelValues("filters").Inc()
			h.b.refuse(s.refusal("limit", "may have "+strconv.Itoa(s.account.limit(maxFilters))+" subscriptions of at most "+strconv.Itoa(maxFilterBytes)+" bytes; use a filter with + or #"))
			f.Filter = ""
		}
		f.Filter = strings.Clone(f.Filter) // the packet is not kept
	}
	return pk
}

// OnACLCheck judges a publish (write), a filter, and each delivery.
func (h *hook) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	s := sessionOf(cl)
	if s == nil {
		return false
	}
	if write {
		return s.in.route != routeDenied // of this goroutine's own packet
	}
	return s.access.reads(topic)
}

// OnSubscribed notices filters that telemetry may match.
func (h *hook) OnSubscribed(_ *mqtt.Client, pk packets.Packet, _ []byte) {
	for _, f := range pk.Filters {
		h.b.noticeFilter(f.Filter)
	}
}

// OnUnsubscribed does the same.
func (h *hook) OnUnsubscribed(_ *mqtt.Client, pk packets.Packet) {
	for _, f := range pk.Filters {
		h.b.noticeFilter(f.Filter)
	}
}

// noticeFilter makes every session look again for subscribers, after a filter
// came or went that can match telemetry.
func (b *Broker) noticeFilter(filter string) {
	if matchesTelemetry(filter) {
		b.filters.Add(1)
	}
}
