package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// Runbooks through the people's socket: what /breakglass does, without Slack.

// Orders of the people's socket about runbooks.
const (
	doBookList   = "runbook-list"
	doBookShow   = "runbook-show"
	doBookStatus = "runbook-status"
	doBookDryRun = "runbook-dry-run"
	doBookInvoke = "runbook-invoke"
	doBookDrill  = "runbook-drill"
	doBookAgree  = "runbook-agree"
	doBookStep   = "runbook-step" // and everything else that is done in a run
	doBookReview = "runbook-review"
	doBookTask   = "runbook-task"
	doBookReport = "runbook-report"
	doBookStart  = "runbook-start"
	doBookWatch  = "runbook-watch"
)

// glassOrder is what an order about a runbook says beside the fields that all orders have.
type glassOrder struct {
	Incident string              `json:"incident,omitempty"`
	Tier     string              `json:"tier,omitempty"`     // "break_glass", "chain"; empty: every condition must hold
	Executor string              `json:"executor,omitempty"` // key
	Act      string              `json:"act,omitempty"`      // desk.DoBegin …
	Step     int                 `json:"step,omitempty"`
	Task     string              `json:"task,omitempty"`
	Verdict  string              `json:"verdict,omitempty"`
	Evidence *runs.EvidenceAdded `json:"evidence,omitempty"`
}

func (s *serving) cliBook(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	if o.Glass == nil {
		o.Glass = &glassOrder{}
	}
	switch o.Do {
	case doBookList:
		return s.bookList(ctx, by)
	case doBookShow:
		return s.bookShow(o)
	case doBookStatus:
		return s.bookStatus(ctx, by, o)
	case doBookDryRun, doBookInvoke, doBookDrill:
		return s.bookInvoke(ctx, by, cause, o)
	case doBookAgree:
		res, err := s.desk.Agree(ctx, desk.Agreement{Cause: cause, By: by, Proposal: o.ID, Authn: unixPeer, Channel: viaCLI})
		return s.invokedReply(ctx, by, res, err)
	case doBookStart:
		return s.bookStart(ctx, by, cause, o)
	case doBookStep:
		return s.bookStep(ctx, by, cause, o)
	case doBookReview:
		return s.bookReview(ctx, by, cause, o)
	case doBookTask:
		res, err := s.desk.DoTask(ctx, desk.ReviewTask{Cause: cause, By: by, Review: workflows.ReviewID(o.ID), Task: o.Glass.Task, Note: o.Reason, Authn: unixPeer, Channel: viaCLI})
		return plainReply(res, err, o.ID, "Recorded: the task is done.")
	case doBookReport:
		return s.bookReport(ctx, by, o)
	}
	return s.bookWatch(ctx, by)
}

func plainReply(a desk.Answer, err error, id, text string) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	if a.Refusal != nil {
		return refusedReply(a.Refusal), nil
	}
	return reply{OK: true, ID: id, Text: text}, nil
}

// withData adds what a script reads to an answer.
func withData(r reply, v any) (reply, error) {
	raw, err := json.Marshal(v)
	r.Data = raw
	return r, err
}

// bookLine is a runbook as a script reads it.
type bookLine struct {
	ID       string   `json:"id"`
	Title    string   `json:"title"`
	Kind     string   `json:"kind"`
	Document string   `json:"document"`
	Ready    bool     `json:"ready"`
	Why      []string `json:"why,omitempty"` // it is not
	Left     int      `json:"uses_left"`
	Until    string   `json:"approved_until,omitempty"`
	Review   string   `json:"review_due,omitempty"`
	Drill    string   `json:"drill_due,omitempty"`
	Drilled  string   `json:"last_drill,omitempty"`
	Used     string   `json:"last_use,omitempty"`
	May      bool     `json:"you_may_invoke"`
}

func day(s workflows.Stamp) string {
	if s == 0 {
		return ""
	}
	return s.Time().Format("2006-01-02 15:04 UTC")
}

