package screens_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
)

// sample is one screen in one size. Large ones are checked but not kept as files.
type sample struct {
	name   string
	screen any
	large  bool
}

var (
	at    = workflows.StampOf(time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC))
	later = at.Add(time.Hour)
	maya  = screens.Person{Name: "Maya Chen", Slack: "U0MAYA"}
	jonas = screens.Person{Name: "Jonas Weber", Slack: "U0JONAS"}
	here  = screens.Presence{Working: true, City: "Berlin", Local: "Sun 17:00 CET", At: at.Add(2 * time.Hour)}
	there = screens.Presence{City: "Kolkata", Local: "Mon 09:00 IST", At: at.Add(13*time.Hour + 30*time.Minute)}
	wide  = screens.Person{Name: strings.Repeat("Ada Lovelace-", 20), Slack: "U0LONG"}
)

const (
	request = "r_00000000000000000000000001"
	grant   = "g_00000000000000000000000001"
	review  = "v_00000000000000000000000001"
	policy  = workflows.DocHash("sha256:3d8f198d00000000000000000000000000000000000000000000000000000000")
)

func value(n int) string { return strings.Repeat("v", n) }

func smallCard() screens.Card {
	return screens.Card{
		ID: request, What: "Bastion hosts – shell", Requester: screens.Person{Name: "Maya Chen"}, Seconds: 3600, Reason: "deploy hotfix",
		Workflow: "Shell on a bastion", Policy: policy, Status: workflows.StatusOpen, Deadline: later,
		Why: workflows.Explanation{Status: "pending", Sentence: "Waiting for 1 more in stage 1 of 1 (owner)."},
	}
}

func usualCard() screens.Card {
	c := smallCard()
	c.Requester, c.Escalates, c.YouAre = maya, at.Add(30*time.Minute), "You are asked in stage 1 of 2 (owner) because you are owner of the target; it still wants 1 of those asked."
	c.Fields = []screens.Pair{{Label: "Ticket", Value: "OPS-12"}}
	c.Past = "In the last 90 days <@U0MAYA> (Maya Chen) asked 4 times (3 approved, 1 denied), 2 of them for this. Last time for this: approved by Jonas Weber."
	c.Facts = []screens.Pair{{Label: "What it allows", Value: "A shell as deploy"}, {Label: "Environment", Value: "production"}, {Label: "Data class", Value: "internal"}, {Label: "Owner", Value: jonas.Mention()}}
	c.Why.Children = []workflows.Explanation{
		{Name: "owner", Status: "pending", Sentence: "0 of 1 approvals.", Children: []workflows.Explanation{
			{Name: jonas.Mention(), Status: "pending", Sentence: "Asked: owner of the target. " + here.Sentence()},
			{Name: "Priya Nair", Status: "pending", Sentence: "Asked: member of @security in the chat. " + there.Sentence()},
		}},
		{Name: "security", Status: "pending", Sentence: "Opens when stage 1 is satisfied; needs 1."},
	}
	c.Buttons = screens.CardButtons{Approve: value(90), Read: value(90), Deny: value(90), Withdraw: value(63), TakeBack: value(63)}
	return c
}

// stepUpCard is a request whose risk wants more than a click of whoever approves it: no button does that.
func stepUpCard() screens.Card {
	c := usualCard()
	c.Risk, c.StepUp, c.Page = "high", true, "https://countersign.example.com/decide/"+string(c.ID)
	c.Buttons.Approve, c.Buttons.Read = "", ""
	c.Around = []workflows.RunbookID{"web-outage"}
	return c
}

// keyCard has a value that half a card cannot show.
func keyCard() screens.Card {
	c := usualCard()
	c.Fields = []screens.Pair{{Label: "Ticket", Value: "OPS-12"}, {Label: "SSH public key", Value: "ssh-ed25519 " + strings.Repeat("AbCd", 17)}, {Label: "Host", Value: "web-1"}}
	return c
}

