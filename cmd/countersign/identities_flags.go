package main

// identityVerbFlags are the flags that each verb of countersign identities takes beside those of every command of people: help names no other,
// and any other is refused rather than passed by.
func identityVerbFlags() map[string][]string {
	filter := []string{"kind", "state", "owner", "target", "environment", "managed-by", "finding", "after", "limit"}
	reason := []string{"reason"}
	return map[string][]string{
		"list": filter, "search": filter, "export": append([]string{"format"}, filter...), "orphans": {"after", "limit"},
		"show": {}, "who": {}, "evidence": {}, "report": {"format"}, "discover": {},
		"leak": {"place", "form", "fingerprint"}, "leaks": {}, "exceptions": {"all"}, "lift-exception": reason,
		"vendor": {}, "offboard-vendor": reason,
		"import": {"source", "format", "dry-run"}, "leaver": {}, "leavers": {},
		"claim": {
			"purpose", "expires", "owner", "backup", "business-owner", "environment", "vendor", "data-reach", "secret-ref", "revocation", "serial",
			"last-four", "fingerprint", "reason",
		},
		"transfer": {"to", "reason"}, "answer": reason, "attest": reason, "suspend": reason, "resume": reason,
		"rotate": {"why", "reason"}, "rotated": {"evidence", "secret-ref", "fingerprint", "serial", "last-four", "reason"},
		"account-done": {"evidence", "reason"}, "renew": {"expires", "reason"}, "kill": reason, "drill": {"reason", "yes"}, "retire": reason,
		"retired-item": {"evidence", "reason"}, "campaign": {"to", "scope", "evidence", "format", "reason"},
	}
}
