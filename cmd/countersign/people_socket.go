package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// The people's socket is the way without Slack: whoever opens it is who the kernel says, mapped by `unix:` in the people file. The same desk
// with the same rules and the same ledger answers; entries carry channel "cli" and authn "unix-peer".

const (
	viaCLI     = "cli"
	unixPeer   = "unix-peer"
	unixMedium = "unix"
)

// order is one command through the socket. Fields that a command does not need are empty.
type order struct {
	Do       string            `json:"do"`              // one of the verbs of isKnown
	Cause    string            `json:"cause,omitempty"` // random; the same order sent twice counts once
	ID       string            `json:"id,omitempty"`    // of the request or grant; an unambiguous ending will do
	Shown    string            `json:"shown,omitempty"` // what the person was shown before deciding
	Stage    int               `json:"stage,omitempty"`
	Reason   string            `json:"reason,omitempty"`
	Workflow string            `json:"workflow,omitempty"`
	What     string            `json:"what,omitempty"`    // target/entitlement
	Confirm  string            `json:"confirm,omitempty"` // the target's name once more, where the risk wants it typed
	For      string            `json:"for,omitempty"`     // a non-human identity; empty: oneself
	Long     workflows.Span    `json:"long,omitempty"`
	Fields   map[string]string `json:"fields,omitempty"`
	Runbook  string            `json:"runbook,omitempty"`
	At       workflows.Stamp   `json:"at,omitzero"`       // explain: who could decide then
	Zone     string            `json:"zone,omitempty"`    // explain: of the times that are shown
	Without  []string          `json:"without,omitempty"` // explain: keys of people who are taken to be away
	Person   string            `json:"person,omitempty"`  // whose texts are erased
	Entry    int64             `json:"entry,omitempty"`   // or which entry's
	Field    string            `json:"field,omitempty"`
	Basis    string            `json:"basis,omitempty"`
	Start    string            `json:"start,omitempty"` // when access should start; moments are RFC 3339, or a day and time on the person's own clock
	Extends  string            `json:"extends,omitempty"`
	Offer    string            `json:"offer,omitempty"`
	From     string            `json:"from,omitempty"`
	Until    string            `json:"until,omitempty"`
	Delegate string            `json:"delegate,omitempty"` // key or e-mail address
	Unread   bool              `json:"unread,omitempty"`   // of status: nobody reads the answer

	Args map[string]string `json:"args,omitempty"` // of identities: its flags by name

	Quarantine bool        `json:"quarantine,omitempty"` // revoke-all: also lock
	Glass      *glassOrder `json:"glass,omitempty"`      // of the verbs that begin with runbook-

	Incident *incidentOrderPart `json:"incident,omitempty"`
}

// reply is what comes back: text for people, or why not.
type reply struct {
	OK      bool                   `json:"ok"`
	Refused string                 `json:"refused,omitempty"`
	Code    string                 `json:"code,omitempty"`
	Text    string                 `json:"text,omitempty"`
	ID      string                 `json:"id,omitempty"`
	Status  string                 `json:"status,omitempty"`
	Shown   string                 `json:"shown,omitempty"`
	Stage   int                    `json:"stage,omitempty"`
	Explain *workflows.Explanation `json:"explain,omitempty"`
	Lines   []string               `json:"lines,omitempty"`
	Use     json.RawMessage        `json:"use,omitempty"`
	Parts   []part                 `json:"parts,omitempty"` // of a secret, to who took it and nobody else
	Data    json.RawMessage        `json:"data,omitempty"`  // what a machine reads of a list
}

const maxOrder = 64 << 10 // bytes: a form with an SSH key fits many times

