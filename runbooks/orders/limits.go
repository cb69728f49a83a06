package orders

const (
	// maxName, maxValue and maxField bound ids and accounts, one value of an entitlement and one field of a form; they
	// are those of the Runner.
	maxName  = 256
	maxValue = 4 << 10
	maxField = 16 << 10

	// maxWords bounds the values of all params and fields together: 32 of each, with 256 values at most.
	maxWords = 1024

	// maxOrder bounds an order, as JSON, which makes up to six bytes of one.
	maxOrder = 1 << 20

	// MaxAnswer bounds an answer in bytes: five files of 16 KiB and the rest of a receipt.
	MaxAnswer = 128 << 10

	// MaxText bounds the words of a program or a service that reach a card, in bytes.
	MaxText = 300

	// maxFacts, maxFact, maxSteps, maxStep, maxFiles and maxFile bound a receipt; they are those of the Runner.
	maxFacts = 20
	maxFact  = 500
	maxSteps = 20
	maxStep  = 1000
	maxFiles = 5
	maxFile  = 16 << 10
)
