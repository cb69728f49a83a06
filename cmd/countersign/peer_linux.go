package main

import (
	"fmt"
	"net"
	"syscall"
)

// peerUID asks the kernel who opened a Unix socket (SO_PEERCRED, unix(7)): nothing that the other side sends is believed about that.
func peerUID(c net.Conn) (uint32, error) {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return 0, fmt.Errorf("not a Unix socket: %T", c)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("asking who opened the socket: %w", err)
	}
	var cred *syscall.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return 0, fmt.Errorf("asking who opened the socket: %w", err)
	}
	if credErr != nil {
		return 0, fmt.Errorf("asking who opened the socket: %w", credErr)
	}
	return cred.Uid, nil
}
