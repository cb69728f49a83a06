package desk

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/escalations"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// Drill is a runbook or a path of escalation that should have been practised by now.
type Drill struct {
	Runbook workflows.RunbookID // one of the two
	Path    string
	Due     workflows.Stamp // zero: it was never practised
	Unheard bool            // it was practised, and nobody who was alerted acknowledged it
	People  []workflows.PersonID
}

// Concerns tells whether somebody is on its lists.
func (d Drill) Concerns(p workflows.PersonID) bool { return slices.Contains(d.People, p) }

// OverdueDrills are the runbooks and paths that should have been practised by a moment. A runbook that nobody approved is not practised.
func (d *Desk) OverdueDrills(ctx context.Context, now workflows.Stamp) ([]Drill, error) {
	var out []Drill
	views, err := d.Runbooks(ctx, "", now)
	if err != nil {
		return nil, err
	}
	for _, v := range views {
		r := v.Book.Runbook
		due := v.State.DrillDue(r)
		if due == 0 || now <= due || len(v.State.Approvals) == 0 {
			continue
		}
		x := Drill{Runbook: r.ID, Due: due, People: append(d.listed(ctx, d.Policy(), r, asked{}), r.Owner)}
		for _, u := range v.State.Uses {
			x.Unheard = u.Drill && !u.Counts() || x.Unheard && !u.Counts()
		}
		out = append(out, x)
	}
	for _, p := range d.Policy().Escalations.Paths {
		due, never, err := d.PathDue(ctx, p)
		if err != nil {
			return nil, err
		}
		if never || due != 0 && now > due {
			out = append(out, Drill{Path: p.Name, Due: due, People: d.everAsked(ctx, p)})
		}
	}
	return out, nil
}

// Undrilled is since when the drill of what a run carries out is overdue; zero when it is not, and in a drill.
func (d *Desk) Undrilled(ctx context.Context, s runs.State, now workflows.Stamp) (workflows.Stamp, error) {
	book, ok := d.Policy().Runbooks[s.Opened.Runbook]
	if !ok || s.Opened.Mode != runs.KindIncident {
		return 0, nil
	}
	h, err := d.ledger.History(ctx, workflows.RunbookStream(s.Opened.Runbook))
	if err != nil {
		return 0, err
	}
	b, err := incidents.Fold(h)
	if due := b.DrillDue(book.Runbook); err == nil && due != 0 && now > due {
		return due, nil
	}
	return 0, err
}

// EscalationByWord finds an escalation by its id or the end of it, among those that are not over and that the person was asked about; security
// finds all. Empty finds the only one there is.
func (d *Desk) EscalationByWord(ctx context.Context, p workflows.PersonID, word string) (string, *workflows.Refusal, error) {
	if strings.HasPrefix(word, "e_") {
		switch _, err := d.Escalation(ctx, word); {
		case err == nil:
			return word, nil, nil // whether it is theirs is decided with everything else
		case !errors.Is(err, workflows.ErrNoStream):
			return "", nil, err
		}
	}
	if d.HasRole(ctx, RoleSecurity, p) {
		p = ""
	}
	list, err := d.Escalations(ctx, p, false, 0)
	if err != nil {
		return "", nil, err
	}
	list = slices.DeleteFunc(list, func(s escalations.State) bool { return !strings.HasSuffix(s.ID, word) })
	switch len(list) {
	case 0:
		return "", workflows.Refuse(workflows.CodeUnknown, "There is no such open escalation, or you were not asked about it.", "`countersign escalations list` shows those that are."), nil
	case 1:
		return list[0].ID, nil, nil
	}
	return "", workflows.Refusef(workflows.CodeUnknown, "Give more of its id.", "%d open escalations fit.", len(list)), nil
}