// largeCard has everything the engine allows: 20 stages of 500 people, 1,000 characters in every text.
func largeCard() screens.Card {
	c := usualCard()
	c.Requester, c.Holder, c.Drill = wide, "svc-"+strings.Repeat("deploy-", 10), true
	c.What = strings.Repeat("Very long target ", 20) + "– role"
	c.Reason = strings.Repeat("why & <because> \n", 60)
	c.Fields = nil
	for i := range 20 {
		c.Fields = append(c.Fields, screens.Pair{Label: fmt.Sprintf("Field %d %s", i, strings.Repeat("x", 100)), Value: strings.Repeat("é", 1000)})
	}
	c.Why.Children = nil
	for i := range 20 {
		st := workflows.Explanation{Name: fmt.Sprintf("stage %d", i), Status: "approved", Sentence: "1 of 1 approvals."}
		seat := workflows.Explanation{Name: wide.Mention(), Status: "approved", Sentence: "Approved at " + screens.When(at) + "."}
		if i >= 7 { // the eighth decides now
			st.Status, st.Sentence = "pending", fmt.Sprintf("Opens when stage %d is satisfied; needs 1.", i)
			seat.Status, seat.Sentence = "pending", "Asked: member of @security in the chat. "+there.Sentence()
		}
		for range 500 {
			st.Children = append(st.Children, seat)
		}
		c.Why.Children = append(c.Why.Children, st)
	}
	c.Why.Sentence = "Approved by " + strings.Repeat(wide.Mention()+", ", 100)
	c.Facts = []screens.Pair{{Label: "Environment", Value: strings.Repeat("production ", 500)}}
	c.Document = policy
	c.Access = &screens.Access{Status: "active", Ends: later, Leaves: strings.Repeat("Sessions stay. ", 30)}
	c.Buttons.Done, c.Buttons.Revoke = value(90), value(90)
	return c
}

func overCard(status workflows.Status, sentence string, a *screens.Access) screens.Card {
	c := usualCard()
	c.Status, c.Access, c.Buttons, c.YouAre = status, a, screens.CardButtons{}, ""
	c.Why.Status, c.Why.Sentence = "approved", sentence
	c.Why.Children[0].Status = "approved"
	c.Why.Children[0].Children = []workflows.Explanation{
		{Name: jonas.Mention(), Status: "pending", Sentence: "Asked: owner of the target."}, {Name: "Eve", Status: "pending", Sentence: "Asked: member of group dba."},
	}
	return c
}

func usualReady() screens.Ready {
	return screens.Ready{
		Grant: grant, Request: request, What: "Bastion hosts – shell", Long: 3600, Steps: []string{"Save the file.", "Log in."},
		Command: "ssh deploy@bastion.example.com", Host: "bastion.example.com",
		Files:  []screens.Pair{{Label: "id_ed25519-cert.pub", Value: "ssh-ed25519-cert-v01@openssh.com AAAA"}},
		Access: screens.Access{Status: "active", Ends: later, Leaves: "Sessions that are already open stay open."}, Done: value(80),
	}
}

func usualGlass() screens.Glass {
	return screens.Glass{
		Runbook: "restart-db", Title: "Restart the database", Incident: "INC-123", Invoker: maya, What: "Bastion hosts – root shell", Long: 3600,
		Reason: "checkout hangs", At: at, Ends: later, Document: policy, Review: review, DueAt: at.Add(24 * time.Hour), Reviewer: jonas,
	}
}

func usualReview() screens.Review {
	return screens.Review{
		ID: review, Runbook: "restart-db", Incident: "INC-123", Invoker: maya, What: "Bastion hosts – root shell", Long: 3600, At: at,
		DueAt: at.Add(24 * time.Hour), Close: value(80),
	}
}

func usualOffer() screens.Offer {
	return screens.Offer{
		Request: request, What: "Main database – write", Long: 4 * 3600, By: jonas, Terms: []string{"for 1h instead of 4h", "Main database – read instead"},
		Reason: "Reading is enough for a support case.", Accept: value(80), Decline: value(80),
	}
}

