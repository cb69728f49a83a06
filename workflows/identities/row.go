package identities

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
)

// MinPurpose is how many characters say what an identity is for: less is "misc" or "tmp".
const MinPurpose = 10

// Codes of what can be wrong with an identity.
const (
	FindUnowned    = "unowned"
	FindNoPurpose  = "no_purpose"
	FindNoEnd      = "no_end"
	FindNoBackup   = "no_backup"
	FindUnmanaged  = "unmanaged_secret" // its secret lies where nobody keeps it
	FindNoPath     = "no_revocation"    // nothing says how to take it back in an emergency
	FindNoBusiness = "no_business_owner"
	FindWide       = "over_scoped"
	FindShared     = "shared"
	FindHuman      = "human_automation" // automation runs as a person's own account
	FindConflict   = "conflict"         // sources disagree
	FindGone       = "gone"             // the target does not have it any more
	FindNoSponsor  = "no_sponsor"       // managed by somebody outside, without a sponsor or a contract end
	FindAgent      = "agent_incomplete" // an AI agent without model, tools, data reach, autonomy, sponsor, tested kill switch, retire plan

	FindKillOld = "kill_untested" // the kill switch of an AI agent was not tried lately

	FindExpired     = "expired"
	FindEnding      = "ends_soon"
	FindUnused      = "unused"
	FindRotation    = "rotation_overdue"
	FindReview      = "review_overdue"
	FindOld         = "too_old" // its secret is older than its kind may be
	FindOwnerGone   = "owner_gone"
	FindCreatorGone = "creator_gone"    // who asked for it has left, and its secret was not replaced since
	FindUserGone    = "last_user_gone"  // who acted as it last has left, and its secret was not replaced since
	FindByHand      = "account_by_hand" // what was approved for its account is still to be done by a person
	FindSharedPrint = "shared_secret"   // another identity has the same secret
)

// State is where the identity stands.
func (s IdentityState) State(e Entry) string {
	switch {
	case s.Life.Retired:
		return workflows.IdentityRetired
	case s.Life.Suspended != nil || s.Life.Retirement != nil:
		return workflows.IdentitySuspended
	}
	if e.Owner != "" && len(s.Sources()) > 0 && utf8.RuneCountInString(e.Purpose) >= MinPurpose && e.Expires != 0 {
		return workflows.IdentityActive
	}
	return workflows.IdentityUnclaimed
}

// Row is what lists and searches read; nil when no source knows the identity (any more).
func (s IdentityState) Row() *workflows.InventoryRow {
	sources := s.Sources()
	if len(sources) == 0 && !s.Life.Retired {
		return nil
	}
	e := s.Entry()
	row := &workflows.InventoryRow{
		ID: s.ID, State: s.State(e), Kind: e.Class, Name: e.Name, Owner: e.Owner, Backup: e.Backup, Business: e.Business, Purpose: e.Purpose,
		Environment: e.Environment, ManagedBy: cmp.Or(e.ManagedBy, ManagedInternal), Target: e.Target, Risk: e.Risk, Created: e.Created, LastUsed: e.LastUsed,
		Rotated: cmp.Or(e.Rotated, e.Created), Expires: e.Expires, Sources: sources, ReviewBy: s.reviewBy(e), Waived: s.Waived(),
		Words: wordsOf(s.ID, e), Keys: s.keysOf(e), Creator: e.Creator, KillTested: killTested(e),
	}
	row.Findings = append(unwaived(s.findings(e), row.Waived), s.exceptionFindings()...)
	if n := len(s.Life.Attested); n > 0 {
		row.Attested = s.Life.Attested[n-1].At.UTC
	}
	if e.RotateEvery > 0 {
		row.RotateBy = cmp.Or(row.Rotated, s.First.UTC).Add(e.RotateEvery.Duration())
	}
	return row
}

// Cadences of review by risk, where none is set, and at most (R40; PCI DSS 7.2.4 wants half a year).
const (
	reviewHigh  = 90 * 24 * time.Hour
	reviewUsual = 182 * 24 * time.Hour
)

// Cadence is how often an identity is attested at least, given its risk and what was set.
func Cadence(risk string, set workflows.Span) time.Duration {
	most := reviewUsual
	if risk == "high" || risk == "critical" {
		most = reviewHigh
	}
	if d := set.Duration(); d > 0 && d < most {
		return d
	}
	return most
}

func (s IdentityState) reviewBy(e Entry) workflows.Stamp {
	from := s.First.UTC
	if n := len(s.Life.Attested); n > 0 {
		from = s.Life.Attested[n-1].At.UTC
	}
	return from.Add(Cadence(e.Risk, e.ReviewEvery))
}

