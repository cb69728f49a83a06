package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// What can be done about changes of the documents: seeing what waits, deciding it, and reading any version that ever governed.

// Orders of the people's socket.
const (
	doPolicy        = "policy"
	doPolicyApprove = "policy-approve"
	doPolicyDeny    = "policy-deny"
)

func policyCommand(ctx context.Context, p proc) error {
	words := map[string]func(context.Context, proc) error{
		"pending": policyPending, "show": policyShow, "approve": policyDecide("approve"), "deny": policyDecide("deny"),
	}
	verb := "pending"
	if len(p.args) > 0 {
		verb = p.args[0]
	}
	do, ok := words[verb]
	switch {
	case verb == "-h" || verb == "-help" || verb == "--help":
		fmt.Fprintln(p.out, "usage: countersign policy VERB: pending (or none), show, approve, deny; each with -h says more")
		return nil
	case strings.HasPrefix(verb, "-"):
		do, p.args = policyPending, append([]string{""}, p.args...)
	case !ok:
		return usageError{fmt.Sprintf("there is no policy %s: pending, show, approve, deny", printable(verb))}
	}
	if len(p.args) > 0 {
		p.args = p.args[1:]
	}
	return do(ctx, p)
}

// policyPending lists what the folder changes and people have not approved yet.
func policyPending(ctx context.Context, p proc) error {
	x := newPerson(p, "policy pending", "[--json]")
	if _, err := x.parse(0, 0); err != nil {
		return err
	}
	return x.do(ctx, order{Do: doPolicy})
}

// policyDecide approves or denies what waits: it shows it first.
func policyDecide(verb string) func(context.Context, proc) error {
	return func(ctx context.Context, p proc) error {
		x := newPerson(p, "policy "+verb, "ID [-reason TEXT] [-yes]")
		reason := x.flags.String("reason", "", "why; a denial needs it")
		yes := x.flags.Bool("yes", false, "do not ask again after showing the change")
		words, err := x.parse(1, 1)
		if err != nil {
			return err
		}
		seen, err := send(ctx, x.cfg, order{Do: doPolicy, ID: words[0]})
		if err != nil {
			return err
		}
		if !seen.OK {
			return x.print(seen)
		}
		if !*yes {
			x.printText(seen)
			if !x.agrees(verb) {
				return errors.New("nothing was decided")
			}
		}
		do := doPolicyApprove
		if verb == "deny" {
			do = doPolicyDeny
		}
		return x.do(ctx, order{Do: do, ID: seen.ID, Reason: *reason})
	}
}

// policyShow prints a document of the ledger as its bytes are: a policy that decided something, its source, a runbook.
func policyShow(ctx context.Context, p proc) error {
	flags := p.flags("policy show", "HASH [-data DIR] [-bundle FILE]")
	data := flags.String("data", "", "data folder; default: COUNTERSIGN_DATA")
	bundle := flags.String("bundle", "", "read an exported bundle instead")
	words, err := p.parseMixed(flags, 1, 1)
	if err != nil {
		return err
	}
	e, err := openEvidence(ctx, p, *data, *bundle)
	if err != nil {
		return err
	}
	defer e.close()
	hash := words[0]
	if !strings.HasPrefix(hash, "sha256:") {
		hash = "sha256:" + hash
	}
	text, err := e.src.Document(ctx, hash)
	if errors.Is(err, ledger.ErrNoDocument) || errors.Is(err, store.ErrNotFound) {
		return hint(fmt.Errorf("the ledger holds no document %s", printable(words[0])), "countersign ledger show names the policy of every decision; give the whole hash")
	}
	if err != nil {
		return broken(err)
	}
	if string(workflows.HashDocument(text)) != hash {
		return brokenError{fmt.Errorf("document %s: its bytes have another hash", hash)}
	}
	_, err = p.out.Write(text)
	return err
}

