package main

import "syscall"

// noCores keeps what is in memory out of core files: secrets are in clear there for moments. The Go runtime writes none by itself unless
// GOTRACEBACK=crash asks for it; with this it cannot either.
func noCores() error { return syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) }