func (s *serving) bookList(ctx context.Context, by workflows.Acting) (reply, error) {
	now := workflows.StampOf(s.clock.Now().Wall)
	views, err := s.desk.Runbooks(ctx, by.Person, now)
	if err != nil {
		return reply{}, err
	}
	out := reply{OK: true}
	list := []bookLine{}
	for _, v := range views {
		r := v.Book.Runbook
		a := v.State.Assess(incidents.Invocation{By: by, Book: r, Drill: true, Standing: workflows.Standing{Selected: v.May}}, now)
		l := bookLine{
			ID: string(r.ID), Title: r.Title, Kind: "incident", Document: string(r.Document), Left: v.Left, Until: day(v.Until), May: v.May,
			Review: day(v.State.ReviewDue(r)), Drill: day(v.State.DrillDue(r)), Drilled: day(a.Drilled), Used: day(a.Last),
		}
		if r.Routine {
			l.Kind = "routine"
		}
		l.Why = notReady(v, now)
		l.Ready = len(l.Why) == 0
		list = append(list, l)
		out.Lines = append(out.Lines, fmt.Sprintf("%-24s %s", l.ID, readiness(l)))
	}
	if len(list) == 0 {
		out.Text = "There are no runbooks. countersign runbook new writes one to start from."
	}
	return withData(out, list)
}

// notReady says what stands against the use of a runbook, whoever invokes it and in whatever incident.
func notReady(v desk.BookView, now workflows.Stamp) []string {
	r := v.Book.Runbook
	if r.Routine {
		return nil
	}
	var out []string
	if v.No != nil {
		out = append(out, v.No.Sentence)
	}
	if due := v.State.ReviewDue(r); due != 0 && now > due {
		out = append(out, "Its text should have been looked at again by "+day(due)+".")
	}
	if due := v.State.DrillDue(r); due != 0 && now > due && len(v.State.Approvals) > 0 {
		out = append(out, "It should have been practised by "+day(due)+".")
	}
	return out
}

func readiness(l bookLine) string {
	switch {
	case l.Kind == "routine":
		return "routine: countersign runbook start " + l.ID
	case !l.Ready:
		return "not ready: " + strings.Join(l.Why, " ")
	case !l.May:
		return "ready; you are not on its list of invokers"
	}
	return fmt.Sprintf("ready: %d uses left, approved until %s", l.Left, l.Until)
}

func (s *serving) bookShow(o order) (reply, error) {
	b, ok := s.desk.Policy().Runbooks[workflows.RunbookID(o.Runbook)]
	if !ok {
		return s.helped(workflows.Refuse(workflows.CodeUnknown, "There is no such runbook.", ""), workflows.RunbookID(o.Runbook)), nil
	}
	return withData(reply{OK: true, ID: string(b.Runbook.ID), Status: string(b.Runbook.Document)}, map[string]any{"text": string(b.Text), "runbook": b.Runbook})
}

// bookInvoke breaks the glass, or says what it would come to.
func (s *serving) bookInvoke(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	in := desk.Invocation{
		Cause: cause, By: by, Runbook: workflows.RunbookID(o.Runbook), Incident: o.Glass.Incident, Reason: strings.TrimSpace(o.Reason), Values: o.Fields,
		Authn: unixPeer, Channel: viaCLI, Drill: o.Do == doBookDrill,
	}
	if k := o.Glass.Executor; k != "" {
		in.Executor = s.personKeyed(k)
	}
	if o.Glass.Tier == incidents.TierBreakGlass {
		in.Tier = o.Glass.Tier
	}
	if o.Do == doBookDryRun {
		return s.bookForeseen(ctx, by, in)
	}
	if o.Glass.Tier == incidents.TierChain {
		res, err := s.desk.AskInstead(ctx, in)
		if err != nil || res.Refusal != nil {
			return refusedOr(res.Refusal), err
		}
		return s.seenReply(ctx, by, res.ID)
	}
	res, err := s.desk.Invoke(ctx, in)
	if err == nil && res.Refusal != nil {
		return s.helped(res.Refusal, in.Runbook), nil
	}
	return s.invokedReply(ctx, by, res, err)
}

