package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
)

// narrator tells each entry as one plain sentence: who did what, on which system, why, by whose approval, until when. Entries
// name what came before by its id only, so it remembers requests and grants as they pass; an entry told alone names the id.
type narrator struct {
	zone     *time.Location
	names    map[workflows.PersonID]string // disclosed ones; others stay pseudonyms
	requests map[workflows.RequestID]*toldRequest
	grants   map[workflows.GrantID]toldGrant
}

type toldRequest struct {
	what      string // "deploy on bastion"
	by        workflows.PersonID
	approvals []workflows.PersonID
	alone     string // "rule x": approved without people
}

type toldGrant struct {
	what      string
	holder    workflows.IdentityID
	approvers string
	end       workflows.Stamp
}

// maxTold is how many requests, and how many grants, a narrator remembers: some 300 bytes each. Then it starts again, and names ids.
const maxTold = 1 << 16

func newNarrator(zone *time.Location, names map[workflows.PersonID]string) *narrator {
	return &narrator{zone, names, map[workflows.RequestID]*toldRequest{}, map[workflows.GrantID]toldGrant{}}
}

// Sentence tells one entry, and remembers what later ones will need. It is printable text, not safe in HTML.
func (n *narrator) Sentence(r workflows.Record) string {
	n.remember(r)
	s := n.tell(r)
	if isDrill(r.Event) {
		s += " This was a drill."
	}
	return printable(s)
}

func (n *narrator) remember(r workflows.Record) {
	if len(n.requests) > maxTold {
		clear(n.requests)
	}
	if len(n.grants) > maxTold {
		clear(n.grants)
	}
	id := requestOf(r.Stream)
	switch e := r.Event.(type) {
	case workflows.Submitted:
		n.requests[id] = &toldRequest{what: askedFor(e), by: r.Person}
	case workflows.VoteRecorded:
		if q := n.requests[id]; q != nil && e.Verdict == workflows.Approve {
			q.approvals = append(q.approvals, r.Person)
		}
	case workflows.AutoApproved:
		if q := n.requests[id]; q != nil {
			q.alone = fmt.Sprintf("rule %q and no person", e.Rule)
		}
	case workflows.VoteTakenBack:
		if q := n.requests[id]; q != nil {
			q.approvals = slices.DeleteFunc(q.approvals, func(p workflows.PersonID) bool { return p == r.Person })
		}
	case grants.Approved:
		n.grants[e.Grant] = toldGrant{what: e.Title + " on " + e.TargetTitle, holder: e.Identity, approvers: n.approvedBy(e), end: e.EndsAt}
	}
}

func requestOf(s workflows.StreamID) workflows.RequestID { return workflows.RequestID(s.Rest()) }

func askedFor(e workflows.Submitted) string {
	switch e.Request {
	case workflows.KindRoutine:
		return fmt.Sprintf("runbook %s to be carried out", e.Runbook)
	case workflows.KindPreapprove:
		return fmt.Sprintf("the use of runbook %s in incidents", e.Runbook)
	}
	return fmt.Sprintf("%s on %s", e.Entitlement, e.Target)
}

// asker is who asked, or in whose name the program did.
func (n *narrator) asker(r workflows.Record, e workflows.Submitted) string {
	if e.Authn == desk.AuthnClock {
		return "The program, in the name of " + n.person(r.Person) + ","
	}
	return n.actor(r)
}

func isDrill(e workflows.Event) bool {
	switch e := e.(type) {
	case workflows.Submitted:
		return e.Drill
	case workflows.VoteRecorded:
		return e.Drill
	case grants.Approved:
		return e.Drill
	case incidents.Invoked:
		return e.Drill
	case reviews.Opened:
		return e.Drill
	}
	return false
}

// tell dispatches by the room of the event.
func (n *narrator) tell(r workflows.Record) string {
	for _, try := range []func(workflows.Record) string{n.tellRequest, n.tellEndOfRequest, n.tellGrant, n.tellRun, n.tellGlass, n.tellIncident, n.tellEscalation, n.tellOther, n.tellIdentity, n.tellCampaign, n.tellTarget, n.tellOutflow, n.tellOffer, n.tellPerson, n.tellPolicy, n.tellSystem, n.tellCustody, n.tellSecret, n.tellVerified} {
		if s := try(r); s != "" {
			return s
		}
	}
	return fmt.Sprintf("%s recorded %s on %s.", n.actor(r), r.Event.Kind(), r.Stream)
}

