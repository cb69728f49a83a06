package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// What follows an invocation on the pages for emergencies: the second person who has to agree, the checklist, and the incident that it is for.

// secondRow is a use that waits for a second person.
type secondRow struct {
	ID, Who, Title, Incident, Reason, What, Until, Nonce string
	Needed                                               []string
}

// seconds are the uses that wait now for this person to agree.
func (s *Server) seconds(ctx context.Context, books []desk.BookView, who workflows.PersonID) (out []secondRow) {
	now := s.c.Product()
	for _, b := range books {
		for _, p := range b.State.Proposals {
			if p.Used || now.After(p.Until) || !slices.Contains(p.Asked, who) {
				continue
			}
			out = append(out, secondRow{
				ID: p.Proposed.Proposal, Who: s.c.Desk.Name(ctx, p.By), Title: b.Book.Runbook.Title, Incident: p.Incident, Reason: p.Reason,
				What: gives(b.Book), Until: clock(p.Until), Needed: p.Needed, Nonce: random(16),
			})
		}
	}
	return out
}

// gives is the access that a runbook gives by itself; empty: its steps alone do something.
func gives(b desk.Book) string {
	g := b.Runbook.Grant
	if g.Target == "" {
		return ""
	}
	return g.TargetTitle + " – " + g.Title
}

// recordedData is something that was recorded, and what happens next.
type recordedData struct {
	Big   string
	Lines []string
	Host  string // the command that does the same on the bot's host
	Run   string
}

// agree lets somebody else's use happen.
func (s *Server) agree(w http.ResponseWriter, r *http.Request) {
	x, ok := s.person(w, r)
	if !ok {
		return
	}
	res, err := s.c.Desk.Agree(r.Context(), desk.Agreement{
		Cause: causeOf(x, r), By: x.proof.by, Proposal: r.PostFormValue("proposal"), Authn: x.proof.authn, Channel: viaWeb,
	})
	switch {
	case err != nil:
		s.failed(w, "agree", err)
	case res.Refusal != nil:
		s.refused(w, res.Refusal)
	default:
		s.show(w, http.StatusOK, "recorded", page{Title: "You agreed", Token: x.token, Data: recordedData{
			Big:   "Recorded. You are named beside whoever asked.",
			Lines: []string{"The access is being made now, and ends by itself at " + clock(res.EndsAt) + ".", "Review " + string(res.Review) + " is open."}, Run: string(res.Run),
		}})
	}
}

// invoked says what became of an invocation: somebody has to agree first, or here is the access, or the checklist.
func (s *Server) invoked(w http.ResponseWriter, r *http.Request, x session, d bookData, res desk.Invoked) {
	switch {
	case res.Proposal != "":
		s.show(w, http.StatusOK, "recorded", page{Title: d.Title, Token: x.token, Data: recordedData{
			Big: "Recorded, and not done yet: a second listed person has to agree, until " + clock(res.EndsAt) + ".",
			Lines: append(slices.Clone(res.Needed), "All who can were asked; while the chat is down, call one. They open this page with a code of their own, and agree under \"Waiting for your decision\".",
				"Then what you asked for stands under \"Access you have\" and \"Checklists\"."),
			Host: "countersign runbook agree " + res.Proposal,
		}})
	case d.What != "" && d.Executor == "":
		http.Redirect(w, r, "/emergency/grant/"+string(res.Grant), http.StatusSeeOther)
	default:
		http.Redirect(w, r, "/emergency/run/"+string(res.Run), http.StatusSeeOther)
	}
}

// runRow is a checklist on the first page.
type runRow struct{ ID, Title, Where, Next string }

func (s *Server) runRows(ctx context.Context, who workflows.PersonID) ([]runRow, error) {
	list, err := s.c.Desk.OpenRuns(ctx, who, maxShown)
	if err != nil {
		return nil, err
	}
	var out []runRow
	for _, x := range list {
		row := runRow{ID: string(x.ID), Title: s.titleOf(x.Opened.Runbook), Where: x.Opened.Incident, Next: "all steps are over"}
		if next := x.Next(); next != nil {
			row.Next = "step " + strconv.Itoa(next.Number) + " of " + strconv.Itoa(len(x.Steps)) + " is next: " + next.Title
		}
		out = append(out, row)
	}
	return out, nil
}

func (s *Server) titleOf(id workflows.RunbookID) string {
	if b, ok := s.c.Desk.Policy().Runbooks[id]; ok {
		return b.Runbook.Title
	}
	return string(id)
}

// stepRow is one line of a checklist.
type stepRow struct {
	Number                        int
	Title, Text, Status, By, Note string
	Next, Hand, Evidence          bool
	Does                          string
}

type runData struct {
	ID, Where, Who, Ends, Closed, Drill, Nonce string
	Steps                                      []stepRow
	Running, Finish, Back, Undoing             bool
}

// run shows a checklist. While a connector is at work it is loaded again by itself.
func (s *Server) run(w http.ResponseWriter, r *http.Request) {
	if x, ok := s.person(w, r); ok {
		s.showRun(w, r, x)
	}
}

