package incidents

// Demand is one thing that published guidance asks of emergency access.
type Demand struct {
	Number int
	Asks   string
	Source string
	Here   string // how it is met
	People bool   // only people can do it: Here says what
}

// Guidance is what NIST SP 800-53, CSF 2.0, CISA SCuBA, AWS (SEC03-BP03), Google (Building Secure and Reliable Systems), Microsoft (emergency
// access accounts) and PagerDuty ask of emergency access, and how each is met. Reports and the manual carry it; a test names a test for each.
func Guidance() []Demand {
	return []Demand{
		{1, "Conditions and roles of the override are written down, and it is audited.", "NIST AC-3(10)", "The runbook's front matter says both; what held and what failed is recorded with each use.", false},
		{2, "One process per failure mode, saying when to use it and when not to.", "AWS SEC03-BP03", "One file per failure mode with use_when and do_not_use_when, shown before the click; writing them well is its owner's.", true},
		{3, "Each use is tied to an incident; there is an alert when there is none.", "AWS, Google", "Without a name of the right form nothing is given; with incident_required it must be known and open, and going around that is loud.", false},
		{4, "Few named invokers; the list is reviewed.", "Google, Microsoft, AC-2, AC-6(1)", "Invokers stand in the file, the short list holds at most a few; who drills a runbook reads its list, too.", true},
		{5, "Approval works inside and outside of business hours, with secondary approvers and escalation.", "AWS", "Approved in peacetime, for so many uses until a day; where a condition fails, a chain with escalation is asked.", false},
		{6, "Separation of duties; who runs access does not run audit.", "AC-5, AU-9(4)", "Nobody reviews their own use, and auditors read and decide nothing.", false},
		{7, "No dependency on what may be down; a second path without a common failure mode.", "AWS, Microsoft", "The bot's host and its page for emergencies need no chat; a sealed envelope needs no bot.", false},
		{8, "Strong, different authentication for the emergency path.", "Microsoft, Google", "The kernel's word on the host, one-time codes from paper on the page; each use records which.", false},
		{9, "Least privilege; small approved operations rather than a shell.", "AC-6, Google", "A use gives what its text names and nothing else; steps call connectors with typed parameters.", false},
		{10, "Time-bound, removed automatically.", "AC-2(2)", "It ends on time, with the incident or with the run, whichever is first, and is read back.", false},
		{11, "Other people are alerted at once on every use.", "Microsoft, CISA SCuBA 7.8", "The channel, everybody whose approval was skipped, who else the text names, and the reviewer; each delivery is recorded.", false},
		{12, "Successes and failures are logged: who, what, when, where from, outcome.", "AU-3, AC-6(9), AU-12", "Each is an entry of the ledger; so is every attempt that was turned away.", false},
		{13, "Time stamps in UTC.", "AU-8", "In microseconds, beside a clock that never goes back.", false},
		{14, "Nobody can deny the approving information.", "AU-10", "Votes are bound to the exact text by its hash, signed with the head of the ledger, and proven one by one.", false},
		{15, "The audit is protected from change and deletion.", "AU-9, CSF 2.0 RS.AN-06", "Append-only by the database, hashed into a tree, witnessed; ledger verify decides everything again.", false},
		{16, "Kept long enough for investigations.", "AU-11", "Entries are not deleted; texts about people are erased by terms that the company sets, and two owners together.", false},
		{17, "What was done inside the session is captured or attached.", "Google", "Steps, what targets answered, and what people attach: texts, links, hashes of recordings that are kept elsewhere.", false},
		{18, "Credentials are rotated after use.", "AWS", "What rotate_after names becomes tasks, without which the review does not close.", false},
		{19, "Reviewed by somebody with context who was not the invoker; drill, emergency or misuse.", "Microsoft, Google", "A review opens with the use, for somebody else, with those three verdicts.", false},
		{20, "The review has a deadline.", "PagerDuty, Google", "review_due; late ones escalate, and until they are closed the next use needs a second person.", false},
		{21, "Some pre-approvals are audited anyway; people can say no.", "Google", "Approvals without people are sampled for a look; reviewers may find misuse, which takes the privilege away.", false},
		{22, "Generic reasons and repeated use are watched; frequent use means that a safer operation should be built.", "Google, AC-2(12)", "runbook watch, weekly to owners; building the safer operation is theirs.", true},
		{23, "Drilled at least every 90 days and on staff change, with proof that the alerts fired.", "Microsoft, AWS, IR-3", "drill_every; an overdue drill makes a runbook not ready. A drill on staff change is its owner's to call.", true},
		{24, "Documentation is current; what is overdue blocks.", "PagerDuty, IR-8", "review_every and drill_every; what is overdue is said everywhere and fails a condition.", false},
		{25, "The commander invokes, another person executes.", "PagerDuty", "commander_invokes and executor_differs, per runbook.", false},
		{26, "Access that was given outside of the controlled path is found.", "CISA SCuBA 7.5", "Targets are read and compared with the ledger; drift names what no grant explains.", false},
	}
}
