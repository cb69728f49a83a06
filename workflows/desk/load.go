package desk

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// Load puts the documents of a folder in force, as far as they loosen nothing, and records it when they differ from the last ones recorded:
// the documents go into the ledger with the entry that names them. What loosens something waits until people under the policy before have
// approved it (VotePolicy); until then that part of the policy before goes on governing. On an empty ledger everything is in force at once.
// Open requests whose ground is gone are ended as superseded.
func (d *Desk) Load(ctx context.Context, p *Policy) error {
	governs, err := d.load(ctx, p)
	if err != nil {
		return fmt.Errorf("recording the policy: %w", err)
	}
	return d.follow(ctx, governs)
}

// follow does what a policy that has come into force brings with it.
func (d *Desk) follow(ctx context.Context, governs *Policy) error {
	if err := d.register(ctx, governs); err != nil {
		return fmt.Errorf("recording the inventory: %w", err)
	}
	return d.sweep(ctx, governs)
}

// waiting is the folder as it will govern once a proposal is approved.
type waiting struct {
	proposal string
	policy   *Policy
}

// load records a policy and puts it in force in one step, as far as decisions under a policy can see: none of them is recorded in
// between, under a version that the ledger says has been replaced.
func (d *Desk) load(ctx context.Context, folder *Policy) (*Policy, error) {
	d.loading.Lock()
	defer d.loading.Unlock()
	h, err := d.ledger.History(ctx, workflows.PolicyStream)
	if err != nil {
		return nil, err
	}
	s, err := foldPolicy(h)
	if err != nil {
		return nil, err
	}
	p := *folder
	if err := p.describe(); err != nil {
		return nil, err
	}
	before := &p
	if len(s.loads) > 0 {
		if before, err = d.recall(ctx, s.last, &p); err != nil {
			return nil, err
		}
	}
	w, err := d.weigh(ctx, before, &p)
	if err != nil {
		return nil, err
	}
	_, err = d.update(ctx, "", []workflows.StreamID{workflows.PolicyStream}, func(f workflows.Facts) (workflows.Outcome, error) {
		s, err := foldPolicy(f.Histories[workflows.PolicyStream])
		if err != nil {
			return workflows.Outcome{}, err
		}
		return w.record(&s), nil
	})
	if err != nil {
		return nil, err
	}
	d.waiting = nil
	if len(w.units) > 0 {
		d.waiting = &waiting{w.proposed.Proposal, &p}
	}
	d.governs(w.policy)
	return w.policy, nil
}

// governs puts a policy in force. The caller holds the lock.
func (d *Desk) governs(p *Policy) {
	p.Inventory = d.overlay(p)
	d.policy.Store(p)
	if d.onPolicy != nil {
		d.onPolicy(p)
	}
}

// weighed is a folder held against the policy before.
type weighed struct {
	policy   *Policy  // as it governs from now on
	units    []string // what is held back
	now      []workflows.PolicyChange
	told     []workflows.PersonID
	proposed workflows.PolicyProposed
	folder   *Policy
}

func (d *Desk) weigh(ctx context.Context, before, folder *Policy) (*weighed, error) {
	w := &weighed{folder: folder}
	var later []workflows.PolicyChange
	for _, c := range compare(before, folder) {
		if c.loosens() {
			w.units = append(w.units, c.unit)
			later = append(later, c.changes...)
			continue
		}
		w.now = append(w.now, c.changes...)
	}
	var err error
	if w.policy, err = hold(before, folder, w.units); err != nil {
		return nil, err
	}
	by := author(before, folder)
	if len(w.now) > 0 {
		var units []string
		for _, c := range w.now {
			units = append(units, c.Unit)
		}
		w.told = d.approvers(ctx, before, units, by)
	}
	w.proposed = workflows.PolicyProposed{
		Proposal: d.ids.New("c_"), Units: w.hashes(folder), Changes: few(later), Author: folder.Author.Name, By: by, Commit: folder.Author.Commit,
		Ask: d.approvers(ctx, before, w.units, by), Quorum: d.quorum(ctx, before),
	}
	return w, nil
}

// maxChanges bounds what an entry says in words: a folder can change in more places than anybody reads.
const maxChanges = 200

func few(changes []workflows.PolicyChange) []workflows.PolicyChange {
	if len(changes) <= maxChanges {
		return changes
	}
	more := len(changes) - maxChanges
	last := workflows.PolicyChange{Unit: changes[maxChanges].Unit, Text: fmt.Sprintf("and %d more", more), Loosens: workflows.Loosens(changes[maxChanges:])}
	return append(slices.Clone(changes[:maxChanges]), last)
}

