package workflows

// Task is how a ticket, an incident, a pull request or a change window stands, as the system that keeps it says. Texts are of that system:
// they are shown escaped, and only what is said to be so is recorded.
type Task struct {
	Source string // the source's name as the operator configured it, such as "jira"; recorded
	Ref    string // as the source spells it, such as "PAY-123" or "acme/shop#12"; recorded

	Incident bool // it is an incident that the ledger itself keeps

	Exists bool   // false: the source answered, and there is no such task; the fields below are empty then
	Open   bool   // false: it is done, closed, merged, resolved or cancelled
	Status string // the source's own word for it, such as "In Progress": at most 60 characters, no names; recorded

	Assignees []string // e-mail addresses in lower case where the source has them, else its login names; empty: nobody, or it does not say
	Title     string   // for people, never recorded
	Link      string   // https, for people; may be empty

	// A change window, where the task has one: outside it nothing may be used. Zero: it has no such end.
	From  Stamp
	Until Stamp
}

// Covers tells whether a moment lies in the task's window; always, where it has none.
func (t Task) Covers(at Stamp) bool {
	return (t.From == 0 || at >= t.From) && (t.Until == 0 || at < t.Until)
}

// Posture is what a source knows of one claim about somebody's device or about a workload, such as "disk-encrypted".
type Posture struct {
	Source string // the source's name as the operator configured it; recorded
	Claim  string // recorded

	Said  bool  // false: nothing is known of it, which a policy that needs the claim takes for a no
	Holds bool  // what was said
	At    Stamp // when it was observed
	Until Stamp // from when on it counts as not said any more: what is old proves nothing
}

// Fresh tells whether something was said and still counts at a moment.
func (p Posture) Fresh(at Stamp) bool { return p.Said && p.At <= at && at < p.Until }