// findings are what is wrong whatever the time is.
func (s IdentityState) findings(e Entry) []string {
	var out []string
	when := func(is bool, code string) {
		if is {
			out = append(out, code)
		}
	}
	outside := e.ManagedBy == ManagedContractor || e.ManagedBy == ManagedVendor || e.Class == KindContractor
	when(e.Owner == "", FindUnowned)
	when(utf8.RuneCountInString(e.Purpose) < MinPurpose, FindNoPurpose)
	when(e.Expires == 0, FindNoEnd)
	when(e.Backup == "" && !strings.HasPrefix(e.Owner, GroupPrefix), FindNoBackup)
	when(e.Stored == StoredUnmanaged, FindUnmanaged)
	when(e.Target == "" && !s.any(func(c Claim) bool { return c.HasPath }), FindNoPath)
	when(e.Class == KindApp && e.Business == "", FindNoBusiness)
	when(e.isAppBare(), FindApp)
	when(len(s.Grown()) > 0, FindGrown)
	when(isWide(e), FindWide)
	when(len(e.Uses) > 1, FindShared)
	when(e.Person != "" && e.Class != KindHuman, FindHuman)
	when(len(s.Conflicts()) > 0, FindConflict)
	when(s.hasLeft(), FindGone)
	when(outside && (e.Sponsor == "" || e.ContractEnd == 0), FindNoSponsor)
	when(s.ByHand() != nil, FindByHand)
	when(s.isLeaked(), FindLeaked)
	when(s.isShadow(), FindShadow)
	when(e.Class == KindAgent && (e.Model == "" || len(e.Tools) == 0 || e.Sponsor == "" || e.KillTested == 0 || e.RetirePlan == "" || e.DataReach == "" || e.Autonomy == ""), FindAgent)
	return out
}

// GroupPrefix begins an owner that is a team.
const GroupPrefix = "group:"

func (s IdentityState) any(is func(Claim) bool) bool {
	return slices.ContainsFunc(s.Claims, func(c Claim) bool { return !c.Gone && is(c) })
}

// hasLeft tells whether a target that had the identity has it no more, and nobody took it off the books.
func (s IdentityState) hasLeft() bool {
	left := slices.ContainsFunc(s.Claims, func(c Claim) bool { return c.Gone && strings.HasPrefix(c.Source, sourceDiscovery+"/") })
	return left && !s.any(func(c Claim) bool { return strings.HasPrefix(c.Source, sourceDiscovery+"/") })
}

// isWide finds a scope that names everything, or holds what was never seen to be used while use is known.
func isWide(e Entry) bool {
	for _, x := range e.Scope {
		low := strings.ToLower(x)
		for _, w := range []string{"*", "superuser", "cluster-admin", "administratoraccess", "root", "rolbypassrls"} {
			if low == w || strings.HasSuffix(low, ":"+w) || strings.HasSuffix(low, ":*") || strings.HasSuffix(low, "/*") {
				return true
			}
		}
		if len(e.Used) > 0 && !slices.Contains(e.Used, x) {
			return true
		}
	}
	return false
}

// maxWords bounds what an identity is found by: the index has a row for each.
const maxWords = 24