// busyCard is one on which people have talked: offers, comments, a rule, who comes next.
func busyCard() screens.Card {
	c := usualCard()
	c.Rule, c.Risk, c.Next = "long asks", "high", there.Next(screens.Person{Name: "Priya Nair"})
	c.Offers = []screens.Offer{usualOffer()}
	for i := range 5 {
		c.Notes = append(c.Notes, screens.Remark{By: jonas, At: at.Add(time.Duration(i) * time.Minute), Text: "Which *table* is it about?"})
	}
	c.Starts, c.Extends = later, grant
	c.Buttons.Offer, c.Buttons.Extend = value(90), value(90)
	return c
}

func usualProposal() screens.Proposal {
	return screens.Proposal{
		ID: "c_00000000000000000000000001", Author: "Zed Ali", Commit: "3d8f198", Quorum: 2, Approved: []screens.Person{maya},
		Loosens: []string{"stage Security: the quorum becomes 1, was 2"}, Others: []string{"the title reads \"Prod\", was \"Production\""},
		Approve: value(80), Deny: value(80),
	}
}

// sampleReview is one of an automatic approval.
func sampleReview() screens.Review {
	r := usualReview()
	r.Runbook, r.Incident, r.Request = "", "", request
	return r
}

func fields(n int) []workflows.Field {
	var out []workflows.Field
	for i := range n {
		f := workflows.Field{Name: fmt.Sprintf("f%d", i), Label: fmt.Sprintf("Field %d", i), Type: workflows.FieldText, Optional: i%2 == 1}
		switch i % 4 {
		case 1:
			f.Type, f.Choices = workflows.FieldChoice, []string{"read", "write", strings.Repeat("long ", 40)}
		case 2:
			f.Type = workflows.FieldSSHKey
		case 3:
			f.Type, f.MaxLen = workflows.FieldTicket, 40
		}
		out = append(out, f)
	}
	return out
}

func choices(n, groups int) []screens.Choice {
	var out []screens.Choice
	for i := range n {
		out = append(out, screens.Choice{
			Value: fmt.Sprint(i), Text: fmt.Sprintf("Target %d – role %s", i, strings.Repeat("r", i%90)), More: "Repair", Group: fmt.Sprintf("Group %d", i%groups),
		})
	}
	return out
}

func manyParts() []screens.HowPart {
	var out []screens.HowPart
	for i := range 60 {
		p := screens.HowPart{Title: fmt.Sprintf("Part %d %s", i, strings.Repeat("t", 400))}
		for range 100 {
			p.Lines = append(p.Lines, strings.Repeat("words ", 200))
		}
		out = append(out, p)
	}
	return out
}

func largeProposal() screens.Proposal {
	p := usualProposal()
	p.Author = strings.Repeat("Author ", 50)
	for i := range 400 {
		p.Loosens = append(p.Loosens, fmt.Sprintf("stage %d: approvers: %s added", i, strings.Repeat("p_", 60)))
		p.Others = append(p.Others, strings.Repeat("words ", 60))
	}
	return p
}

// richForm has every type of field, a later start, a preview, and goes on from something.
func richForm() screens.Form {
	f := usualForm()
	f.Later, f.Extends = 7*24*3600, "Bastion hosts – shell, which ends at "+screens.When(later)
	f.Preview = []string{"Stage 1, owner: " + jonas.Mention() + " is at work in Berlin until Sun 17:00 CET.", "A decision can be expected by " + screens.When(later) + "."}
	f.Targets, f.Identities = choices(3, 1), choices(2, 1)
	f.Fields = []workflows.Field{
		{Name: "n", Label: "How many rows", Type: workflows.FieldNumber, Least: "1", Most: "500"},
		{Name: "d", Label: "How long a dump", Type: workflows.FieldDuration, Least: "30m"},
		{Name: "t", Label: "Until when", Type: workflows.FieldDateTime, Most: "7d", Optional: true},
		{Name: "s", Label: "Copy to", Type: workflows.FieldTarget},
		{Name: "i", Label: "Run by", Type: workflows.FieldIdentity, Optional: true},
	}
	return f
}

