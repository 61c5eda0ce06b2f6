package notify

import "syscall"

// refusals and their like are what the kernel says of a connection.
func refusals() []error { return []error{syscall.ECONNREFUSED} }

func resets() []error { return []error{syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED} }

func unreachable() []error {
	return []error{syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EADDRNOTAVAIL}
}