// wordsOf are what a search finds the identity by.
func wordsOf(id workflows.IdentityID, e Entry) []string {
	var out []string
	add := func(text string) {
		for _, w := range Words(text) {
			if len(out) < maxWords && !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	out = append(out, strings.ToLower(string(id)))
	for _, t := range []string{e.Name, string(id), e.Class, string(e.Target), e.Environment, e.Vendor, strings.Join(e.Tags, " "), e.Purpose} {
		add(t)
	}
	slices.Sort(out)
	return out
}

// Words splits a text into the words that a search compares, lower case, without those of one letter.
func Words(text string) []string {
	var out []string
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if len(w) > 1 && len(w) <= 64 {
			out = append(out, w)
		}
	}
	return out
}

// Keys under which other systems know an identity.
func SubjectKey(issuer, subject string) string { return "subject:" + issuer + "|" + subject }

// PrintKey, SerialKey, LastFourKey and MarkKey are likewise exact names.
func PrintKey(print string) string { return "fp:" + strings.ToLower(print) }

// FirstPrint is the first keyed fingerprint among exact names; empty when there is none.
func FirstPrint(keys []string) string {
	for _, k := range keys {
		if print, ok := strings.CutPrefix(k, PrintKey("")); ok {
			return print
		}
	}
	return ""
}

// SerialKey is a certificate's or token's serial number.
func SerialKey(serial string) string { return "serial:" + strings.ToLower(serial) }

// LastFourKey is the last characters of a credential as platforms show them.
func LastFourKey(last string) string { return "last:" + last }

// CreatorKey leads to what a person asked for, or made.
func CreatorKey(p workflows.PersonID) string { return "creator:" + string(p) }

// MarkKey is the pseudonym of an account on a target.
func MarkKey(mark string) string { return "account:" + mark }

// maxTurned bounds by how many secrets that rotations made an identity is known: whoever sees the one before the last still finds whose it was.
const maxTurned = 8

func (s IdentityState) keysOf(e Entry) []string {
	var out []string
	add := func(is bool, key string) {
		if is && !slices.Contains(out, key) {
			out = append(out, key)
		}
	}
	for _, r := range s.Life.Rotations[max(0, len(s.Life.Rotations)-maxTurned):] {
		if r.Closed != nil { // what a rotation handed over, whatever files say of the secret before it
			add(r.Closed.Print != "", PrintKey(r.Closed.Print))
		}
	}
	add(e.Subject != "", SubjectKey(e.Issuer, e.Subject))
	add(e.Print != "", PrintKey(e.Print))
	add(e.Serial != "", SerialKey(e.Serial))
	add(e.LastFour != "", LastFourKey(e.LastFour))
	add(e.Mark != "", MarkKey(e.Mark))
	add(e.Creator != "", CreatorKey(e.Creator))
	slices.Sort(out)
	return out
}

// How long things may be left as they are before they are a finding.
const (
	Dormant  = 90 * 24 * time.Hour // not used for so long (PCI DSS 8.2.6)
	EndsSoon = 30 * 24 * time.Hour
)

// Oldest is how old the secret of a kind may become, whatever its own policy says (R92); zero: the kind has none of its own.
func Oldest(kind string) time.Duration {
	switch kind {
	case "api_key", "oauth_token", "ssh_key":
		return 180 * 24 * time.Hour
	case "certificate":
		return 398 * 24 * time.Hour
	case "service_account", "automation_account", KindAgent, KindApp:
		return MaxLife
	}
	return 0
}

// Gone tells since when an owner is gone; zero: they are there.
type Gone func(owner string) workflows.Stamp

// Findings are the codes of what is wrong with an identity now. gone nil: nobody can tell who has left.
func Findings(r workflows.InventoryRow, now workflows.Stamp, gone Gone) []string {
	out := slices.Clone(r.Findings)
	if r.State == workflows.IdentityRetired || r.Kind == KindHuman {
		return nil
	}
	when := func(is bool, code string) {
		if is {
			out = append(out, code)
		}
	}
	when(r.Expires != 0 && now.After(r.Expires), FindExpired)
	when(r.Expires > now && r.Expires < now.Add(EndsSoon), FindEnding)
	when(r.State == workflows.IdentityActive && unusedSince(r) != 0 && unusedSince(r) < now.Add(-Dormant), FindUnused)
	when(r.RotateBy != 0 && now.After(r.RotateBy), FindRotation)
	when(r.Owner != "" && r.Owner == r.Backup && !slices.Contains(out, FindNoBackup), FindNoBackup)
	when(r.ReviewBy != 0 && now.After(r.ReviewBy), FindReview)
	when(killOverdue(r, now), FindKillOld)
	when(Oldest(r.Kind) > 0 && r.Rotated != 0 && now.After(r.Rotated.Add(Oldest(r.Kind))), FindOld)
	when(gone != nil && r.Owner != "" && gone(r.Owner) != 0, FindOwnerGone)
	when(knowsStill(r, r.Creator, gone), FindCreatorGone)
	when(r.LastUser != r.Creator && knowsStill(r, r.LastUser, gone), FindUserGone)
	return unwaived(out, r.Waived)
}

// knowsStill tells whether somebody who is not its owner has left and may know its secret: it was not replaced since.
func knowsStill(r workflows.InventoryRow, p workflows.PersonID, gone Gone) bool {
	if gone == nil || p == "" || string(p) == r.Owner {
		return false
	}
	since := gone(string(p))
	return since != 0 && (r.Rotated <= since || r.Rotated <= r.Created)
}

// unusedSince is when the identity was used last, or made if it never was; zero: nobody knows.
func unusedSince(r workflows.InventoryRow) workflows.Stamp { return cmp.Or(r.LastUsed, r.Created) }

// IsCovered tells whether owner, purpose, end and last use are known (R15).
func IsCovered(r workflows.InventoryRow) bool {
	return r.Owner != "" && utf8.RuneCountInString(r.Purpose) >= MinPurpose && r.Expires != 0 && r.LastUsed != 0
}