func (s *Server) showRun(w http.ResponseWriter, r *http.Request, x session) {
	ctx := r.Context()
	st, err := s.c.Desk.Run(ctx, workflows.RunID(r.PathValue("id")))
	switch {
	case err != nil && !errors.Is(err, workflows.ErrNoStream):
		s.failed(w, "run", err)
		return
	case err != nil, !s.c.Desk.MayRun(ctx, s.c.Desk.Policy(), st, x.proof.by.Person):
		s.sorry(w, http.StatusNotFound, "There is no such checklist, or it is not yours.", "")
		return
	}
	d := runData{
		ID: string(st.ID), Where: st.Opened.Incident, Who: s.c.Desk.Name(ctx, st.Executor), Ends: clock(st.EndsAt), Nonce: random(16), Undoing: len(st.Undoing) > 0,
	}
	if st.Closed != nil {
		d.Closed = strings.ReplaceAll(st.Closed.How, "_", " ")
	}
	if late, err := s.c.Desk.Undrilled(ctx, st, s.c.Product()); err == nil && late != 0 {
		d.Drill = clock(late)
	}
	texts, err := s.c.Desk.RunSteps(ctx, st)
	if err != nil {
		s.c.Log.Warn("the text of a run cannot be read", "run", st.ID, "err", err)
	}
	next := st.Next()
	for i, step := range st.Steps {
		row := stepRow{Number: step.Number, Title: step.Title, Status: string(step.Status), Hand: step.ByHand(), Evidence: step.Evidence, Note: step.Note}
		if i < len(texts) {
			row.Text = texts[i].Text
		}
		if !row.Hand {
			row.Does = step.Action + " " + step.Does.Name()
		}
		if step.By != "" {
			row.By = s.c.Desk.Name(ctx, step.By)
		}
		if step.Said != "" {
			row.Note = strings.TrimSpace(row.Note + " " + step.Said)
		}
		running := row.Status == stepRunning
		row.Next = next != nil && next.Number == step.Number && d.Closed == "" && !d.Undoing && !running
		d.Running = d.Running || running
		d.Back = d.Back || step.Rollback && row.Status == stepDone
		d.Steps = append(d.Steps, row)
	}
	d.Finish, d.Back = next == nil && d.Closed == "" && !d.Undoing, d.Back && d.Closed == "" && !d.Undoing && !d.Running
	if d.Running || d.Undoing {
		w.Header().Set("Refresh", "3")
	}
	s.show(w, http.StatusOK, "run", page{Title: s.titleOf(st.Opened.Runbook), Token: x.token, Data: d})
}

// The states of a step that the page tells apart.
const (
	stepRunning = "running"
	stepDone    = "done"
)

// act does something in a run.
func (s *Server) act(w http.ResponseWriter, r *http.Request) {
	x, ok := s.person(w, r)
	if !ok {
		return
	}
	do := r.PostFormValue("do")
	if !slices.Contains([]string{desk.DoBegin, desk.DoFinish, desk.DoSkip, desk.DoRollBack, desk.DoClose}, do) {
		s.sorry(w, http.StatusBadRequest, "Nothing in a checklist is called that.", "Nothing was done.")
		return
	}
	step, err := strconv.Atoi(r.PostFormValue("step"))
	if err != nil {
		step = 0
	}
	res, err := s.c.Desk.DoInRun(r.Context(), desk.InRun{
		Cause: causeOf(x, r), By: x.proof.by, Run: workflows.RunID(r.PathValue("id")), Do: do, Step: step, Note: strings.TrimSpace(r.PostFormValue("note")),
		Authn: x.proof.authn, Channel: viaWeb,
	})
	switch {
	case err != nil:
		s.failed(w, "run", err)
	case res.Refusal != nil:
		s.refused(w, res.Refusal)
	default:
		http.Redirect(w, r, r.URL.Path, http.StatusSeeOther)
	}
}

// incidentRow is an open incident on the first page.
type incidentRow struct{ ID, Title, Commander string }

func (s *Server) incidentRows(ctx context.Context) ([]incidentRow, error) {
	list, err := s.c.Desk.Incidents(ctx, false, maxShown)
	if err != nil {
		return nil, err
	}
	var out []incidentRow
	for _, i := range list {
		row := incidentRow{ID: i.ID, Title: "SEV-" + strconv.Itoa(i.Severity) + " " + i.Opened.Title, Commander: "nobody"}
		if i.Commander != "" {
			row.Commander = s.c.Desk.Name(ctx, i.Commander)
		}
		out = append(out, row)
	}
	return out, nil
}

// openIncident opens an incident, so that a runbook that wants one can be invoked from here, too.
func (s *Server) openIncident(w http.ResponseWriter, r *http.Request) {
	x, ok := s.person(w, r)
	if !ok {
		return
	}
	severity, err := strconv.Atoi(r.PostFormValue("severity"))
	if err != nil {
		severity = 0
	}
	id, res, err := s.c.Desk.DoInIncident(r.Context(), desk.InIncident{
		Cause: causeOf(x, r), By: x.proof.by, Act: desk.ActOpenIncident, Text: strings.TrimSpace(r.PostFormValue("title")), Severity: severity,
		Authn: x.proof.authn, Channel: viaWeb,
	})
	switch {
	case err != nil:
		s.failed(w, "incident", err)
	case res.Refusal != nil:
		s.refused(w, res.Refusal)
	default:
		s.show(w, http.StatusOK, "recorded", page{Title: id + " is open", Token: x.token, Data: recordedData{
			Big: "You command " + id + ".", Lines: []string{"Name it when you invoke a runbook. Whoever follows hears of it when the chat is back."}, Host: "countersign incident list",
		}})
	}
}