func usualForm() screens.Form {
	return screens.Form{
		Title: "Shell on a bastion", Purpose: "Deploy and repair", Approvers: []string{"1. owner: one person has to approve"}, Entitlements: choices(2, 1),
		Subjects: []screens.Choice{{Value: "p_1", Text: "Myself"}, {Value: "svc-deploy", Text: "Deployment robot"}},
		Longest:  4 * 3600, Usual: 3600, ReasonMin: 10, Fields: fields(4), Meta: `{"w":"bastion-shell"}`,
	}
}

func largeForm() screens.Form {
	f := usualForm()
	f.Title, f.Purpose = strings.Repeat("T", 300), strings.Repeat("P", 4000)
	f.Entitlements, f.Fields, f.Subjects = choices(900, 3), fields(40), choices(300, 1)
	for i := range 20 {
		f.Approvers = append(f.Approvers, fmt.Sprintf("%d. %s", i, strings.Repeat("s", 200)))
	}
	return f
}

// foreseenCard says what will change, as a target foresaw it.
func foreseenCard() screens.Card {
	c := usualCard()
	c.Risk = "high"
	c.Facts = append(c.Facts,
		screens.Pair{Label: "What will change", Value: "role deploy is granted to maya\nit is taken back after 1h"},
		screens.Pair{Label: "Standing access", Value: "⚠️ maya is a member of ops already"})
	return c
}

// fullCard has more facts than one block has texts; three of them are lists as long as a target's may be.
func fullCard() screens.Card {
	c := largeCard()
	c.Risk, c.StepUp, c.Page, c.Next, c.Rule = "critical", true, "https://countersign.example/decide", there.Next(jonas), "production"
	for i := range 12 {
		c.Facts = append(c.Facts, screens.Pair{Label: fmt.Sprintf("What will change %d", i), Value: foreseenAt(i)})
	}
	return c
}

func foreseenAt(i int) string {
	if i < 3 {
		return strings.Repeat("role is granted ", 63)
	}
	return "role is granted"
}

func usualHome() screens.Home {
	return screens.Home{
		Name: "Maya Chen", Waiting: []screens.HomeRequest{{Card: foreseenCard()}}, Mine: []screens.HomeRequest{{Card: usualCard()}},
		Grants:  []screens.HomeGrant{{What: "Bastion hosts – shell", Access: screens.Access{Status: "active", Ends: later}, Done: value(80)}},
		Reviews: []screens.HomeReview{{Review: usualReview()}}, Offers: []screens.Item{{Title: "Shell on a bastion", Line: "up to 4h"}},
		Runbooks: []screens.Item{{Title: "Restart the database", Line: "ready"}}, DrawnAt: at, MayDecide: true, More: map[string]int{},
	}
}

func awayHome() screens.Home {
	h := usualHome()
	h.Away, h.Proposals = &screens.Away{From: at, Until: later, Delegate: jonas, Started: true}, []screens.Proposal{usualProposal()}
	h.Grants[0].Extend, h.Waiting[0].Delegate = value(80), value(80)
	h.Owned = []screens.Item{{Title: "deploy-bot", Line: "service account: deploys the shop, until 2027-05-01"}}
	h.Duty = []screens.Item{{Title: "dba", Line: "*you*"}, {Title: "security", Line: jonas.Mention()}}
	h.From, h.More = map[string]int{screens.HomeMine: 5}, map[string]int{screens.HomeMine: 7}
	return h
}