func (n *narrator) tellRequest(r workflows.Record) string {
	what := n.request(r.Stream)
	switch e := r.Event.(type) {
	case workflows.Submitted:
		return fmt.Sprintf("%s asked for %s for %s%s%s, under workflow %s%s, %s: request %s.", n.asker(r, e), askedFor(e), e.Seconds,
			n.onBehalf(e.Subject, r.Person), sponsored(n, e.Sponsor), e.Workflow, ruled(e), because(e.Reason, true), requestOf(r.Stream))
	case workflows.StageOpened:
		return fmt.Sprintf("Stage %d of %s waits for a decision by %s, until %s.", e.Stage+1, what, n.seats(e.Roster), n.at(e.TimesOutAt))
	case workflows.RosterChanged:
		return fmt.Sprintf("Stage %d of %s is now decided by %s: %s.", e.Stage+1, what, n.seats(e.Roster), trimDot(e.Why))
	case workflows.StageReminded:
		return fmt.Sprintf("Those who had not decided stage %d of %s were due a reminder.", e.Stage+1, what)
	case workflows.StageEscalated:
		if len(e.Added) == 0 {
			return fmt.Sprintf("Stage %d of %s was to be escalated, but nobody was added: %s.", e.Stage+1, what, trimDot(e.Skipped))
		}
		return fmt.Sprintf("Stage %d of %s was escalated%s: %s may decide, too.", e.Stage+1, what, widened(e.Why), n.seats(e.Added))
	case workflows.StageSatisfied:
		if e.Consent > 0 {
			return fmt.Sprintf("Stage %d of %s is met: %s told and nobody objected.", e.Stage+1, what, toldPeople(e.Consent))
		}
		return fmt.Sprintf("Stage %d of %s has the approvals it needs.", e.Stage+1, what)
	case workflows.StageTimedOut:
		return fmt.Sprintf("Nobody decided stage %d of %s in time.", e.Stage+1, what)
	case workflows.VoteRecorded:
		return fmt.Sprintf("%s%s %s stage %d of %s%s%s, %s, authenticated by %s, under policy %s.", n.actor(r), n.inPlaceOf(e.For), voted(e.Verdict), e.Stage+1, what,
			answered(e.Answers), sponsored(n, e.Sponsor), because(e.Reason, e.Verdict == workflows.Deny), e.Authn, shortHash(r.Policy))
	case workflows.VoteTakenBack:
		return fmt.Sprintf("%s took back the approval of stage %d of %s, %s.", n.actor(r), e.Stage+1, what, because(e.Why, false))
	}
	return ""
}

func (n *narrator) tellEndOfRequest(r workflows.Record) string {
	what := n.request(r.Stream)
	switch e := r.Event.(type) {
	case workflows.Approved:
		return fmt.Sprintf("%s was approved by %s under policy %s%s%s.", upper(what), n.voters(r.Stream), shortHash(r.Policy), answered(e.Answers), grantNamed(e.Grant))
	case workflows.Denied:
		return fmt.Sprintf("%s was denied at stage %d.", upper(what), e.Stage+1)
	case workflows.Withdrawn:
		return fmt.Sprintf("%s withdrew %s, %s.", n.actor(r), what, because(e.Why, false))
	case workflows.TimedOut:
		return fmt.Sprintf("%s ended undecided: nobody decided stage %d in time.", upper(what), e.Stage+1)
	case workflows.Superseded:
		return fmt.Sprintf("%s ended without a decision, as its ground had moved (%s): %s.", upper(what), e.Code, trimDot(e.Why))
	case workflows.Failed:
		return fmt.Sprintf("%s was approved, but the access could not be made: %s.", upper(what), trimDot(e.Why))
	case workflows.Refused:
		about := ""
		if e.About != "" {
			about = " on " + e.About
		}
		why := e.Code
		if len(e.Failed) > 0 {
			why += ": what did not hold is " + strings.Join(e.Failed, ", ")
		}
		return fmt.Sprintf("%s tried %q%s by %s and was turned away (%s); nothing changed.", n.actor(r), e.Command, about, e.Channel, why)
	case workflows.NoticeDelivered:
		return fmt.Sprintf("%s was delivered by %s.", n.notice(e.Notice, r.Stream), e.Via)
	case workflows.NoticeUndelivered:
		return fmt.Sprintf("%s could not be delivered: %s.", n.notice(e.Notice, r.Stream), trimDot(e.Why))
	}
	return ""
}

