//go:build !linux

package main

import "syscall"

// noCores keeps what is in memory out of core files, as on Linux; what the system does with a crash beside them it cannot stop here.
func noCores() error { return syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) }
