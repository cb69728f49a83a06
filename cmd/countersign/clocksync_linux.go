package main

import "syscall"

// machineClock asks the kernel whether its clock is kept to the time of others. A container that may not ask does not know.
func machineClock() string {
	var x syscall.Timex
	state, err := syscall.Adjtimex(&x)
	if err != nil {
		return ""
	}
	return clockWord(state, int(x.Status))
}
