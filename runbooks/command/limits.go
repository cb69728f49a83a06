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

	// maxName, maxValue and maxField bound ids and accounts, one value of an entitlement and one field of a form; they
	// are those of the Runner.
	maxName  = 256
	maxValue = 4 << 10
	maxField = 16 << 10

	// maxWords bounds the values of all params and fields together: 32 of each, with 256 values at most.
	maxWords = 1024

	// maxOrder bounds the order on stdin, as JSON, which makes up to six bytes of one.
	maxOrder = 1 << 20

	// maxAnswer bounds what is kept of stdout: five files of 16 KiB and the rest of a receipt. What is beyond is read,
	// so that the program does not block, and makes the answer unreadable.
	maxAnswer = 128 << 10

	// maxStderr bounds what is kept of stderr for the log: the end is what tells why.
	maxStderr = 4 << 10

	// maxText bounds the words of a program that reach a card.
	maxText = 300

	// maxFacts, maxFact, maxSteps, maxStep, maxFiles and maxFile bound a receipt; they are those of the Runner.
	maxFacts = 20
	maxFact  = 500
	maxSteps = 20
	maxStep  = 1000
	maxFiles = 5
	maxFile  = 16 << 10

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