func refusedOr(r *workflows.Refusal) reply {
	if r == nil {
		return reply{}
	}
	return refusedReply(r)
}

// personKeyed is the person of a key; somebody unknown is nobody whom a runbook lists.
func (s *serving) personKeyed(key string) workflows.PersonID {
	for id, x := range s.desk.Policy().People {
		if x.Key == key {
			return id
		}
	}
	return "p_unknown"
}

func (s *serving) invokedReply(ctx context.Context, by workflows.Acting, res desk.Invoked, err error) (reply, error) {
	if err != nil {
		return reply{}, err
	}
	if res.Refusal != nil {
		return refusedReply(res.Refusal), nil
	}
	when := s.outlookOf(ctx, by.Person).When
	if res.Proposal != "" {
		out := reply{OK: true, ID: res.Proposal, Status: "waits for a second person", Lines: res.Needed}
		out.Text = "Recorded, and not done yet: a second listed person agrees with countersign runbook agree " + res.Proposal + ", until " + when(res.EndsAt) + "."
		return withData(out, res)
	}
	out := reply{OK: true, ID: string(res.Run), Status: res.Tier}
	ends, did := "Access and run end at "+when(res.EndsAt)+".", "the glass is broken"
	switch run, err := s.desk.Run(ctx, res.Run); {
	case err != nil: // it is recorded: what is said of it may be less
	case run.Opened.Mode == runs.KindDrill:
		did = "the drill has begun"
	case run.EndsAt > res.EndsAt: // of an earlier use that lasts longer
		ends = "This use ends at " + when(res.EndsAt) + ", the run at " + when(run.EndsAt) + "."
	}
	out.Lines = []string{"Review " + string(res.Review) + " is open.", ends}
	out.Text = "Recorded: " + did + ". countersign runbook status " + string(res.Run) + " shows the steps, countersign list what you hold."
	if err := s.awaitUse(ctx, by, res.Grant, &out); err != nil {
		return reply{}, err
	}
	return withData(out, struct {
		desk.Invoked
		Use json.RawMessage `json:",omitempty"`
	}{res, out.Use})
}

// bookForeseen says what an invocation would come to, and what each step would do. Nothing is recorded and no target is changed.
func (s *serving) bookForeseen(ctx context.Context, by workflows.Acting, in desk.Invocation) (reply, error) {
	seen, ok, err := s.desk.Foresee(ctx, in)
	if err != nil {
		return reply{}, err
	}
	if !ok {
		return s.helped(workflows.Refuse(workflows.CodeUnknown, "There is no such runbook.", ""), in.Runbook), nil
	}
	when := s.outlookOf(ctx, by.Person).When
	b := seen.In.Book
	out := reply{OK: true, ID: string(b.ID), Status: "nothing was done"}
	say := func(format string, args ...any) { out.Lines = append(out.Lines, fmt.Sprintf(format, args...)) }
	for _, c := range seen.Assessment.Conditions {
		say("%-9s %s", map[bool]string{true: "holds", false: "FAILS"}[c.OK], c.Says)
	}
	for _, n := range seen.Assessment.Needed {
		say("%-9s %s", "second", n)
	}
	if b.Grant.Target != "" {
		say("grants    %s to %s until %s", b.Grant.Name(), s.desk.Name(ctx, seen.In.Holder()), when(seen.Now.Add(seen.In.Lasts().Duration())))
	}
	say("told      %s", strings.Join(s.foreseenTold(ctx, seen), ", "))
	if seen.Assessment.Review != "" {
		say("review    falls under %s", seen.Assessment.Review)
	} else {
		say("review    by %s, due %s", s.desk.Name(ctx, seen.In.Owner), when(seen.Now.Add(seen.In.ReviewDue().Duration())))
	}
	for i, st := range seen.Steps {
		say("step %-4d %s", i+1, stepWords(st, seen.In))
	}
	for _, f := range foreseenFields(seen.In) {
		say("FAILS     %s", f)
	}
	if seen.Refusal != nil {
		out.Text = "It would be refused now: " + seen.Refusal.Error()
	}
	return withData(out, map[string]any{"conditions": seen.Assessment.Conditions, "needed": seen.Assessment.Needed, "refusal": seen.Refusal, "steps": seen.Steps})
}