// largeHome is full: every list at its most, every text too long.
func largeHome() screens.Home {
	h := awayHome()
	h.Proposals = append(h.Proposals, largeProposal(), largeProposal(), largeProposal())
	for range screens.HomeLines - 1 {
		h.Waiting = append(h.Waiting, screens.HomeRequest{Card: fullCard()})
		h.Mine = append(h.Mine, screens.HomeRequest{Card: largeCard()})
		h.Grants = append(h.Grants, h.Grants[0])
		h.Reviews = append(h.Reviews, h.Reviews[0])
	}
	for _, list := range []string{screens.HomeWaiting, screens.HomeMine, screens.HomeGrants, screens.HomeReviews} {
		h.More[list] = 44
	}
	h.Waiting[0].Card, h.More[screens.HomeOwned] = fullCard(), 9
	for range 9 {
		h.Pages = append(h.Pages, screens.HomePage{Subject: strings.Repeat("INC-7 ", 80), Where: "open, step 1 of 3", Ack: value(60)})
		h.Overdue = append(h.Overdue, strings.Repeat("Path duty was never practised. ", 20))
	}
	h.From = map[string]int{screens.HomeWaiting: 5, screens.HomeMine: 5, screens.HomeGrants: 5, screens.HomeReviews: 5}
	for i := range h.Waiting {
		h.Waiting[i].Delegate = value(80)
	}
	for i := range 300 {
		h.Offers = append(h.Offers, screens.Item{Title: fmt.Sprintf("Chain %d %s", i, strings.Repeat("x", 80)), Line: "up to 4h"})
		h.Runbooks = append(h.Runbooks, screens.Item{Title: fmt.Sprintf("Runbook %d", i), Line: strings.Repeat("not ready ", 30)})
	}
	return h
}

func usualPage(status string) screens.Page {
	p := screens.Page{
		ID: "e_k3v9q2m7x4taaaaa", Subject: "Break glass in INC-7: Restart the database", Text: "Maya Chen went around the normal chain.\nWhy: *it* is <down>",
		Status: status, Where: "step 1 of 3", Path: "duty", Until: later, Ack: value(60),
	}
	if status == "acknowledged" {
		p.Acks = []screens.Answered{{By: jonas, At: at, Note: "On it; see <#C1>"}}
	}
	return p
}