// isKnown tells whether an order can be carried out.
func (o order) isKnown() bool {
	switch o.Do {
	case "request", "approve", "deny", "take-back", "withdraw", "done", "revoke", "status", "list", doExplain, doPolicy, doPolicyApprove, doPolicyDeny, doErase, doDisclose, doRekey, doConfirm, doCustody, doAccept, doAcceptConfirm, doAcceptStatus:
		return true
	case doBookList, doBookShow, doBookStatus, doBookDryRun, doBookInvoke, doBookDrill, doBookAgree, doBookStep, doBookReview, doBookTask, doBookReport, doBookWatch, doBookStart:
		return true
	case doDrift, doAnswer, doDrill, doIncident, doOffers, doEscalations, doClock, doClockConfirm:
		return true
	case doIdentities:
		return isIdentityVerb(o.What)
	case doTake, doKey, doKeySet, doKeyRemove, doCodes, doCodesNew, doCodesVoid, doEnvelope:
		return true
	case "offer", "accept", "decline", "extend", "away", "back", "comment", "ticket-closed":
		return true
	}
	return slices.Contains(killVerbs[:], o.Do)
}

type uidKey struct{}

// withPeer puts the caller's user id into the context of every request of a connection.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	uid, err := peerUID(c)
	if err != nil {
		return context.WithValue(ctx, uidKey{}, err)
	}
	return context.WithValue(ctx, uidKey{}, uid)
}

// listenPeople opens the socket. It is for the bot's own user unless the operator names a place that others can reach: then the folder's
// rights decide who may open it, and the kernel who they are.
func listenPeople(c Config) (net.Listener, error) {
	l, err := listenControl(c.peopleSocket())
	if err != nil || c.Socket == "" {
		return l, err
	}
	if err := os.Chmod(c.Socket, 0o666); err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s to others: %w", c.Socket, err), l.Close())
	}
	return l, nil
}

func (s *serving) peopleHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", http.MaxBytesHandler(orders(s.obey, s.log, s.clock), maxHTTPBody))
	mux.Handle("POST /identities/import", http.HandlerFunc(s.importIdentities))
	mux.Handle("POST /identities/leak", http.HandlerFunc(s.uploadLeak))
	mux.Handle("POST /identities/leaks", http.HandlerFunc(s.uploadSARIF))
	mux.Handle("POST /identities/leavers", http.HandlerFunc(s.importLeavers))
	return mux
}

// orders takes orders from the socket.
func orders(obey func(context.Context, order) (reply, error), log *slog.Logger, clock jobs.Clock) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /do", func(w http.ResponseWriter, r *http.Request) {
		var o order
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&o); err != nil {
			http.Error(w, "the order cannot be read: "+err.Error(), http.StatusBadRequest)
			return
		}
		out, err := obey(r.Context(), o)
		if err != nil {
			ref := clockIDs{clock}.New("")[18:]
			log.Error("a command was not carried out", "do", o.Do, "ref", ref, "err", err)
			if words := forPeople(err); words != "" {
				http.Error(w, words+" (ref "+ref+")", http.StatusServiceUnavailable)
				return
			}
			http.Error(w, "something went wrong (ref "+ref+"); the operator's log says more", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(out)
	})
	return mux
}

// unixActor maps the caller to an account and a person of the people file.
func (s *serving) unixActor(ctx context.Context) (workflows.Acting, *workflows.Refusal, error) {
	switch v := ctx.Value(uidKey{}).(type) {
	case uint32:
		return s.unixAccount(ctx, v)
	case error:
		return workflows.Acting{}, workflows.Refuse(workflows.CodeUnlinked, "Nobody can say who you are: "+v.Error()+".", "Use Slack."), nil
	}
	return workflows.Acting{}, nil, errors.New("a connection without a peer")
}

func (s *serving) unixAccount(ctx context.Context, uid uint32) (workflows.Acting, *workflows.Refusal, error) {
	id := strconv.FormatUint(uint64(uid), 10)
	name := id
	if u, err := user.LookupId(id); err == nil {
		name = u.Username
	}
	row, err := s.store.EnsureAccount(ctx, unixMedium, name)
	if err != nil {
		return workflows.Acting{}, nil, err
	}
	by := workflows.Acting{Actor: row.Actor}
	for _, p := range s.desk.Policy().People {
		if p.Unix != name || p.Unix == "" {
			continue
		}
		by.Person = p.ID
		if row.Person == p.ID {
			return by, nil, nil
		}
		if err := s.desk.Link(ctx, p.ID, identities.Linked{Account: row.Actor, Medium: unixMedium, How: "people file", Name: p.Name, User: row.Key}); err != nil {
			return by, nil, err
		}
		return by, nil, s.store.LinkAccount(ctx, row.Actor, p.ID)
	}
	return by, workflows.Refuse(workflows.CodeUnlinked, "The user "+printable(name)+" of this machine is nobody in the people file.",
		"Ask the operator to add unix: "+printable(name)+" to your entry in people.yaml."), nil
}

