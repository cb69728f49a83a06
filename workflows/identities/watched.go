package identities

import (
	"fmt"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
)

// Watched says that a rule of watching found something: what is asked by or for this person or identity needs a stronger chain until then.
type Watched struct {
	Rule   string          `json:"rule"`
	Signal string          `json:"signal"`
	Entry  string          `json:"entry"` // id of the entry that completed the finding
	Until  workflows.Stamp `json:"until"`
}

// Kind name for the ledger.
func (Watched) Kind() string { return "identity.watched" }

// Watches are the last finding of each rule that wants a stronger chain, in the order in which the rules first found something.
type Watches []Watched

// applies folds a finding; false for what is none.
func (w *Watches) applies(r workflows.Record) (bool, error) {
	e, ok := r.Event.(Watched)
	switch {
	case !ok:
		return false, nil
	case e.Rule == "" || e.Until <= r.At.UTC:
		return true, fmt.Errorf("%s without a rule, or that is over before it begins", e.Kind())
	}
	i := slices.IndexFunc(*w, func(x Watched) bool { return x.Rule == e.Rule })
	if i < 0 {
		*w = append(slices.Clip(*w), e)
		return true, nil
	}
	*w = slices.Clone(*w)
	(*w)[i] = e
	return true, nil
}

// At are the rules that want a stronger chain at a moment.
func (w Watches) At(now workflows.Stamp) []string {
	var out []string
	for _, x := range w {
		if now < x.Until {
			out = append(out, x.Rule)
		}
	}
	return out
}

// FoldWatches reads what watching wants of an identity from the history of its stream, a person's or a non-human one's.
func FoldWatches(h []workflows.Record) (Watches, error) {
	if len(h) > 0 && h[0].Stream.Kind() == workflows.KindPerson {
		s, err := FoldPerson(h)
		return s.Watches, err
	}
	s, err := FoldIdentity(h)
	return s.Watches, err
}

// Watch records a finding on the stream of whom it is about. The same one is recorded once; one whose time is over already is not.
func Watch(f workflows.Facts, id workflows.IdentityID, e Watched) (workflows.Outcome, error) {
	var out workflows.Outcome
	w, err := FoldWatches(f.Histories[StreamOf(id)])
	if err != nil || e.Until <= f.Now.UTC || slices.Contains(w, e) {
		return out, err
	}
	out.Add(StreamOf(id), workflows.System, "", e)
	return out, nil
}