func (n *narrator) tellGrant(r workflows.Record) string {
	switch e := r.Event.(type) {
	case grants.Approved:
		why := "for request " + string(e.Request)
		if e.Runbook != "" {
			why = fmt.Sprintf("by runbook %s in incident %s", e.Runbook, e.Incident)
		}
		return fmt.Sprintf("%s may hold %s on %s%s until %s, %s of %s, approved by %s: grant %s.", upper(n.identity(e.Identity)), e.Title, e.TargetTitle,
			n.beginning(e), n.at(e.EndsAt), why, n.person(e.Requester), n.approvedBy(e), e.Grant) + n.actingAs(e)
	case grants.Started:
		g := n.grant(e.Grant)
		return fmt.Sprintf("%s has %s until %s, approved by %s; the target calls it %q.", upper(g.holderName), g.what, g.end, g.approvers, e.Ref)
	case grants.AttemptFailed:
		return fmt.Sprintf("An attempt to %s %s failed (%s): %s.", e.Op, n.grant(e.Grant).full, e.Class, trimDot(e.Text))
	case grants.Failed:
		return fmt.Sprintf("%s could not be made and will not be tried again: %s.", upper(n.grant(e.Grant).full), trimDot(e.Why))
	case grants.Ending:
		return n.ending(r, e)
	case grants.Overdue:
		return fmt.Sprintf("%s should be gone and is not: alarm of level %d.", upper(n.grant(e.Grant).full), e.Level)
	case grants.Revoked:
		leaves := ""
		if e.Leaves != "" {
			leaves = "; what stays: " + trimDot(e.Leaves)
		}
		return fmt.Sprintf("%s was taken back; reading it back showed it %s%s.", upper(n.grant(e.Grant).full), e.Presence, leaves)
	case grants.SessionSeen:
		return fmt.Sprintf("%s is in use: a session (%s)%s%s.", upper(n.grant(e.Grant).full), e.Session, prefixed(" of ", e.Login), prefixed(" from ", e.From))
	case grants.SessionEnded:
		return fmt.Sprintf("A session (%s) of %s is over.", e.Session, n.grant(e.Grant).full)
	case grants.Verified:
		if e.Presence != "" {
			return fmt.Sprintf("%s was made after it had been taken back, and was taken back again; reading it back showed it %s.", upper(n.grant(e.Grant).full), e.Presence)
		}
		return fmt.Sprintf("%s was read back again and is gone.", upper(n.grant(e.Grant).full))
	}
	return ""
}

func (n *narrator) ending(r workflows.Record, e grants.Ending) string {
	what := upper(n.grant(e.Grant).full)
	kept := ""
	if e.KeptBy != "" {
		kept = fmt.Sprintf(" The access stays, as grant %s needs it.", e.KeptBy)
	}
	switch e.How {
	case grants.HowReturned:
		return fmt.Sprintf("%s was given back early by %s.%s", what, n.actor(r), kept)
	case grants.HowRevoked:
		return fmt.Sprintf("%s was revoked by %s, %s.%s", what, n.actor(r), because(e.Why, true), kept)
	}
	return fmt.Sprintf("%s has %s.%s", what, e.How, kept)
}