// obey carries out one order as the person who sent it.
func (s *serving) obey(ctx context.Context, o order) (reply, error) {
	by, no, err := s.unixActor(ctx)
	if err != nil {
		return reply{}, err
	}
	cause, ok := causeOf(by, o.Cause)
	if !ok {
		return refusedReply(workflows.Refuse(workflows.CodeBadField, "The order's cause is not 8 to 64 hexadecimal digits.", "")), nil
	}
	if !o.isKnown() { // before anything is recorded: what somebody sends instead of a verb must not get into a leaf, where it stays
		return refusedReply(workflows.Refuse(workflows.CodeBadField, "There is no such command.", "")), nil
	}
	if no != nil {
		return s.refuse(ctx, cause, by, o.Do, no)
	}
	if len([]rune(o.Reason)) > workflows.MaxReason {
		no := workflows.Refusef(workflows.CodeTooLong, "", "A reason has at most %d characters.", workflows.MaxReason)
		return s.refuse(ctx, cause, by, o.Do, no)
	}
	if slices.Contains(killVerbs[:], o.Do) {
		return s.obeyKill(ctx, by, cause, o)
	}
	switch o.Do {
	case doTake:
		return s.cliTake(ctx, by, cause, o)
	case doKey, doKeySet, doKeyRemove:
		return s.cliKey(ctx, by, cause, o)
	case doCodes, doCodesNew, doCodesVoid:
		return s.cliCodes(ctx, by, cause, o)
	case doEnvelope:
		return s.cliEnvelope(ctx, by, cause, o)
	case "offer":
		return s.cliOffer(ctx, by, cause, o)
	case "accept", "decline":
		return s.cliAnswerOffer(ctx, by, cause, o)
	case "extend":
		return s.cliExtend(ctx, by, cause, o)
	case "away":
		return s.cliAway(ctx, by, cause, o)
	case "back":
		return s.cliBack(ctx, by, cause)
	case "comment":
		return s.cliComment(ctx, by, cause, o)
	case "ticket-closed":
		return s.cliCloseTicket(ctx, by, cause, o)
	case doIdentities:
		return s.cliIdentities(ctx, by, cause, o)
	case doIncident:
		return s.cliIncident(ctx, by, cause, o)
	case doOffers:
		return s.cliOffers(ctx, by, o)
	case doEscalations:
		return s.cliEscalations(ctx, by, cause, o)
	case doClock, doClockConfirm:
		return s.cliClock(ctx, by, cause, o)
	case doDrift:
		return s.cliDrift(ctx, by, cause, o)
	case doAnswer:
		return s.cliAnswerFinding(ctx, by, cause, o)
	case doDrill:
		return s.cliDrill(ctx, by, cause, o)
	case "request":
		return s.cliRequest(ctx, by, cause, o)
	case "approve", "deny":
		return s.cliVote(ctx, by, cause, o)
	case "take-back", "withdraw":
		return s.cliChange(ctx, by, cause, o)
	case "done", "revoke":
		return s.cliEnd(ctx, by, cause, o)
	case "status":
		return s.cliStatus(ctx, by, cause, o)
	case doExplain:
		return s.cliExplain(ctx, by, o)
	case doPolicy, doPolicyApprove, doPolicyDeny:
		return s.cliPolicy(ctx, by, cause, o)
	case doErase, doDisclose, doRekey, doConfirm, doCustody:
		return s.cliCustody(ctx, by, cause, o)
	case doBookList, doBookShow, doBookStatus, doBookDryRun, doBookInvoke, doBookDrill, doBookAgree, doBookStep, doBookReview, doBookTask, doBookReport, doBookWatch, doBookStart:
		return s.cliBook(ctx, by, cause, o)
	case doAccept, doAcceptConfirm, doAcceptStatus:
		return refusedReply(workflows.Refuse(workflows.CodeDecided, "The ledger is not behind anything: there is nothing to accept.", "")), nil
	}
	return s.cliList(ctx, by)
}

