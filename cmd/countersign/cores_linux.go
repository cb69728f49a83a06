package main

import (
	"os"
	"syscall"
)

// noCores keeps what is in memory out of core files: secrets are in clear there for moments, and the tokens and keys that the bot works with for as
// long as it runs. The Go runtime writes none by itself unless GOTRACEBACK=crash asks for it. A limit of zero stops a core that would be a file, but not
// one that the system pipes to a program (core_pattern beginning with "|"): that is stopped by being no longer dumpable, which also keeps programs of
// the same user from reading the memory (prctl(2), ptrace(2)). What the bot starts is dumpable again, and has the limit.
func noCores() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return err
	}
	if _, _, errno := syscall.Syscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 0, 0); errno != 0 {
		return os.NewSyscallError("prctl", errno)
	}
	return nil
}