func catalogue() []sample {
	gone := screens.Access{Status: "ended", How: "expired", EndedAt: later, Presence: "absent", Leaves: "Open sessions stay."}
	unsure := screens.Access{Status: "ended", How: "revoked", By: jonas, EndedAt: later, Presence: "unconfirmed"}
	longReady := usualReady()
	longReady.Files = append(longReady.Files, screens.Pair{Label: "big.pub", Value: strings.Repeat("A", 9000)})
	longReady.Steps = append(longReady.Steps, strings.Repeat("step ", 800))
	closed := usualReview()
	closed.Verdict, closed.Note, closed.ClosedBy, closed.ClosedAt = "emergency", "Rightly used: the database hung.", jonas, later
	late := usualReview()
	late.Late = true
	return append([]sample{
		{"card-small", smallCard().Render(), false},
		{"card", usualCard().Render(), false},
		{"card-key", keyCard().Render(), false},
		{"card-step-up", stepUpCard().Render(), false},
		{"card-large", largeCard().Render(), true},
		{"status-large", screens.Status(largeCard()), true},
		{"card-approved", overCard(workflows.StatusApproved, "Approved by Jonas.", &screens.Access{Status: "active", Ends: later}).Render(), false},
		{"card-ended", overCard(workflows.StatusApproved, "Approved by Jonas.", &gone).Render(), false},
		{"card-unconfirmed", overCard(workflows.StatusApproved, "Approved by Jonas.", &unsure).Render(), false},
		{"card-timed-out", overCard(workflows.StatusTimedOut, "Timed out: not decided in time. This is not a denial.", nil).Render(), false},
		{"decide", usualCard().Decide("", "meta"), false},
		{"decide-document", largeCard().Decide(strings.Repeat("# Heading\n1. Step\n", 300), "meta"), true},
		{"decide-too-long", largeCard().Decide(strings.Repeat("x", 400_000), "meta"), true},
		{"card-busy", busyCard().Render(), false},
		{"card-told", screens.Card{ID: request, What: "Bastion hosts – shell", Requester: maya, Seconds: 3600, Reason: "fix", Status: workflows.StatusOpen, Deadline: later, Told: true, Why: smallCard().Why}.Render(), false},
		{"offer", usualOffer().Render(), false},
		{"offer-small", screens.Offer{Request: request, What: "Bastion hosts – shell", Long: 3600, By: jonas, Terms: []string{"for 30m instead of 1h"}}.Render(), false},
		{"offer-form", screens.OfferForm(usualCard(), choices(2, 1), true, "meta"), false},
		{"offer-form-small", screens.OfferForm(smallCard(), nil, false, "meta"), false},
		{"page", usualPage("open").Render(), false},
		{"page-acknowledged", usualPage("acknowledged").Render(), false},
		{"page-told", screens.Page{ID: "e_1", Subject: "A secret was seen: a token", Text: "In a wiki.", Status: "open", Where: "step 1 of 2", Path: "duty", Told: true}.Render(), false},
		{"page-large", screens.Page{ID: "e_1", Subject: strings.Repeat("Long ", 200), Text: strings.Repeat("<!channel> *text*\n", 900), Status: "unanswered", Where: "step 10 of 10, round 3", Path: "duty", Drill: true, Ack: value(90)}.Render(), true},
		{"home-pages", screens.Home{Name: "Maya", MayDecide: true, DrawnAt: at, Pages: []screens.HomePage{{Subject: "Break glass in INC-7", Where: "open, step 1 of 3", Ack: value(60)}}, Overdue: []string{"Path duty was never practised."}}.Render(), false},
		{"proposal", usualProposal().Render(), false},
		{"proposal-large", largeProposal().Render(), true},
		{"proposal-over", screens.Proposal{ID: "c_1", Loosens: []string{"a new chain"}, Outcome: "approved", Approve: value(80)}.Render(), false},
		{"how", screens.Locale{}.How("Shell on a bastion", []screens.HowPart{{Lines: []string{"For work that lasts 1h."}}, {Title: "Who decides", Lines: []string{"Jonas <or> Sofia"}}}, "Ask with `/access`."), false},
		{"how-large", screens.Locale{}.How(strings.Repeat("1h ", 200), manyParts(), "Ask."), true},
		{"proposal-settled", screens.Proposal{ID: "c_1", Loosens: []string{"a new chain"}, Outcome: "denied"}.Settled(), false},
		{"proposal-changed", screens.Locale{}.PolicyChanged([]string{"workflow/prod-shell: the quorum becomes 2, was 1"}), false},
		{"deny", screens.DenyForm(usualCard(), "meta"), false},
		{"ready-small", screens.Ready{Grant: grant, What: "Main database – write", Long: 3600, Access: screens.Access{Status: "active", Ends: later}}.Render(), false},
		{"ready", usualReady().Render(), false},
		{"ready-secret", readyWith(screens.SecretNote{Waits: true, Until: later, Button: value(80)}), false},
		{"ready-secret-sealed", readyWith(screens.SecretNote{Waits: true, Key: "SHA256:uNiVztksCsDhcc0u9e8BrnSkCTtPyT9Q8LM9YkgxXxU", Until: later, Button: value(80)}), false},
		{"ready-secret-taken", readyWith(screens.SecretNote{Waits: true, Until: later, Taken: at}), false},
		{"ready-secret-gone", readyWith(screens.SecretNote{Until: later, Gone: "not taken in time"}), false},
		{"secret-link", screens.Locale{}.SecretLink("Supplier portal – Login as buyer", "https://countersign.example.com/secret/0123456789abcdef0123456789abcdef", grant), false},
		{"secret-nolink", screens.Locale{}.SecretLink("Supplier portal – Login as buyer", "", grant), false},
		{"secret-sealed", screens.Locale{}.SealedSecret("Supplier portal", "SHA256:uNiVztksCsDhcc0u9e8BrnSkCTtPyT9Q8LM9YkgxXxU", "-----BEGIN AGE ENCRYPTED FILE-----\nYWdlLWVuY3J5cHRpb24\n-----END AGE ENCRYPTED FILE-----", grant), false},
		{"secret-sealed-large", screens.Locale{}.SealedSecret("Supplier portal", "SHA256:x", strings.Repeat("A", 9000), grant), false},
		{"ready-large", longReady.Render(), true},
		{"outcome-denied", screens.Outcome{ID: request, What: "Bastion hosts – shell", Long: 3600, Status: workflows.StatusDenied, By: jonas, Reason: "No change window.", Next: "Ask again."}.Render(), false},
		{"ended", screens.Ended{Grant: grant, What: "Bastion hosts – shell", Long: 3600, Access: gone}.Render(), false},
		{"ended-in-use", screens.Ended{Grant: grant, What: "Orders database – read", Long: 3600, Access: screens.Access{
			Status: "active", Ends: later, Sessions: []string{"maya_pg <!here> with psql, since 14:00 UTC", "b", "c", "d", "e", "f"},
		}}.Render(), false},
		{"drift", screens.Drift{
			Target: "Orders database", Total: 12, Known: 2, Seen: 40, Grants: 3, At: at,
			Findings: []string{"mallory <!channel> is member of the role payments, and no grant explains that; made by dba, 2026-11-22 13:00 UTC."},
		}.Render(), false},
		{"drift-none", screens.Drift{Target: "Orders database", Seen: 40, Grants: 3, At: at}.Answer(), false},
		{"drift-unread", screens.Drift{Target: "Orders database", Unread: "The database could not be reached.", At: at}.Answer(), false},
		{"drill-failed", screens.DrillFailed{Target: "Orders database", Entitlement: "canary", Step: "revoke", Said: "the session does not end"}.Render(), false},
		{"failed", screens.Failed{Grant: grant, What: "Bastion hosts – shell", Long: 3600, Why: "The target refused."}.Render(), false},
		{"overdue", screens.Overdue{Grant: grant, What: "Bastion hosts – shell", Long: 3600, Holder: maya, Since: at}.Render(), false},
		{"doubt", screens.Doubt{Grant: grant, What: "Bastion hosts – shell", Long: 3600, Holder: maya, Why: "The source of ticket PAY-1 does not answer.", Since: at, Ends: later}.Render(), false},
		{"doubt-approver", screens.Doubt{Grant: grant, What: "Bastion hosts – shell", Long: 3600, Holder: maya, Why: "Somebody who approved it has left or is quarantined.", ApproverGone: true}.Render(), false},
		{"killed", screens.Killed{Who: maya, Ended: 3, Elsewhere: 1, Quarantined: true, Lines: []string{"• ending: *Bastion hosts – shell*", "• owns `svc-deploy`"}}.Render(), false},
		{"reach-none", screens.Killed{Who: maya, Only: true}.Render(), false},
		{"invoked", usualGlass().Invoked(), false},
		{"skipped", usualGlass().Skipped(), false},
		{"review", usualReview().Ask(), false},
		{"review-sample", sampleReview().Ask(), false},
		{"review-sample-form", sampleReview().ReviewForm("meta"), false},
		{"review-late", late.Ask(), false},
		{"review-closed", closed.Closed(), false},
		{"review-form", usualReview().ReviewForm("meta"), false},
		{"revoke", screens.RevokeForm(screens.Locale{}, "Bastion hosts – shell", maya, screens.Access{Status: "active", Ends: later, Leaves: "Open sessions stay."}, "meta"), false},
	}, append(forms(), sheets()...)...)
}