func (s *serving) foreseenTold(ctx context.Context, seen desk.Foreseen) []string {
	out := []string{seen.In.Book.Notify}
	var people []workflows.PersonID
	for _, p := range slices.Concat(seen.In.Skipped, seen.In.Situation.Told) {
		if p != seen.In.By.Person && !slices.Contains(people, p) {
			people = append(people, p)
			out = append(out, s.desk.Name(ctx, p))
		}
	}
	return out
}

// stepWords says what a step would do, with the answers of the form in it.
func stepWords(st incidents.Step, in incidents.Invocation) string {
	if st.Action == incidents.ByHand {
		return "by hand: " + st.Title
	}
	words := []string{st.Action, st.Does.Name()}
	if st.Account != "" {
		words = append(words, "of", filledIn(st.Account, in))
	}
	var fields []string
	for name, v := range st.Fields {
		fields = append(fields, name+"="+filledIn(v, in))
	}
	for name, where := range st.Secrets {
		fields = append(fields, name+"=(from "+where+")")
	}
	slices.Sort(fields)
	words = append(words, fields...)
	words = append(words, fmt.Sprintf("(%s, tried %d times)", st.Timeout, st.Retries+1))
	for _, x := range []struct {
		is   bool
		says string
	}{
		{st.Auto && st.Wait == 0, "begins by itself"},
		{st.Wait > 0, "begins by itself " + st.Wait.String() + " later"},
		{st.Second, "by a second person"},
		{st.Precheck != "", "only if the target shows it " + st.Precheck},
		{st.Rollback, "can be taken back"},
		{st.OnFailure != "", "on failure: " + st.OnFailure},
	} {
		if x.is {
			words = append(words, "["+x.says+"]")
		}
	}
	return strings.Join(words, " ") + ": " + st.Title
}

func filledIn(v string, in incidents.Invocation) string {
	name, ok := strings.CutPrefix(v, "${")
	if !ok {
		return v
	}
	name = strings.TrimSuffix(name, "}")
	if got := in.Clean[name] + in.Texts[name]; got != "" {
		return got
	}
	return "(missing: " + name + ")"
}

// bookStatus shows a run, or all open ones.
func (s *serving) bookStatus(ctx context.Context, by workflows.Acting, o order) (reply, error) {
	if o.ID == "" {
		list, err := s.desk.Runs(ctx, runs.ListOpen, "", 50)
		if err != nil {
			return reply{}, err
		}
		out := reply{OK: true, Text: fmt.Sprintf("%s open.", howMany(len(list), "run"))}
		var seen []runs.State
		for _, r := range list {
			if s.desk.MayRun(ctx, s.desk.Policy(), r, by.Person) || s.desk.HasRole(ctx, desk.RoleAuditor, by.Person) {
				seen = append(seen, r)
				out.Lines = append(out.Lines, fmt.Sprintf("%s  %s  %s  %d of %d steps left", r.ID, r.Opened.Runbook, whereOf(r), len(r.Open()), len(r.Steps)))
			}
		}
		return withData(out, seen)
	}
	r, no, err := s.findRun(ctx, by, o.ID)
	if err != nil || no != nil {
		return refusedOr(no), err
	}
	out := reply{OK: true, ID: string(r.ID), Status: "open"}
	if r.Closed != nil {
		out.Status = r.Closed.How
	}
	out.Lines = append(out.Lines, fmt.Sprintf("%s in %s, carried out by %s until %s", r.Opened.Runbook, whereOf(r), s.desk.Name(ctx, r.Executor), day(r.EndsAt)))
	if late, err := s.desk.Undrilled(ctx, r, workflows.StampOf(s.clock.Now().Wall)); err == nil && late != 0 && r.Closed == nil {
		out.Lines = append(out.Lines, "Its drill is overdue since "+day(late)+": look twice at what each step does.")
	}
	for _, st := range r.Steps {
		line := fmt.Sprintf("%3d  %-8s %s", st.Number, st.Status, st.Title)
		if st.Status == runs.Failed || st.Status == runs.Running && st.Said != "" {
			line += ": " + st.Said
		}
		out.Lines = append(out.Lines, line)
	}
	if r.Closed == nil {
		out.Text = nextStep(r)
	}
	return withData(out, r)
}

