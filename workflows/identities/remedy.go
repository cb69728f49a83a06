package identities

// Remedy is what settles a finding: a command that answers for it (an attestation in the widest sense), and one that takes the identity away.
type Remedy struct {
	Keep  string // behind "countersign identities "; ID stands for the identity
	Chat  string // behind "/access identity ID "; empty: only a terminal does it
	Drop  string // behind "countersign identities "
	Gone  string // behind "/access identity ID "
	Words string // what keeping takes, for people
}

// RemedyOf says what settles a finding on an identity of a kind.
func RemedyOf(code, kind string) Remedy {
	out := Remedy{Drop: "retire ID -reason TEXT", Gone: "offboard REASON"}
	if IsKilled(kind) {
		out.Drop, out.Gone = "kill ID -reason TEXT", "kill REASON"
	}
	out.Words, out.Keep, out.Chat = remedyWords(code)
	return out
}

func remedyWords(code string) (words, keep, chat string) {
	switch code {
	case FindUnowned, FindNoPurpose, FindNoEnd, FindShadow:
		return "claim it", "claim ID -purpose TEXT -expires DAY", "claim DAY PURPOSE"
	case FindNoBackup:
		return "name a backup owner", "claim ID -purpose TEXT -expires DAY -backup KEY", ""
	case FindUnmanaged, FindShared, FindSharedPrint, FindRotation, FindOld, FindCreatorGone, FindUserGone:
		return "replace its secret", "rotate ID", "rotate"
	case FindLeaked:
		return "replace its secret", "rotate ID -why leak", "rotate"
	case FindNoPath:
		return "write down how it is taken back", "claim ID -purpose TEXT -expires DAY -revocation TEXT", ""
	case FindNoBusiness:
		return "name a business owner", "claim ID -purpose TEXT -expires DAY -business-owner KEY", ""
	case FindApp:
		return "complete its record", "claim ID -purpose TEXT -expires DAY -vendor NAME -data-reach TEXT", ""
	case FindExpired, FindEnding:
		return "ask for a later end", "renew ID -expires DAY -reason TEXT", "renew"
	case FindOwnerGone, FindHuman:
		return "hand it over", "transfer ID -to KEY -reason TEXT", "transfer @WHO REASON"
	case FindByHand:
		return "do it there, and say so", "account-done ID -evidence TEXT", "account-done EVIDENCE"
	case FindNoSponsor:
		return "name a sponsor and the end of the contract", "import FILE -source NAME", ""
	case FindAgent:
		return "complete its record, and try its kill switch", "import FILE -source NAME", ""
	case FindKillOld:
		return "drill its kill switch", "drill ID -reason TEXT", ""
	case FindConflict:
		return "correct the source that is wrong", "import FILE -source NAME", ""
	case FindWide:
		return "narrow it in a review, or attest that it needs all of it", "attest ID keep", "attest keep"
	}
	return "attest it", "attest ID keep", "attest keep"
}

// FindCodes are all codes of findings on identities, those of exceptions aside.
func FindCodes() []string {
	return []string{
		FindUnowned, FindNoPurpose, FindNoEnd, FindNoBackup, FindUnmanaged, FindNoPath, FindNoBusiness, FindApp, FindGrown, FindWide, FindShared, FindHuman, FindConflict,
		FindGone, FindNoSponsor, FindByHand, FindLeaked, FindShadow, FindAgent, FindExpired, FindEnding, FindUnused, FindRotation, FindReview, FindOld, FindOwnerGone,
		FindSharedPrint, FindCreatorGone, FindUserGone, FindKillOld,
	}
}
