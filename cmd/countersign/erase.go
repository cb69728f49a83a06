package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// What two people do to the ledger, through the people's socket: erase texts, let texts be exported. The bot carries it out, because only one
// process writes the ledger; who acts is who the kernel says.

// The orders of custody.
const (
	doErase    = "erase"
	doDisclose = "disclose"
	doConfirm  = "custody-confirm"
	doCustody  = "custody-status"
)

// custodian is who acts, with the roles that count here.
func (s *serving) custodian(ctx context.Context, by workflows.Acting) custody.Who {
	return custody.Who{
		Acting: by, Owner: s.desk.HasRole(ctx, desk.RoleOwner, by.Person), Auditor: s.desk.HasRole(ctx, desk.RoleAuditor, by.Person),
		Channel: viaCLI, Authn: unixPeer,
	}
}

// cliCustody carries out an order of custody.
func (s *serving) cliCustody(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	who := s.custodian(ctx, by)
	switch o.Do {
	case doErase:
		return s.proposeErasure(ctx, who, cause, o)
	case doDisclose:
		return s.propose(ctx, who, cause, custody.Proposed{Act: custody.Disclose, Scope: custody.Scope{What: o.What}, Reason: o.Reason})
	case doRekey:
		return s.proposeRekey(ctx, who, cause, o)
	case doConfirm:
		return s.confirmCustody(ctx, who, cause, o)
	}
	if !who.Owner && !who.Auditor {
		return refusedReply(workflows.Unknown()), nil
	}
	return s.custodyReply(ctx, o.ID)
}

// proposeErasure resolves who or what is meant. What is not there is refused here: a proposal of nothing would wait for a second person.
func (s *serving) proposeErasure(ctx context.Context, who custody.Who, cause workflows.Cause, o order) (reply, error) {
	p := custody.Proposed{
		Act: custody.Erase, Scope: custody.Scope{Entry: o.Entry, Field: o.Field}, Reason: o.Reason,
		Basis: custody.Basis(cmp.Or(o.Basis, string(custody.BasisRequest))),
	}
	var words []string
	if o.Person != "" && who.Owner { // nobody else learns who is known here
		person, err := s.knownPerson(ctx, o.Person)
		if err != nil {
			return reply{}, err
		}
		if person.Ref == "" {
			return s.refuse(ctx, cause, who.Acting, "ledger erase", workflows.Refuse(workflows.CodeUnknown, "There is no such person.",
				"Give the key in people.yaml, or the pseudonym p_… from an entry."))
		}
		p.Person, words = person.Ref, []string{person.Name, person.Email}
	}
	out, err := s.propose(ctx, who, cause, p)
	if err != nil || !out.OK {
		return out, err
	}
	would, others, err := s.store.Erasable(ctx, s.erasure(p.Scope), words...)
	switch {
	case errors.Is(err, store.ErrNotFound):
		out.Lines = append(out.Lines, "There is nothing to erase: when it is confirmed, nothing will happen.")
	case errors.Is(err, store.ErrInUse):
		out.Lines = append(out.Lines, "Some of it is still in use ("+inUseWords(err)+"): it cannot be confirmed before that is over.")
	case err != nil:
		return reply{}, err
	}
	out.Lines = append(out.Lines, wouldErase(would)...)
	if len(others) > 0 {
		out.Lines = append(out.Lines, fmt.Sprintf("Texts by others mention them in entries %s: look at these, and erase them one by one with -entry.", numbers(others)))
	}
	return out, nil
}

// knownPerson finds somebody by the key of the people file or by the pseudonym.
func (s *serving) knownPerson(ctx context.Context, word string) (store.Person, error) {
	if personID.FindString(word) == word {
		p, err := s.store.PersonByRef(ctx, workflows.PersonID(word))
		if err == nil && p.Ref == "" { // their name is gone already; texts may be left
			p.Ref = workflows.PersonID(word)
		}
		return p, err
	}
	return s.store.PersonByKey(ctx, "people:"+word)
}