// hashes are what people approve: the compiled form of each unit. Of more people than an entry should list it is one hash over all.
func (w *weighed) hashes(folder *Policy) map[string]workflows.DocHash {
	out := map[string]workflows.DocHash{}
	var rest []string
	for _, u := range w.units {
		if len(out) < maxChanges {
			out[u] = folder.hash(u)
			continue
		}
		rest = append(rest, u+" "+string(folder.hash(u)))
	}
	if len(rest) > 0 {
		out["others"] = workflows.HashDocument([]byte(strings.Join(rest, "\n")))
	}
	return out
}

// record is what the ledger does not know yet: documents that govern from now on, a proposal that is new, one that the folder has left behind.
func (w *weighed) record(s *policyState) workflows.Outcome {
	var out workflows.Outcome
	add := func(e workflows.Event) { out.Add(workflows.PolicyStream, workflows.System, "", e) }
	e := w.policy.Loaded
	if !maps.Equal(e.Workflows, s.last.Workflows) || !maps.Equal(e.Runbooks, s.last.Runbooks) || !maps.Equal(e.Sources, s.last.Sources) {
		e.Changed = changed(s.last.Sources, e.Sources)
		e.Author, e.Commit, e.Held = w.folder.Author.Name, w.folder.Author.Commit, w.units[:min(len(w.units), maxChanges)]
		if len(s.loads) > 0 {
			e.Changes, e.Told = few(w.now), w.told
		}
		out.Documents = w.policy.Documents
		add(e)
	}
	w.propose(s, &out)
	return out
}

func (w *weighed) propose(s *policyState, out *workflows.Outcome) {
	add := func(e workflows.Event) { out.Add(workflows.PolicyStream, workflows.System, "", e) }
	open := s.open()
	if n := len(s.proposals); n > 0 && len(w.units) > 0 && maps.Equal(s.proposals[n-1].Units, w.proposed.Units) {
		same := s.proposals[n-1]
		if same.Open() || same.Outcome == proposalDenied && same.Commit == w.proposed.Commit {
			w.proposed.Proposal = same.Proposal // asked already, or answered
			return
		}
	}
	if open != nil {
		add(workflows.PolicySettled{Proposal: open.Proposal, Outcome: proposalReplaced})
	}
	if len(w.units) > 0 {
		add(w.proposed)
		out.Documents = slices.Concat(out.Documents, w.folder.Documents)
	}
}

func changed(before, after map[string]workflows.DocHash) []string {
	out := []string{}
	for f, h := range after {
		if before[f] != h {
			out = append(out, f)
		}
	}
	for f := range before {
		if _, ok := after[f]; !ok {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return out
}

// register records each non-human identity whose entry is new or changed.
func (d *Desk) register(ctx context.Context, p *Policy) error {
	for _, id := range slices.Sorted(maps.Keys(p.Identities)) {
		i := p.Identities[id]
		e := identities.Registered{
			Class: i.Class, Name: i.Name, Owner: i.Owner, Backup: i.Backup, Purpose: i.Purpose,
			Environment: i.Environment, Expires: i.ExpiresOn,
		}
		stream := workflows.IdentityStream(id)
		_, err := d.update(ctx, "", []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
			var out workflows.Outcome
			h := f.Histories[stream]
			if len(h) == 0 || h[len(h)-1].Event != workflows.Event(e) {
				out.Add(stream, workflows.System, "", e)
			}
			return out, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sweep ends open requests that the new documents can no longer grant.
func (d *Desk) sweep(ctx context.Context, p *Policy) error {
	open, err := d.all(ctx, workflows.ListOpen, "")
	if err != nil {
		return fmt.Errorf("listing open requests: %w", err)
	}
	for _, stream := range open {
		_, err := d.update(ctx, "", []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
			var out workflows.Outcome
			s, err := workflows.Fold(f.Histories[stream])
			if err != nil || s.Final() {
				return out, err
			}
			if why := gone(p, s, f.Now.UTC); why != "" {
				out.Add(stream, workflows.System, s.Policy, workflows.Superseded{Code: workflows.CodeNoPolicy, Why: why})
			}
			return out, nil
		})
		if err != nil {
			return fmt.Errorf("judging %q again: %w", stream, err)
		}
	}
	return nil
}

// Link records that an account belongs to a person, once.
func (d *Desk) Link(ctx context.Context, p workflows.PersonID, e identities.Linked) error {
	stream := workflows.PersonStream(p)
	_, err := d.update(ctx, "", []workflows.StreamID{stream}, func(f workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		for _, l := range identities.LinksOf(f.Histories[stream], e.Account) {
			if l.How == e.How || !identities.IsProof(e.How) {
				return out, nil
			}
		}
		out.Add(stream, workflows.Acting{Actor: workflows.SystemActor, Person: p}, "", e)
		return out, nil
	})
	return err
}
