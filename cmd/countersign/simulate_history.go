package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/spec"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// What would have become of the requests of the last weeks if a folder had been in force? Each is asked again, at its own time, with what the
// ledger says of that time: who was away, what was held, how often somebody had asked.

// hindsight is one request as it was, and as it would have been.
type hindsight struct {
	Request workflows.RequestID `json:"request"`
	At      workflows.Stamp     `json:"at"`
	By      string              `json:"by"`
	What    string              `json:"what"`
	Was     string              `json:"was"`
	Would   []string            `json:"would,omitempty"` // what would have been different, in words; empty: nothing
}

func (p proc) simulateHistory(ctx context.Context, span, data, against string, asJSON bool) error {
	d, ok := storytest.Duration(span)
	if !ok || d <= 0 {
		return usageError{fmt.Sprintf("-history %q: want so many days or hours, such as 90d", span)}
	}
	dir, err := p.folderNamed([]string{against})
	if err != nil {
		return err
	}
	e, err := openEvidence(ctx, p, data, "")
	if err != nil {
		return err
	}
	defer e.close()
	policies, err := readPoliciesFor(dir, e, p.copies(""))
	if err != nil {
		return err
	}
	list, err := lookBack(ctx, e, policies, d)
	if err != nil {
		return err
	}
	return p.reportHindsight(list, asJSON)
}

// readPoliciesFor compiles a folder with the pseudonyms that a ledger has for its people.
func readPoliciesFor(dir string, e *evidence, copies feedStore) (spec.Policies, error) {
	folder, err := readFolderFed(dir, copies)
	if err != nil {
		return spec.Policies{}, err
	}
	refs := map[string]workflows.PersonID{}
	for _, x := range e.people {
		refs[x.Key] = x.Ref
	}
	return folder.Compile(func(key string) workflows.PersonID {
		if ref, ok := refs["people:"+key]; ok {
			return ref
		}
		return workflows.PersonID("p_new_" + key)
	})
}

