package escalations

const (
	maxNote   = 500  // characters of a note with an acknowledgement: it is read on a phone
	maxWhy    = 500  // likewise of why an escalation is closed
	leastWhy  = 10   // characters that say something
	maxPeople = 100  // told by one step: more are a channel
	maxTaken  = 250  // steps of one escalation: ten steps, walked twenty-five times
	maxWords  = 2000 // characters of one of the texts that a message is made of
)