// refuse records a refusal and answers with it. The recorded one is none when the cause was consumed before by an order that was carried out.
func (s *serving) refuse(ctx context.Context, cause workflows.Cause, by workflows.Acting, command string, no *workflows.Refusal) (reply, error) {
	recorded, err := s.desk.Refuse(ctx, cause, by, command, viaCLI, "", no)
	if err != nil {
		return reply{}, err
	}
	return refusedReply(cmp.Or(recorded, no)), nil
}

// causeOf makes what a client chose into a cause of its own: nobody consumes, or reads, what somebody else's order did.
func causeOf(by workflows.Acting, chosen string) (workflows.Cause, bool) {
	if chosen == "" {
		return "", true
	}
	if len(chosen) < 8 || len(chosen) > 64 || strings.Trim(chosen, "0123456789abcdef") != "" {
		return "", false
	}
	return workflows.Cause("cli/" + string(by.Actor) + "/" + chosen), true
}

func refusedReply(r *workflows.Refusal) reply {
	return reply{Code: r.Code, Refused: r.Error()}
}

func (s *serving) cliRequest(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	target, entitlement, _ := strings.Cut(o.What, "/")
	form := workflows.Form{
		Target: workflows.TargetID(target), Entitlement: workflows.EntitlementID(entitlement), Seconds: o.Long, Reason: o.Reason, Values: o.Fields,
		Typed: o.Confirm,
	}
	id := workflows.WorkflowID(o.Workflow)
	if v, ok := s.desk.Policy().Workflows[id]; ok {
		if o.What == "" && len(v.Workflow.Entitlements) == 1 {
			form.Target, form.Entitlement = v.Workflow.Entitlements[0].Target, v.Workflow.Entitlements[0].ID
		}
		if form.Seconds == 0 {
			form.Seconds = v.Workflow.Usual
		}
	}
	start, no := s.momentOf(by.Person, o.Start, false)
	if no != nil {
		return s.refuse(ctx, cause, by, "submit", no)
	}
	res, err := s.desk.Submit(ctx, desk.Submission{
		Cause: cause, By: by, Workflow: id, Form: form, Subject: workflows.IdentityID(o.For), Runbook: workflows.RunbookID(o.Runbook),
		Channel: viaCLI, Authn: unixPeer, NotBefore: start, Extends: workflows.GrantID(o.Extends),
	})
	if err != nil {
		return reply{}, err
	}
	if res.Refusal != nil {
		out := refusedReply(res.Refusal)
		for _, p := range res.Problems {
			out.Lines = append(out.Lines, p.Field+": "+p.Text)
		}
		return out, nil
	}
	return s.seenReply(ctx, by, res.ID)
}

// findRequest finds a request by its id or an unambiguous ending of at least four characters, among those the person has to do with.
func (s *serving) findRequest(ctx context.Context, p workflows.PersonID, word string) (workflows.RequestID, *workflows.Refusal, error) {
	if strings.HasPrefix(word, "r_") && len(word) == 28 {
		return workflows.RequestID(word), nil, nil
	}
	if len(word) < 4 {
		return "", workflows.Unknown(), nil
	}
	found, err := s.desk.RequestsEnding(ctx, p, word)
	if err != nil {
		return "", nil, err
	}
	switch len(found) {
	case 1:
		return found[0], nil, nil
	case 0:
		return "", workflows.Unknown(), nil
	}
	return "", workflows.Refuse(workflows.CodeUnknown, "More than one request ends in "+word+".", "Give more of its id."), nil
}

func (s *serving) cliVote(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	id, no, err := s.findRequest(ctx, by.Person, o.ID)
	if err != nil {
		return reply{}, err
	}
	if no != nil {
		return s.refuse(ctx, cause, by, "vote", no)
	}
	verdict := workflows.Approve
	if o.Do == "deny" {
		verdict = workflows.Deny
	}
	res, err := s.desk.Vote(ctx, desk.Ballot{
		Cause: cause, By: by, Request: id, Verdict: verdict, Stage: o.Stage, Shown: o.Shown, Reason: strings.TrimSpace(o.Reason),
		Authn: unixPeer, Channel: viaCLI,
	})
	return s.answered(ctx, by, id, res, err)
}