// lookBack goes through the ledger in its order and asks each request of the time again.
func lookBack(ctx context.Context, e *evidence, p spec.Policies, span time.Duration) ([]hindsight, error) {
	all, err := e.all(ctx)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	first, last := all[0].At.UTC, all[len(all)-1].At.UTC
	r, err := rehearse(ctx, p, first)
	if err != nil {
		return nil, err
	}
	r.ledger.forget()
	byStream := map[workflows.StreamID][]workflows.Record{}
	for _, x := range all {
		byStream[x.Stream] = append(byStream[x.Stream], x)
	}
	var out []hindsight
	for _, x := range all {
		r.ledger.now = x.At
		asked, ok := x.Event.(workflows.Submitted)
		if ok && x.At.UTC >= last.Add(-span) {
			was, err := workflows.Fold(byStream[x.Stream])
			if err != nil {
				return nil, err
			}
			h, err := r.again(ctx, was, asked)
			if err != nil {
				return nil, fmt.Errorf("asking for %s again: %w", x.Stream, err)
			}
			out = append(out, h)
		}
		if err := r.remember(x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// all reads the whole ledger, texts included as far as they are open.
func (e *evidence) all(ctx context.Context) ([]workflows.Record, error) {
	size, err := e.size(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]workflows.Record, 0, size)
	err = e.rows(ctx, 0, size, func(x *row) error {
		out = append(out, x.Record)
		return nil
	})
	return out, err
}

// remember takes over an entry about people, identities and grants: what a later ask depends on beside the documents.
func (r *rehearsal) remember(x workflows.Record) error {
	switch x.Stream.Kind() {
	case workflows.KindPerson, workflows.KindIdentity, workflows.KindGrant:
		return r.ledger.keep(x)
	}
	return nil
}

// again asks for the same under the folder in force in the rehearsal.
func (r *rehearsal) again(ctx context.Context, was workflows.State, a workflows.Submitted) (hindsight, error) {
	values := map[string]string{}
	maps.Copy(values, a.Fields)
	maps.Copy(values, a.Texts)
	s := desk.Submission{
		By: was.Requester, Workflow: a.Workflow, Runbook: a.Runbook, Channel: a.Channel, Authn: a.Authn, NotBefore: a.NotBefore, Extends: a.Extends,
		Form: workflows.Form{Target: a.Target, Entitlement: a.Entitlement, Seconds: a.Seconds, Reason: a.Reason, Values: values},
	}
	if a.Request != workflows.KindPreapprove {
		s.Subject = a.Subject
	}
	if s.Form.Reason == "" { // erased, or not open here
		s.Form.Reason = quietReason
	}
	if w, ok := r.policy.Workflows[a.Workflow]; ok {
		for _, f := range w.Workflow.Fields {
			if f.Type == workflows.FieldText && values[f.Name] == "" && !f.Optional {
				values[f.Name] = quietReason
			}
		}
	}
	out := hindsight{Request: was.ID, At: was.At.UTC, By: r.nameOf(was.Requester.Person), What: whatOf(a), Was: r.wasWords(was)}
	got, err := r.desk.Preview(ctx, s)
	if err != nil {
		return out, err
	}
	out.Would = r.differs(was, got)
	return out, nil
}

func (r *rehearsal) nameOf(p workflows.PersonID) string {
	if x, ok := r.policy.People[p]; ok {
		return x.Name
	}
	return string(p)
}

func whatOf(a workflows.Submitted) string {
	what := string(a.Target) + "/" + string(a.Entitlement)
	if a.Request.OfRunbook() {
		what = "runbook " + string(a.Runbook)
	}
	return what + " for " + a.Seconds.String()
}

func (r *rehearsal) wasWords(s workflows.State) string {
	switch {
	case s.Auto != nil:
		return "approved by rule " + s.Auto.Rule + ", without people"
	case s.Status == workflows.StatusApproved || s.Status == workflows.StatusFailed:
		return "approved by " + listWords(r.names(s.Voters()))
	}
	return s.Status.Words()
}

func (r *rehearsal) names(people []workflows.PersonID) []string {
	var out []string
	for _, p := range people {
		out = append(out, r.nameOf(p))
	}
	return out
}

func listWords(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// differs says in words what would have gone otherwise.
func (r *rehearsal) differs(was workflows.State, got desk.Preview) []string {
	var out []string
	switch {
	case got.Refusal != nil:
		return []string{"it would be refused: " + got.Refusal.Error()}
	case got.Auto && was.Auto == nil:
		return []string{fmt.Sprintf("it would be approved at once by rule %s, without asking %s", got.Rule, plannedWords(was.Asked.Plan))}
	case got.Auto:
		return nil
	case was.Auto != nil:
		return []string{"it would not be approved by the document itself any more: it would go through " + previewWords(got.Plan)}
	}
	if a, b := plannedWords(was.Asked.Plan), previewWords(got.Plan); a != b {
		out = append(out, "it would go through "+b+" instead of "+a)
	}
	if was.Asked.Risk != got.Tier {
		out = append(out, fmt.Sprintf("its risk would be %s instead of %s", orWord(got.Tier), orWord(was.Asked.Risk)))
	}
	if was.Status == workflows.StatusApproved {
		if lacks := r.lacking(was, got); lacks != "" {
			out = append(out, lacks)
		}
	}
	return out
}

func orWord(s string) string {
	if s == "" {
		return "not rated"
	}
	return s
}

func plannedWords(plan []workflows.PlannedStage) string {
	var out []string
	for _, s := range plan {
		out = append(out, fmt.Sprintf("%s (%d)", s.Name, s.Quorum))
	}
	return strings.Join(out, " > ")
}

func previewWords(plan []desk.PreviewStage) string {
	var out []string
	for _, s := range plan {
		out = append(out, fmt.Sprintf("%s (%d)", s.Name, s.Quorum))
	}
	return strings.Join(out, " > ")
}

// lacking tells where those who approved would not have been enough. Each counts in the first stage that asks them.
func (r *rehearsal) lacking(was workflows.State, got desk.Preview) string {
	left := was.Voters()
	for _, st := range got.Plan {
		n := 0
		for _, tier := range append([][]workflows.Seat{st.Seats}, st.Tiers...) {
			for _, seat := range tier {
				if i := slices.Index(left, seat.Person); i >= 0 && n < st.Quorum {
					n++
					left = slices.Delete(slices.Clone(left), i, i+1)
				}
			}
		}
		if n < st.Quorum {
			return fmt.Sprintf("those who approved (%s) would not be enough: stage %s would lack %d", listWords(r.names(was.Voters())), st.Name, st.Quorum-n)
		}
	}
	return ""
}

func (p proc) reportHindsight(list []hindsight, asJSON bool) error {
	different := 0
	for _, h := range list {
		if len(h.Would) > 0 {
			different++
		}
	}
	if asJSON {
		enc := json.NewEncoder(p.out)
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{"requests": list, "different": different})
	}
	for _, h := range list {
		if len(h.Would) == 0 {
			continue
		}
		fmt.Fprintf(p.out, "%s  %s  %s asked for %s; %s.\n", h.Request, h.At.Time().Format("2006-01-02 15:04 UTC"), printable(h.By), printable(h.What), printable(h.Was))
		for _, w := range h.Would {
			fmt.Fprintf(p.out, "  Now %s.\n", strings.TrimSuffix(printable(w), "."))
		}
	}
	switch {
	case len(list) == 0:
		fmt.Fprintln(p.out, "Nobody asked for anything in that time.")
	case different == 0:
		fmt.Fprintf(p.out, "%s would go as %s went.\n", all(len(list)), pronoun(len(list)))
	default:
		fmt.Fprintf(p.out, "\n%d of %s would go differently. Refused attempts keep no form, so they are not among them.\n", different, requests(len(list)))
	}
	return nil
}

func requests(n int) string {
	if n == 1 {
		return "1 request"
	}
	return fmt.Sprintf("%d requests", n)
}

func all(n int) string {
	if n == 1 {
		return "The only request"
	}
	return fmt.Sprintf("All %d requests", n)
}

func pronoun(n int) string {
	if n == 1 {
		return "it"
	}
	return "they"
}