// erasure is what the store does for a scope. Who still stands in the people file keeps their name behind the pseudonym: they act on.
func (s *serving) erasure(x custody.Scope) store.Erasure {
	_, listed := s.desk.Policy().People[x.Person]
	needed := x.Field == "account" || x.Field == "holder" // a target may need them to take access back
	return store.Erasure{Scope: x, Unname: x.Person != "" && !listed, WhileDue: x.Person == "" && !needed}
}

func wouldErase(e custody.Erased) []string {
	out := []string{fmt.Sprintf("Texts that would go: %d.", e.Texts)}
	switch {
	case e.Person == "":
	case e.Unnamed || e.Accounts > 0:
		out = append(out, fmt.Sprintf("Their name, %s and %s in which they acted would go, too: the pseudonym leads nowhere then.",
			howMany(int(e.Accounts), "account"), howMany(int(e.Deliveries), "stored message")))
	default:
		out = append(out, "Their name stays behind the pseudonym as long as they stand in people.yaml; take them out, reload, and erase then.")
	}
	return out
}

func numbers(list []int64) string {
	const most = 20
	var words []string
	for _, n := range list[:min(len(list), most)] {
		words = append(words, fmt.Sprint(n))
	}
	if len(list) > most {
		words = append(words, fmt.Sprintf("and %d more", len(list)-most))
	}
	return strings.Join(words, ", ")
}

func inUseWords(err error) string {
	_, streams, _ := strings.Cut(err.Error(), store.ErrInUse.Error()+": ")
	return streams
}

// propose records the proposal of the first person.
func (s *serving) propose(ctx context.Context, who custody.Who, cause workflows.Cause, p custody.Proposed) (reply, error) {
	stream := custody.Stream(clockIDs{s.clock}.New("c_"))
	res, err := s.store.Update(ctx, cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		return custody.Propose(f, stream, who, p), nil
	})
	if err != nil {
		return reply{}, err
	}
	if res.Refusal != nil {
		return refusedReply(res.Refusal), nil
	}
	if len(res.Records) > 0 {
		stream = res.Records[0].Stream // that of the first time, if the order came twice
	}
	return s.custodyReply(ctx, stream.Rest())
}

// custodyReply tells how a proposal stands.
func (s *serving) custodyReply(ctx context.Context, id string) (reply, error) {
	h, err := s.store.History(ctx, custody.Stream(id))
	if err != nil {
		return reply{}, err
	}
	if len(h) == 0 {
		return refusedReply(workflows.Unknown()), nil
	}
	st, err := custody.Fold(h)
	if err != nil {
		return reply{}, err
	}
	out := reply{OK: true, ID: id, Status: "waits for a second owner until " + st.Proposed.Until.Time().Format("2006-01-02 15:04 UTC")}
	switch {
	case st.Confirmed:
		out.Status = "confirmed by " + s.desk.Name(ctx, st.ConfirmedBy)
	case workflows.StampOf(s.clock.Now().Wall) > st.Proposed.Until:
		out.Status = "was not confirmed in time"
	}
	out.Lines = []string{s.desk.Name(ctx, st.By) + " proposes to " + s.custodyWords(ctx, st.Proposed) + ".", "Why: " + cmp.Or(st.Proposed.Reason, "(erased)")}
	return out, nil
}

func (s *serving) custodyWords(ctx context.Context, p custody.Proposed) string {
	switch {
	case p.Act == custody.Disclose:
		return "let the texts of " + p.What + " be exported"
	case p.Act == custody.Rekey:
		return "replace the key " + p.What
	case p.Person != "":
		return fmt.Sprintf("erase all texts of %s (%s), as %s", s.onceKnownAs(ctx, p.Person), p.Person, p.Basis.Words())
	}
	return fmt.Sprintf("erase %s of entry %d, as %s", p.Field, p.Entry, p.Basis.Words())
}

// onceKnownAs is the name of somebody who may have left.
func (s *serving) onceKnownAs(ctx context.Context, p workflows.PersonID) string {
	row, err := s.store.PersonByRef(ctx, p)
	if err != nil || row.Name == "" {
		return "somebody whose name is gone"
	}
	return row.Name
}