func (s *serving) cliChange(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	id, no, err := s.findRequest(ctx, by.Person, o.ID)
	if err != nil {
		return reply{}, err
	}
	if no != nil {
		return s.refuse(ctx, cause, by, o.Do, no)
	}
	change := desk.Change{Cause: cause, By: by, Request: id, Why: o.Reason, Channel: viaCLI}
	do := s.desk.Withdraw
	if o.Do == "take-back" {
		do = s.desk.TakeBack
	}
	res, err := do(ctx, change)
	return s.answered(ctx, by, id, res, err)
}

func (s *serving) answered(ctx context.Context, by workflows.Acting, id workflows.RequestID, a desk.Answer, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	if a.Refusal != nil {
		return refusedReply(a.Refusal), nil
	}
	return s.seenReply(ctx, by, id)
}

func (s *serving) cliEnd(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	how := grants.HowReturned
	if o.Do == "revoke" {
		how = grants.HowRevoked
	}
	id := workflows.GrantID(o.ID)
	if !strings.HasPrefix(o.ID, "g_") || len(o.ID) != 28 {
		held, err := s.desk.Grants(ctx, by.Person, 0)
		if err != nil {
			return reply{}, err
		}
		n := 0
		for _, h := range held {
			if o.ID == "" || (len(o.ID) >= 4 && strings.HasSuffix(string(h.Hold.Approved.Grant), o.ID)) {
				id, n = h.Hold.Approved.Grant, n+1
			}
		}
		if n > 1 {
			return refusedReply(workflows.Refuse(workflows.CodeUnknown, "You hold more than one access.", "Name it: countersign list shows the ids.")), nil
		}
	}
	res, err := s.desk.End(ctx, desk.EndGrant{Cause: cause, By: by, Grant: id, How: how, Why: o.Reason, Channel: viaCLI})
	if err != nil {
		return reply{}, err
	}
	if res.Refusal != nil {
		return refusedReply(res.Refusal), nil
	}
	return reply{OK: true, ID: string(id), Status: string(grants.StatusEnding), Text: "The access is being taken back."}, nil
}

func (s *serving) cliStatus(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	if strings.HasPrefix(o.ID, "g_") {
		return s.grantReply(ctx, by, workflows.GrantID(o.ID))
	}
	id, no, err := s.findRequest(ctx, by.Person, o.ID)
	if err != nil {
		return reply{}, err
	}
	if no != nil {
		return refusedReply(no), nil
	}
	r, err := s.seenReply(ctx, by, id)
	if err == nil && r.OK && !o.Unread {
		s.desk.Opened(ctx, desk.Opening{Cause: cause, By: by, Request: id, How: workflows.OpenedStatus, Channel: viaCLI})
	}
	return r, err
}