func forms() []sample {
	return []sample{
		{"pick", screens.Pick(screens.Locale{}, choices(3, 1)), false},
		{"pick-none", screens.Pick(screens.Locale{}, nil), false},
		{"pick-large", screens.Pick(screens.Locale{}, choices(250, 1)), true},
		{"form", usualForm().Render(), false},
		{"form-large", largeForm().Render(), true},
		{"form-rich", richForm().Render(), false},
		{"away-form", screens.AwayForm(screens.Locale{}), false},
		{"leak-form", screens.Locale{}.LeakForm(), false},
		{"evidence", evidence(value(60)).Render(), false},
		{"evidence-app", appEvidence(value(60)).Render(), false},
		{"evidence-bare", screens.Evidence{ID: "svc-x", Kind: "api_key", State: "unclaimed", Blanks: []string{"nobody owns it", "no approval of it is on record"}}.Render(), false},
		{"step", screens.StepAsked(screens.Locale{}, "Shell on a bastion", "to deploy *now*", value(90)), false},
		{"digest", screens.Digest{Lines: []screens.DigestLine{{ID: request, Requester: maya, What: "Bastion hosts – shell", Long: 3600, By: later, Link: "https://example.slack.com/archives/C1/p1"}, {ID: request, Requester: wide, What: strings.Repeat("what ", 90), Long: 3600, By: later}}}.Render(), false},
		{"delegate-form", screens.DelegateForm(usualCard()), false},
		{"home-away", awayHome().Render(), false},
		{"sent", screens.Sent{ID: request, What: "Bastion hosts – shell", Long: 3600, Where: "#access", Asked: []screens.Person{jonas}, By: later}.Modal(), false},
		{"invoke", usualConfirm().Render("meta"), false},
		{"invoke-around", failedConfirm().Render("meta"), false},
		{"second", usualSecond().Render(), false},
		{"run", usualRun(6).Render(), false},
		{"run-large", largeRun().Render(), true},
		{"run-failed", usualRun(6).Failed(3), false},
		{"run-form", screens.RunForm(screens.Locale{}, "Say why this step is left out.", "meta", false), false},
		{"review-task", usualReview().Task("1", "rotate the database's password", later), false},
		{"glass-told", usualGlass().Told(), false},
		{"help", screens.Locale{}.Help(), false},
		{"list-empty", screens.List(screens.Part{Title: "Waiting for you", Empty: "Nothing."}), false},
		{"line", screens.Line{At: at, By: jonas, Did: "denied at stage 1", Reason: "No <!channel> window"}.Render(), false},
		{"home-empty", screens.Home{Name: "Eve", DrawnAt: at}.Render(), false},
		{"home", usualHome().Render(), false},
		{"home-large", largeHome().Render(), true},
	}
}

