package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// The parts of a narrator's sentences.

// sealedWords stand for a text whose opening is not there.
const sealedWords = "a text that is sealed or erased"

func quoted(s string) string {
	if s == "" {
		return sealedWords
	}
	return "“" + trimDot(s) + "”"
}

// because is the reason; required tells that there was one, so that its absence means sealed or erased.
func because(reason string, required bool) string {
	switch {
	case reason != "":
		return "because “" + trimDot(reason) + "”"
	case required:
		return "for a reason that is sealed or erased"
	}
	return "with no reason shown"
}

func trimDot(s string) string { return strings.TrimRight(strings.TrimSpace(s), ".") }

// upper begins a sentence; an id stays as it is.
func upper(s string) string {
	if strings.HasPrefix(s, "p_") {
		return s
	}
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}

func howMany(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// list joins with commas and a last "and".
func list(words []string, none string) string {
	switch n := len(words); n {
	case 0:
		return none
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
}

// shortID cuts the random part of an id to eight digits; the entry itself has all of it.
func shortID(id string) string {
	prefix, rest, ok := strings.Cut(id, "_")
	if !ok || len(rest) <= 8 {
		return id
	}
	return prefix + "_" + rest[:8]
}

func voted(v workflows.Verdict) string {
	switch v {
	case workflows.Approve:
		return "approved"
	case workflows.Deny:
		return "denied"
	}
	return fmt.Sprintf("said %q to", v)
}

// answered is what an approver answered to: it stands in the entry itself, so an entry told alone is whole.
func answered(a workflows.Answers) string {
	if a.What == "" {
		return ""
	}
	return fmt.Sprintf(" (%s)", trimDot(a.What))
}

func grantNamed(g workflows.GrantID) string {
	if g == "" {
		return ""
	}
	return ": grant " + string(g)
}

func sponsored(n *narrator, p workflows.PersonID) string {
	if p == "" {
		return ""
	}
	return ", sponsored by " + n.person(p)
}

func (n *narrator) at(s workflows.Stamp) string {
	if s.IsZero() {
		return "no set time"
	}
	return s.Time().In(n.zone).Format("2006-01-02 15:04:05 MST")
}

// person is a disclosed name, or the pseudonym.
func (n *narrator) person(p workflows.PersonID) string {
	if name := n.names[p]; name != "" {
		return name
	}
	if p == "" {
		return "nobody"
	}
	return shortID(string(p))
}

func (n *narrator) actor(r workflows.Record) string {
	switch {
	case r.Person != "":
		return n.person(r.Person)
	case r.Actor == workflows.SystemActor || r.Actor == "":
		return "The program"
	}
	return "Account " + shortID(string(r.Actor))
}

func (n *narrator) identity(i workflows.IdentityID) string {
	if i.IsPerson() {
		return n.person(i.Person())
	}
	return string(i)
}

func (n *narrator) onBehalf(i workflows.IdentityID, by workflows.PersonID) string {
	if i == "" || i == by.Identity() {
		return ""
	}
	return ", for " + n.identity(i)
}

func (n *narrator) people(list []workflows.PersonID) string {
	words := make([]string, 0, len(list))
	for _, p := range list {
		words = append(words, n.person(p))
	}
	return listOf(words)
}

func listOf(words []string) string { return list(words, "nobody") }

func (n *narrator) seats(seats []workflows.Seat) string {
	words := make([]string, 0, len(seats))
	for _, s := range seats {
		words = append(words, n.person(s.Person))
	}
	return listOf(words)
}

// request names a request with what it asks for, if that has been told.
func (n *narrator) request(s workflows.StreamID) string {
	id := requestOf(s)
	if q := n.requests[id]; q != nil {
		return fmt.Sprintf("request %s of %s for %s", id, n.person(q.by), q.what)
	}
	return "request " + string(id)
}

// subject names what a stream is about.
func (n *narrator) subject(s workflows.StreamID) string {
	if s.Kind() == workflows.KindRequest {
		return n.request(s)
	}
	return string(s)
}

// voters are those whose approvals stand.
func (n *narrator) voters(s workflows.StreamID) string {
	q := n.requests[requestOf(s)]
	if q != nil && q.alone != "" {
		return q.alone
	}
	if q == nil || len(q.approvals) == 0 {
		return "those whose votes the entries before it record"
	}
	return n.people(slices.Compact(slices.Clone(q.approvals)))
}

func (n *narrator) approvedBy(e grants.Approved) string {
	if len(e.Approvers) == 0 && e.Runbook == "" {
		return "a rule of the document, and no person"
	}
	if len(e.Approvers) == 0 {
		return "nobody yet, as the glass was broken"
	}
	return n.people(e.Approvers)
}

// spokenGrant is a grant in words.
type spokenGrant struct{ full, what, holderName, approvers, end string }

func (n *narrator) grant(id workflows.GrantID) spokenGrant {
	g, ok := n.grants[id]
	if !ok {
		return spokenGrant{
			full: "grant " + string(id), what: "the access of grant " + string(id), holderName: "the holder", approvers: "those whom the grant names",
			end: "the end that the grant names",
		}
	}
	who := n.identity(g.holder)
	return spokenGrant{
		full: fmt.Sprintf("grant %s (%s for %s)", id, g.what, who), what: g.what, holderName: who, approvers: g.approvers, end: n.at(g.end),
	}
}