// seenReply shows a request to a person: who asks for what and why, where it stands, what was granted.
func (s *serving) seenReply(ctx context.Context, by workflows.Acting, id workflows.RequestID) (reply, error) {
	v, err := s.desk.LookAs(ctx, by.Person, id)
	var no *workflows.Refusal
	if errors.As(err, &no) {
		return refusedReply(no), nil
	}
	if err != nil {
		return reply{}, err
	}
	asked := v.State.Asked
	what := screens.Inert(v.Entitlement.TargetTitle + " – " + v.Entitlement.Title)
	switch asked.Request {
	case workflows.KindRoutine:
		what = "runbook " + string(asked.Runbook) + " to be carried out, text " + shortHash(asked.Document)
	case workflows.KindPreapprove:
		what = "approval of runbook " + string(asked.Runbook) + ", text " + shortHash(asked.Document)
	}
	out := reply{OK: true, ID: string(id), Status: v.State.Status.Words(), Stage: v.State.Current}
	out.Lines = []string{
		s.desk.Name(ctx, v.State.Requester.Person) + " asks for " + what + " for " + asked.Seconds.String(),
		"Why: " + asked.Reason,
	}
	if why := s.clockHeld.words(); why != "" && v.Hold != nil && v.Hold.Status == grants.StatusApproved {
		out.Lines = append(out.Lines, why)
	}
	if !asked.Subject.IsPerson() {
		out.Lines = append(out.Lines, "For: "+string(asked.Subject))
	}
	for _, list := range []struct {
		label string
		lines []string
	}{{"Changes: ", asked.Changes}, {"To know: ", asked.PlanNotes}, {"Standing access: ", asked.Standing}} {
		for _, l := range list.lines {
			out.Lines = append(out.Lines, list.label+screens.Inert(l))
		}
	}
	if v.State.Open() != nil {
		out.Shown = v.State.Shown(v.State.Current)
	}
	e := workflows.Explain(v.State, s.outlookOf(ctx, by.Person))
	out.Explain = &e
	out.Text = e.Sentence
	if v.Hold != nil {
		out.Lines = append(out.Lines, "Access: "+string(v.Hold.Status)+", until "+s.outlookOf(ctx, by.Person).When(v.Hold.Ends.UTC))
		if v.Hold.Status == grants.StatusEnding && v.Hold.Level > 0 {
			out.Lines = append(out.Lines, "ACCESS COULD NOT BE TAKEN BACK since "+s.outlookOf(ctx, by.Person).When(v.Hold.EndingAt.UTC)+": it is tried until it is gone")
		}
		out.Lines = append(out.Lines, doubtLines(*v.Hold, s.outlookOf(ctx, by.Person).When)...)
		if v.Hold.StartedAt.UTC != 0 {
			out.Lines = append(out.Lines, s.sessionLines(*v.Hold, s.outlookOf(ctx, by.Person).When)...)
		}
		if mine := by.Person == v.State.Requester.Person || by.Person == asked.Subject.Person(); mine && v.Hold.Status == grants.StatusActive && v.Hold.Started.Use != "" {
			out.Use = json.RawMessage(v.Hold.Started.Use)
		}
	}
	return out, nil
}

func (s *serving) cliList(ctx context.Context, by workflows.Acting) (reply, error) {
	out := reply{OK: true}
	for _, part := range []struct{ title, list string }{
		{"Waiting for you", workflows.ListWaiting}, {"Your open requests", workflows.ListMyOpen},
	} {
		views, err := s.desk.Requests(ctx, part.list, by.Person, 50)
		if err != nil {
			return reply{}, err
		}
		out.Lines = append(out.Lines, fmt.Sprintf("%s: %d", part.title, len(views)))
		for _, v := range views {
			e := workflows.Explain(v.State, s.outlookOf(ctx, by.Person))
			out.Lines = append(out.Lines, fmt.Sprintf("  %s  %s for %s, by %s. %s", v.State.ID, v.Entitlement.Name(), v.State.Asked.Seconds, s.desk.Name(ctx, v.State.Requester.Person), e.Sentence))
		}
	}
	held, err := s.desk.Grants(ctx, by.Person, 0)
	if err != nil {
		return reply{}, err
	}
	out.Lines = append(out.Lines, fmt.Sprintf("Access you have: %d", len(held)))
	for _, h := range held {
		a := h.Hold.Approved
		out.Lines = append(out.Lines, fmt.Sprintf("  %s  %s/%s, %s until %s", a.Grant, a.Target, a.Entitlement, h.Hold.Status, h.Hold.Ends.UTC.Time().Format("2006-01-02 15:04 UTC")))
		if h.Hold.Status == grants.StatusActive {
			out.Lines = append(out.Lines, "      how to use it: countersign status "+string(a.Grant))
		}
	}
	offers, err := s.desk.Catalogue(ctx, by.Person)
	if err != nil {
		return reply{}, err
	}
	out.Lines = append(out.Lines, fmt.Sprintf("What you can ask for: %d", len(offers)))
	for _, f := range offers {
		w := f.Version.Workflow
		out.Lines = append(out.Lines, fmt.Sprintf("  %s  %s, up to %s", w.ID, w.Title, w.Longest))
	}
	return out, nil
}

// forPeople is what an error says to people; empty when it says nothing to them.
func forPeople(err error) string {
	var says interface{ ForPeople() string }
	if errors.As(err, &says) {
		return says.ForPeople()
	}
	return ""
}
