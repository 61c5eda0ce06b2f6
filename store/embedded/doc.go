// Package embedded keeps tidegate's data in files of its own, without a
// server: readings, catalogue, dead letters and the audit trail.
package embedded