func (n *narrator) tellOther(r workflows.Record) string {
	rest := r.Stream.Rest()
	switch e := r.Event.(type) {
	case incidents.Preapproved:
		return fmt.Sprintf("Runbook %s may be used in incidents %d times until %s, by request %s, approved by %s; its text is %s.", rest, e.Uses,
			n.at(e.Until), e.Request, n.people(e.Approvers), shortHash(e.Document))
	case reviews.Opened:
		if e.Incident == "" {
			return fmt.Sprintf("%s must look by %s at what %s got without anybody's decision (%s): review %s.", n.person(e.Owner), n.at(e.DueAt),
				n.person(e.Invoker), e.About, rest)
		}
		return fmt.Sprintf("%s must review by %s how %s used %s in incident %s: review %s.", n.person(e.Owner), n.at(e.DueAt), n.person(e.Invoker),
			e.About, e.Incident, rest)
	case reviews.Overdue:
		return fmt.Sprintf("Review %s was due at %s and is still open.", rest, n.at(e.DueAt))
	case reviews.Closed:
		return fmt.Sprintf("%s closed review %s as %s, %s.", n.actor(r), rest, e.Verdict, because(e.Note, true))
	case identities.Linked:
		named := ""
		if e.Name != "" {
			named = fmt.Sprintf(", named %q then", e.Name)
		}
		return fmt.Sprintf("Account %s (%s) belongs to %s%s, as known by %s.", shortID(string(e.Account)), e.Medium, n.person(workflows.PersonID(rest)), named, e.How)
	case identities.Unlinked:
		return fmt.Sprintf("%s said that account %s (%s) belongs to %s no more (%s), %s.", n.actor(r), shortID(string(e.Account)), e.Medium,
			n.person(workflows.PersonID(rest)), e.How, because(e.Why, e.How == identities.ByHand))
	case identities.Registered:
		return fmt.Sprintf("%s %q is in the inventory as %s, owned by %s, for %s until %s; its purpose: %s.", upper(strings.ReplaceAll(e.Class, "_", " ")),
			e.Name, rest, n.person(e.Owner), e.Environment, e.Expires, trimDot(e.Purpose))
	case identities.Authenticated:
		return fmt.Sprintf("A workload proved to be %s and got session %s: %s of issuer %s, authenticated by %s.", rest, shortID(e.Session), e.Subject, e.Issuer, e.Authn)
	case identities.Removed:
		return fmt.Sprintf("Identity %s left the inventory: %s.", rest, trimDot(e.Why))
	case workflows.PolicyLoaded:
		return fmt.Sprintf("%s put %s and %s in force, compiled by version %s; changed: %s.", n.actor(r), howMany(len(e.Workflows), "workflow"),
			howMany(len(e.Runbooks), "runbook"), e.Version, list(e.Changed, "nothing"))
	}
	return ""
}

func (n *narrator) tellSystem(r workflows.Record) string {
	switch e := r.Event.(type) {
	case store.Genesis:
		virtual := ""
		if e.Virtual {
			virtual = " Its clock can be moved: it is a demonstration, not evidence."
		}
		return fmt.Sprintf("The ledger %s begins, signed by %s.%s", e.Origin, e.VKey, virtual)
	case store.InstanceStarted:
		if e.Clock != "" {
			return fmt.Sprintf("The program started on %s in version %s; the machine's clock: %s.", e.Instance, e.Version, e.Clock)
		}
		return fmt.Sprintf("The program started on %s in version %s.", e.Instance, e.Version)
	case store.InstanceStopped:
		return fmt.Sprintf("The program on %s was stopped in order.", e.Instance)
	case store.AnchorPublished:
		return fmt.Sprintf("The signed head over %d entries, root %s, was published by %s.", e.Size, e.Root, e.Sink)
	case workflows.AlarmRaised:
		return fmt.Sprintf("An alarm was raised: %s (%s).", e.What, trimDot(e.Detail))
	case workflows.WatchFound:
		return watchSentence(e, n)
	case identities.Surveyed:
		return fmt.Sprintf("The inventory was counted for %s: %s, %d with an owner, %d fully known, %d without findings; findings: %d.",
			e.Week, quantity(e.Live, "identity", "identities"), e.Owned, e.Covered, e.Clean, e.Total())
	case workflows.RefusalsSummarised:
		return fmt.Sprintf("From %s to %s further attempts of accounts that nobody in the people file has were refused: %d, by %d accounts.", n.at(e.From), n.at(e.Until), e.Attempts, e.Accounts)
	case store.ClockJumped:
		if e.AtStart {
			return fmt.Sprintf("At its start the bot found the wall clock at %s, behind the newest entry, of %s.", n.at(e.To), n.at(e.From))
		}
		return fmt.Sprintf("The wall clock was set from %s to %s.", n.at(e.From), n.at(e.To))
	case store.ClockConfirmed:
		return fmt.Sprintf("%s answers for the wall clock, which was behind %s at a start: %s. Access may begin again.", n.person(r.Person), n.at(e.Floor), quoted(e.Reason))
	case store.DebtRecorded:
		grant := ""
		if e.Grant != "" {
			grant = " " + e.Grant
		}
		return fmt.Sprintf("While the ledger could not be written, this was done at %s: %s%s; the target said: %s.", n.at(e.AtRun), e.What, grant, quoted(e.Said))
	}
	return ""
}