// evidence is the card of a credential about which everything is known.
func evidence(meta string) screens.Evidence {
	return screens.Evidence{
		ID: "svc-deploy", Name: "Deployment robot", Kind: "service_account", State: "active", Owner: maya.Mention(), Backup: "the group dba", Revokers: []string{maya.Mention(), jonas.Mention()},
		Attested: at.Add(-240 * time.Hour), ReviewBy: at.Add(2000 * time.Hour), Purpose: "Deploys the shop every night.", Ticket: "OPS-7", Where: "bastion, production", Scope: []string{"role:deploy"},
		Stored: "vault", Every: 90 * 24 * 3600, Rotated: at.Add(-100 * time.Hour), RotateBy: at.Add(2060 * time.Hour), Rotating: later, LastUsed: at, Ends: at.Add(4000 * time.Hour),
		Measured: 12, P50: 1200 * time.Millisecond, P95: 3400 * time.Millisecond, LastDrill: at.Add(-24 * time.Hour), Held: 1, Sessions: 2,
		Approvals: []string{"• bastion/deploy, 2026-11-20 by " + jonas.Mention() + ": `countersign ledger prove " + request + "`"}, Findings: []string{"leaked"}, Meta: meta, Method: "the routine replace-secret replaces it on bastion and tries the old one",
	}
}

// appEvidence is the card of a third-party app about which little is known.
func appEvidence(meta string) screens.Evidence {
	e := evidence(meta)
	e.ID, e.Name, e.Kind, e.Owner, e.Hint, e.Silent = "found-github-1", "builder", "integration", "", "build <team>", "github does not tell sessions"
	e.App = &screens.App{Vendor: "Builders & Sons", Reach: "all repositories of northwind", Business: jonas.Mention(), Grown: []string{"contents: write"}}
	e.Kill = "an owner of northwind uninstalls it on GitHub"
	return e
}
