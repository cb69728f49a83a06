package command

import "time"

const (
	// defaultTimeout and maxTimeout bound one run of a program. Five minutes are long for a call that holds a worker; what
	// takes longer answers "retry" and goes on by itself.
	defaultTimeout = 30 * time.Second
	maxTimeout     = 5 * time.Minute

	// maxArgs bounds the arguments of one template; a program that needs more reads the order on stdin.
	maxArgs = 64

	// maxArgBytes bounds one command line. Linux takes 128 KiB in one argument and a quarter of the stack in all.
	maxArgBytes = 96 << 10

	// maxStderr bounds what is kept of stderr for the log: the end is what tells why.
	maxStderr = 4 << 10

	// maxRuns bounds the programs of one target that run at once; others wait for their turn.
	maxRuns = 8

	// drain is how long output is still read when the whole group is dead: only a process that made a session of its
	// own can hold a pipe open then.
	drain = 500 * time.Millisecond

	// reapEvery and reapTries bound the wait for killed processes that we inherit: one in the middle of a disk operation
	// dies when that ends.
	reapEvery = 2 * time.Millisecond
	reapTries = 500
)