// whereOf is the incident of a run, or what it is about.
func whereOf(r runs.State) string {
	switch {
	case r.Opened.Mode != runs.KindRoutine:
		return r.Opened.Incident
	case r.Opened.Subject != "":
		return "routine about " + string(r.Opened.Subject)
	}
	return "routine"
}

// findRun finds a run by its id or an unambiguous ending, among those that the person may see.
func (s *serving) findRun(ctx context.Context, by workflows.Acting, word string) (runs.State, *workflows.Refusal, error) {
	may := func(r runs.State) bool {
		return s.desk.MayRun(ctx, s.desk.Policy(), r, by.Person) || s.desk.HasRole(ctx, desk.RoleAuditor, by.Person)
	}
	if strings.HasPrefix(word, "u_") || strings.HasPrefix(word, "r_") {
		r, err := s.desk.Run(ctx, workflows.RunID(word))
		if errors.Is(err, workflows.ErrNoStream) || err == nil && !may(r) {
			return r, workflows.Unknown(), nil
		}
		return r, nil, err
	}
	list, err := s.desk.Runs(ctx, runs.ListAll, "", 500)
	if err != nil {
		return runs.State{}, nil, err
	}
	var found []runs.State
	for _, r := range list {
		if len(word) >= 4 && strings.HasSuffix(string(r.ID), word) && may(r) {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		return runs.State{}, workflows.Unknown(), nil
	}
	return found[0], nil, nil
}

func (s *serving) bookStep(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	r, no, err := s.findRun(ctx, by, o.ID)
	if err != nil {
		return reply{}, err
	}
	if no != nil {
		return s.refuse(ctx, cause, by, "run", no)
	}
	in := desk.InRun{Cause: cause, By: by, Run: r.ID, Do: o.Glass.Act, Step: o.Glass.Step, Note: o.Reason, Authn: unixPeer, Channel: viaCLI}
	if o.Glass.Evidence != nil {
		in.Do, in.Evidence = desk.DoAttach, *o.Glass.Evidence
	}
	if !slices.Contains([]string{desk.DoBegin, desk.DoFinish, desk.DoSkip, desk.DoRollBack, desk.DoClose, desk.DoAttach}, in.Do) {
		return refusedReply(workflows.Refuse(workflows.CodeBadField, "A step is run, done or skipped.", "")), nil
	}
	res, err := s.desk.DoInRun(ctx, in)
	if err != nil || res.Refusal != nil {
		return refusedOr(res.Refusal), err
	}
	return s.bookStatus(ctx, by, order{ID: string(r.ID)})
}

func (s *serving) bookReview(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	if o.ID == "" {
		list, err := s.desk.Reviews(ctx, by.Person, 50)
		if err != nil {
			return reply{}, err
		}
		out := reply{OK: true, Text: fmt.Sprintf("%s open for you to close.", howMany(len(list), "review"))}
		for _, r := range list {
			out.Lines = append(out.Lines, fmt.Sprintf("%s  %s  %s  due %s  %s to do", r.ID, r.Opened.About, r.Opened.Incident, day(r.Opened.DueAt), howMany(len(r.OpenTasks()), "task")))
		}
		return withData(out, list)
	}
	res, err := s.desk.Close(ctx, desk.Review{
		Cause: cause, By: by, Review: workflows.ReviewID(o.ID), Verdict: reviews.Verdict(o.Glass.Verdict), Note: o.Reason, Authn: unixPeer, Channel: viaCLI,
	})
	return plainReply(res, err, o.ID, "Recorded: the review is closed as "+strconv.Quote(o.Glass.Verdict)+".")
}