// cliPolicy answers for the people's socket.
func (s *serving) cliPolicy(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	if o.Do == doPolicy {
		return s.pending(ctx, by, o.ID)
	}
	verdict := workflows.Approve
	if o.Do == doPolicyDeny {
		verdict = workflows.Deny
	}
	res, err := s.desk.VotePolicy(ctx, desk.PolicyBallot{
		Cause: cause, By: by, Proposal: o.ID, Verdict: verdict, Reason: strings.TrimSpace(o.Reason), Authn: unixPeer, Channel: viaCLI,
	})
	if err != nil {
		return reply{}, err
	}
	if res.Refusal != nil {
		return refusedReply(res.Refusal), nil
	}
	all, err := s.desk.Proposals(ctx)
	if err != nil || len(all) == 0 {
		return reply{}, err
	}
	return s.proposalReply(ctx, all[0]), nil
}

// pending shows the last proposal to those who have to do with it.
func (s *serving) pending(ctx context.Context, by workflows.Acting, id string) (reply, error) {
	all, err := s.desk.Proposals(ctx)
	if err != nil {
		return reply{}, err
	}
	for _, p := range all {
		open := id == "" && p.Open()
		named := len(id) >= 4 && strings.HasSuffix(p.Proposal, id)
		if (open || named) && s.desk.SeesProposal(ctx, by.Person, p) {
			return s.proposalReply(ctx, p), nil
		}
	}
	if id != "" {
		return refusedReply(workflows.Refuse(workflows.CodeUnknown, "There is no such change of the documents, or it is not yours to see.", "")), nil
	}
	return reply{OK: true, Text: "No change of the documents waits for you to see."}, nil
}

func (s *serving) proposalReply(ctx context.Context, p desk.Proposal) reply {
	out := reply{OK: true, ID: p.Proposal, Status: "waiting"}
	if !p.Open() {
		out.Status = p.Outcome
	}
	out.Lines = proposalLines(p, func(x workflows.PersonID) string { return s.desk.Name(ctx, x) })
	return out
}

// proposalLines are a held change as people read it: by whom, what, and who has to agree.
func proposalLines(p desk.Proposal, name func(workflows.PersonID) string) []string {
	who := "Somebody whom the folder does not name"
	if p.Author != "" {
		who = p.Author
	}
	commit := ""
	if p.Commit != "" {
		commit = " (commit " + p.Commit[:min(12, len(p.Commit))] + ")"
	}
	out := []string{who + commit + " changed the documents. What this loosens is not in force:"}
	for _, c := range p.Changes {
		sign := "  - "
		if c.Loosens {
			sign = "  + "
		}
		out = append(out, sign+c.Unit+": "+named(c.Text, name))
	}
	var ask, agreed []string
	for _, x := range p.Ask {
		ask = append(ask, name(x))
	}
	for _, x := range p.Approvals() {
		agreed = append(agreed, name(x))
	}
	switch {
	case !p.Open():
	case len(ask) == 0:
		out = append(out, "Nobody can approve it: roles.yaml names no owner but the author. Take the change back, or let somebody else make it.")
	default:
		out = append(out, fmt.Sprintf("It needs %d of: %s. Agreed: %s.", p.Quorum, strings.Join(ask, ", "), list(agreed, "nobody yet")))
	}
	return out
}

var pseudonym = regexp.MustCompile(`p_[0-9a-f]{32}`)

// named puts names where a text of the ledger has pseudonyms.
func named(text string, name func(workflows.PersonID) string) string {
	return pseudonym.ReplaceAllStringFunc(text, func(p string) string { return name(workflows.PersonID(p)) })
}

// held says in one line what of the folder waits, for the operator who reloads it; empty when all of it is in force.
func (s *serving) held(ctx context.Context) (string, error) {
	all, err := s.desk.Proposals(ctx)
	if err != nil || len(all) == 0 || !s.desk.Holds() {
		return "", err
	}
	p := all[0]
	if !p.Open() {
		return fmt.Sprintf("What it loosens is not in force: change %s was %s.", p.Proposal, p.Outcome), nil
	}
	var ask []string
	for _, x := range p.Ask {
		ask = append(ask, s.desk.Name(ctx, x))
	}
	return fmt.Sprintf("What it loosens is not in force: change %s waits for %d of %s.", p.Proposal, p.Quorum, list(ask, "nobody who could approve it")), nil
}
