// Package bench measures tidegate as a user meets it: whole processes, real
// sockets, real disks, timed until every reading is stored and counted.
//
// The load is raw, pre-encoded MQTT packets with a bounded number in flight, so
// that the generator costs little of the two cores that it shares. Aims are
// ratios to something measured in the same run, because machines differ by a
// factor of two from hour to hour.
package bench