// confirmCustody is the second person: what was proposed is done with the entry that says so.
func (s *serving) confirmCustody(ctx context.Context, who custody.Who, cause workflows.Cause, o order) (reply, error) {
	stream := custody.Stream(o.ID)
	h, err := s.store.History(ctx, stream)
	if err != nil {
		return reply{}, err
	}
	st, err := custody.Fold(h)
	if err != nil {
		return reply{}, err
	}
	if st.Proposed.Act == custody.Rekey {
		return s.confirmRekey(ctx, who, cause, st)
	}
	if st.Proposed.Act == custody.Erase && !st.Confirmed {
		return s.confirmErasure(ctx, who, cause, st)
	}
	texts, err := s.store.Openings(ctx, disclosed(st.Proposed.What))
	if err != nil {
		return reply{}, err
	}
	res, err := s.store.Update(ctx, cause, []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		out, st, err := custody.Confirm(f, stream, who)
		if err == nil && out.Refusal == nil {
			out.Add(stream, who.Acting, "", custody.Disclosed{
				What: st.Proposed.What, Texts: texts, Until: custody.DisclosureUntil(f.Now.UTC), ProposedBy: st.By, ConfirmedBy: who.Person, Proposal: st.ID,
			})
		}
		return out, err
	})
	if err != nil {
		return reply{}, err
	}
	if res.Refusal != nil {
		return refusedReply(res.Refusal), nil
	}
	out, err := s.custodyReply(ctx, o.ID)
	out.Lines = append(out.Lines, fmt.Sprintf("Within a day, on this host: countersign ledger export -open %s -agreed %s", st.Proposed.What, o.ID))
	return out, err
}

func (s *serving) confirmErasure(ctx context.Context, who custody.Who, cause workflows.Cause, st custody.State) (reply, error) {
	stream := custody.Stream(st.ID)
	var done custody.Erased
	res, err := s.store.Erase(ctx, cause, []workflows.StreamID{stream}, s.erasure(st.Proposed.Scope),
		func(f workflows.Facts, found custody.Erased) (workflows.Outcome, error) {
			out, st, err := custody.Confirm(f, stream, who)
			if err != nil || out.Refusal != nil {
				return out, err
			}
			done = found
			done.Basis, done.ProposedBy, done.ConfirmedBy, done.Proposal = st.Proposed.Basis, st.By, who.Person, st.ID
			out.Add(stream, who.Acting, "", done)
			return out, nil
		})
	switch {
	case errors.Is(err, store.ErrInUse):
		return s.refuse(ctx, cause, who.Acting, "ledger erase", workflows.Refuse(workflows.CodeNotActive,
			"Some of it belongs to requests or access that are not over: "+inUseWords(err)+".", "Withdraw or revoke them first; then confirm again."))
	case errors.Is(err, store.ErrNotFound):
		return s.refuse(ctx, cause, who.Acting, "ledger erase", workflows.Refuse(workflows.CodeUnknown, "There is nothing of that to erase any more.", ""))
	case err != nil && !errors.Is(err, store.ErrNotScrubbed):
		return reply{}, err
	}
	if res.Refusal != nil {
		return refusedReply(res.Refusal), nil
	}
	out, rerr := s.custodyReply(ctx, st.ID)
	out.Lines = append(out.Lines, fmt.Sprintf("Erased: %s, %s, %s.", howMany(int(done.Texts), "text"), howMany(int(done.Accounts), "account"),
		howMany(int(done.Deliveries), "stored message")))
	if err != nil {
		s.log.Error("erased texts may still lie in the files until tonight", "err", err)
		out.Lines = append(out.Lines, "Their bytes may still lie in freed parts of the files; that is set right tonight.")
	}
	out.Lines = append(out.Lines, "Not reached from here: messages in Slack, backups and exports made before, and the log of the process. Documents may name people in their own words.")
	return out, rerr
}

// disclosed are the streams that a disclosure is about; nil for all of them.
func disclosed(what string) []workflows.StreamID {
	if what == "all" {
		return nil
	}
	out := []workflows.StreamID{}
	for name := range strings.SplitSeq(what, ",") {
		if strings.HasPrefix(name, "r_") {
			name = string(workflows.RequestStream(workflows.RequestID(name)))
		}
		out = append(out, workflows.StreamID(name))
	}
	return out
}
