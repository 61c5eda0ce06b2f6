package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// TestMetrics: /metrics follows what comes in, what is rejected and why, how long
// an ack and the store take, how deep the log is, and the disk.
func TestMetrics(t *testing.T) {
	s := newServer(t)
	s.start()
	s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
	s.tidegate("simulate", "--org", "acme", "--devices", "2", "--every", "20ms", "--for", "300ms")
	file := filepath.Join(t.TempDir(), "wrong.csv")
	if err := os.WriteFile(file, []byte("ts,device,port,value\n2026-01-05T00:00:00Z,sim-1,99,1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.tidegate("readings", "import", file)
	sum := s.settled(t.Context())
	for name, want := range map[string]float64{
		`tidegate_ingest_readings_total{verdict="received"}`:    float64(sum.Received),
		`tidegate_ingest_readings_total{verdict="stored"}`:      float64(sum.Stored),
		`tidegate_ingest_readings_total{verdict="rejected"}`:    1,
		`tidegate_ingest_rejected_total{reason="unknown_port"}`: 1,
		`tidegate_ingest_pending_readings`:                      0,
	} {
		if got := s.metric(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	acked := s.metric("tidegate_broker_acks_total")
	if acked == 0 || s.metric("tidegate_broker_ack_latency_seconds_count") != acked || s.metric("tidegate_broker_ack_latency_seconds_sum") <= 0 {
		t.Errorf("%v acks, with the time that %v took", acked, s.metric("tidegate_broker_ack_latency_seconds_count"))
	}
	for _, name := range []string{
		"tidegate_ingest_messages_total", "tidegate_ingest_append_seconds_sum", "tidegate_buffer_commit_duration_seconds_sum",
		"tidegate_buffer_depth_records", "tidegate_buffer_depth_bytes", // until their readings are flushed, minutes later
		"tidegate_gateway_disk_free_bytes",
	} {
		if got := s.metric(name); got <= 0 {
			t.Errorf("%s is %v", name, got)
		}
	}
	s.stop()
}
