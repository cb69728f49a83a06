package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// A post-incident report is written out of the ledger alone: what it says of people, times and targets stands in entries that anybody who
// holds the ledger can verify, and each line of the timeline names its entry.

// glassReport is a report as a script reads it. Times are UTC.
type glassReport struct {
	Incident  string       `json:"incident"`
	Uses      []reportUse  `json:"uses"`
	Reviews   []reportSeen `json:"reviews"`
	Timeline  []reportLine `json:"timeline"`
	Told      []reportTold `json:"told"`
	Escalated []reportPath `json:"escalated,omitempty"`
	Origin    string       `json:"ledger"`
	Size      int64        `json:"entries"`
	Root      string       `json:"root"`
	WrittenAt string       `json:"written_at"`
	Zone      string       `json:"zone"`
}

type reportUse struct {
	Runbook    string                `json:"runbook"`
	Title      string                `json:"title"`
	Document   string                `json:"document"`
	Approval   string                `json:"approved_by"`
	Tier       string                `json:"tier"`
	Invoker    string                `json:"invoker"`
	Executor   string                `json:"executor"`
	Second     string                `json:"second,omitempty"`
	At         string                `json:"at"`
	Ends       string                `json:"ends"`
	Why        string                `json:"why,omitempty"`
	Authn      string                `json:"authenticated_by"`
	Channel    string                `json:"channel"`
	Conditions []incidents.Condition `json:"conditions"`
	Needed     []string              `json:"second_needed,omitempty"`
	Grants     []reportGrant         `json:"access"`
	Run        string                `json:"run,omitempty"`
	Steps      []reportStep          `json:"steps,omitempty"`
	Evidence   []reportEvidence      `json:"evidence,omitempty"`
	Drill      bool                  `json:"drill,omitempty"`
	Closed     string                `json:"run_closed,omitempty"`
}

type reportGrant struct {
	ID      string `json:"id"`
	What    string `json:"what"`
	Holder  string `json:"holder"`
	From    string `json:"from,omitempty"`
	Until   string `json:"until"`
	Ended   string `json:"ended,omitempty"`
	Status  string `json:"status"`
	ReadOut string `json:"read_back,omitempty"`
}

type reportStep struct {
	Number int    `json:"number"`
	Title  string `json:"title"`
	How    string `json:"how"`
	Status string `json:"status"`
	By     string `json:"by,omitempty"`
	At     string `json:"at,omitempty"`
	Said   string `json:"said,omitempty"`
}

type reportEvidence struct {
	At   string `json:"at"`
	By   string `json:"by"`
	Step int    `json:"step,omitempty"`
	What string `json:"what"`
	Text string `json:"text"`
	Hash string `json:"hash,omitempty"`
}

type reportSeen struct {
	ID       string   `json:"id"`
	Owner    string   `json:"owner"`
	Due      string   `json:"due"`
	Overdue  bool     `json:"overdue"`
	Verdict  string   `json:"verdict,omitempty"`
	Note     string   `json:"note,omitempty"`
	ClosedBy string   `json:"closed_by,omitempty"`
	ClosedAt string   `json:"closed_at,omitempty"`
	Tasks    []string `json:"tasks,omitempty"`
}

type reportLine struct {
	Entry int64  `json:"entry"`
	At    string `json:"at"`
	Says  string `json:"says"`
}

type reportTold struct {
	Who  string `json:"who"`
	What string `json:"what"`
	At   string `json:"at"`
	OK   bool   `json:"delivered"`
	Why  string `json:"why,omitempty"`
}

// bookReport answers with a report to those who may read it: who was in it, who reviews it, owners of the runbooks, security and auditors.
func (s *serving) bookReport(ctx context.Context, by workflows.Acting, o order) (reply, error) {
	incident, err := s.incidentOf(ctx, o.ID)
	if err != nil {
		return reply{}, err
	}
	b := reporting{s: s, names: map[workflows.PersonID]string{}, to: map[string]workflows.PersonID{}}
	r, may, err := b.report(ctx, incident, by.Person)
	if err != nil {
		return reply{}, err
	}
	if len(r.Timeline) == 0 || !may && !s.desk.HasRole(ctx, desk.RoleSecurity, by.Person) && !s.desk.HasRole(ctx, desk.RoleAuditor, by.Person) {
		return refusedReply(workflows.Refuse(workflows.CodeUnknown, "There is no such incident, review or run that you may read about.", "Security and auditors may read all.")), nil
	}
	return withData(reply{OK: true, ID: incident}, r)
}

// incidentOf is the incident that a word means: its own name, or that of a review or a run.
func (s *serving) incidentOf(ctx context.Context, word string) (string, error) {
	switch {
	case strings.HasPrefix(word, "v_"):
		v, err := s.desk.Review(ctx, workflows.ReviewID(word))
		if errors.Is(err, workflows.ErrNoStream) {
			return word, nil
		}
		return v.Opened.Incident, err
	case strings.HasPrefix(word, "u_"):
		v, err := s.desk.Run(ctx, workflows.RunID(word))
		if errors.Is(err, workflows.ErrNoStream) {
			return word, nil
		}
		return v.Opened.Incident, err
	}
	return word, nil
}

// reporting gathers one report.
type reporting struct {
	s       *serving
	names   map[workflows.PersonID]string
	to      map[string]workflows.PersonID // stream and notice, where the notice does not name its receiver
	records []workflows.Record
	streams []workflows.StreamID
}

func (b *reporting) name(ctx context.Context, p workflows.PersonID) string {
	if p == "" {
		return ""
	}
	if n, ok := b.names[p]; ok {
		return n
	}
	b.names[p] = b.s.desk.Name(ctx, p)
	return b.names[p]
}

// read adds a stream's entries to the timeline, once.
func (b *reporting) read(ctx context.Context, stream workflows.StreamID, fits func(workflows.Record) bool) error {
	if slices.Contains(b.streams, stream) {
		return nil
	}
	b.streams = append(b.streams, stream)
	h, err := b.s.store.History(ctx, stream)
	if err != nil {
		return err
	}
	for _, r := range h {
		if !fits(r) {
			continue
		}
		b.records = append(b.records, r)
		b.name(ctx, r.Person)
		if err := b.nameAll(ctx, r.Event); err != nil {
			return err
		}
	}
	return nil
}

// nameAll looks up everybody whom an entry names, so that its sentence can.
func (b *reporting) nameAll(ctx context.Context, e workflows.Event) error {
	raw, err := json.Marshal(e)
	for _, id := range personID.FindAllString(string(raw), -1) {
		b.name(ctx, workflows.PersonID(id))
	}
	return err
}

func everyEntry(workflows.Record) bool { return true }

// report gathers what the ledger has about an incident; may tells whether the reader was in it.
func (b *reporting) report(ctx context.Context, incident string, reader workflows.PersonID) (glassReport, bool, error) {
	out := glassReport{Incident: incident, Origin: b.s.store.Origin(), WrittenAt: b.s.clock.Now().Wall.UTC().Format(time.RFC3339), Zone: "UTC"}
	head, err := b.s.store.Head(ctx)
	if err != nil {
		return out, false, err
	}
	out.Size, out.Root = head.Size, head.Root.String()
	streams, err := b.s.store.List(ctx, incidents.ListAll, "", 0)
	if err != nil {
		return out, false, err
	}
	_, may, err := b.live(ctx, incident, reader)
	if err != nil {
		return out, false, err
	}
	for _, stream := range streams {
		h, err := b.s.store.History(ctx, stream)
		if err != nil {
			return out, false, err
		}
		s, err := incidents.Fold(h)
		if err != nil {
			return out, false, err
		}
		for _, u := range s.Uses {
			if u.Incident != incident {
				continue
			}
			mine, err := b.use(ctx, &out, s, u, reader)
			if err != nil {
				return out, false, err
			}
			may = may || mine
		}
	}
	sort.Slice(out.Uses, func(i, j int) bool { return out.Uses[i].At < out.Uses[j].At })
	if err := b.escalated(ctx, &out); err != nil {
		return out, false, err
	}
	b.timeline(ctx, &out)
	return out, may, nil
}

func (b *reporting) use(ctx context.Context, out *glassReport, s incidents.State, u incidents.Use, reader workflows.PersonID) (bool, error) {
	x := reportUse{
		Runbook: string(s.ID), Title: string(s.ID), Document: string(u.Document), Tier: cmp.Or(u.Tier, incidents.TierPreapproved), Invoker: b.name(ctx, u.By),
		Executor: b.name(ctx, holderOf(u.Invoked, u.By)), Second: b.name(ctx, u.Second), At: day(u.At.UTC), Ends: day(u.EndsAt), Why: u.Reason,
		Authn: u.Authn, Channel: u.Channel, Conditions: u.Conditions, Needed: u.Needed, Run: string(u.Run), Drill: u.Drill,
	}
	may := reader == u.By || reader == u.Second || reader == u.Executor
	if book, ok := b.s.desk.Policy().Runbooks[s.ID]; ok {
		x.Title, may = book.Runbook.Title, may || reader == book.Runbook.Owner
	}
	x.Approval = b.approval(ctx, s, u)
	about := func(r workflows.Record) bool { return b.about(r, u) }
	if err := b.read(ctx, workflows.RunbookStream(s.ID), about); err != nil {
		return may, err
	}
	given := []workflows.GrantID{u.Grant}
	if u.Run != "" {
		run, err := b.s.desk.Run(ctx, u.Run)
		if err != nil {
			return may, err
		}
		may = may || slices.Contains(run.People, reader)
		given = append(given, run.Grants...)
		b.run(ctx, &x, run)
		if err := b.read(ctx, workflows.RunStream(u.Run), everyEntry); err != nil {
			return may, err
		}
	}
	slices.Sort(given)
	for _, g := range slices.Compact(given) {
		if err := b.grant(ctx, &x, g); err != nil {
			return may, err
		}
	}
	reviews, err := b.review(ctx, out, u.Review, reader)
	out.Uses = append(out.Uses, x)
	return may || reviews, err
}

// about tells whether an entry of a runbook's stream is about one use.
func (b *reporting) about(r workflows.Record, u incidents.Use) bool {
	switch e := r.Event.(type) {
	case incidents.Preapproved:
		return e.Document == u.Document && r.Seq < u.Seq
	case incidents.Invoked:
		return e.Incident == u.Incident
	case incidents.Proposed:
		return e.Incident == u.Incident
	case incidents.Barred:
		return e.Review == u.Review
	case workflows.Refused:
		return e.About == u.Incident
	case workflows.NoticeDelivered:
		return strings.Contains(e.Notice, string(u.Grant)) || u.Proposal != "" && strings.Contains(e.Notice, u.Proposal)
	case workflows.NoticeUndelivered:
		return strings.Contains(e.Notice, string(u.Grant)) || u.Proposal != "" && strings.Contains(e.Notice, u.Proposal)
	}
	return false
}

// approval says who approved the text that was used, and until when.
func (b *reporting) approval(ctx context.Context, s incidents.State, u incidents.Use) string {
	for _, a := range slices.Backward(s.Approvals) {
		if a.Document == u.Document && a.Seq < u.Seq {
			var names []string
			for _, p := range a.Approvers {
				names = append(names, b.name(ctx, p))
			}
			return fmt.Sprintf("%s, at %s, until %s, for %d uses (request %s)", strings.Join(names, ", "), day(a.At.UTC), day(a.Until), a.Uses, a.Request)
		}
	}
	return "nobody"
}

func (b *reporting) run(ctx context.Context, x *reportUse, s runs.State) {
	for _, st := range s.Steps {
		line := reportStep{Number: st.Number, Title: st.Title, How: "by hand", Status: string(st.Status), By: b.name(ctx, st.By), At: day(st.At.UTC), Said: cmp.Or(st.Said, st.Note, st.Ref)}
		if !st.ByHand() {
			line.How = st.Action + " " + st.Does.Name()
		}
		x.Steps = append(x.Steps, line)
	}
	for _, e := range s.Evidence {
		x.Evidence = append(x.Evidence, reportEvidence{At: day(e.At.UTC), By: b.name(ctx, e.By), Step: e.Step, What: e.What, Text: e.Text, Hash: e.Hash})
	}
	if s.Closed != nil {
		x.Closed = fmt.Sprintf("%s, %s", strings.ReplaceAll(s.Closed.How, "_", " "), day(s.ClosedAt.UTC))
	}
}

func (b *reporting) grant(ctx context.Context, x *reportUse, id workflows.GrantID) error {
	h, err := b.s.desk.Grant(ctx, id)
	if errors.Is(err, workflows.ErrNoStream) {
		return nil // a use that gives nothing by itself
	}
	if err != nil {
		return err
	}
	a := h.Hold.Approved
	x.Grants = append(x.Grants, reportGrant{
		ID: string(id), What: a.Title + " on " + a.TargetTitle, Holder: b.name(ctx, a.Identity.Person()), From: day(h.Hold.StartedAt.UTC), Until: day(a.EndsAt),
		Ended: day(h.Hold.EndedAt.UTC), Status: string(h.Hold.Status), ReadOut: h.Hold.Presence,
	})
	return b.read(ctx, h.Stream, func(r workflows.Record) bool { return grantIn(r.Event) == id })
}

func (b *reporting) review(ctx context.Context, out *glassReport, id workflows.ReviewID, reader workflows.PersonID) (bool, error) {
	if slices.ContainsFunc(out.Reviews, func(r reportSeen) bool { return r.ID == string(id) }) {
		return false, nil
	}
	s, err := b.s.desk.Review(ctx, id)
	if err != nil {
		return false, err
	}
	r := reportSeen{ID: string(id), Owner: b.name(ctx, s.Opened.Owner), Due: day(s.Opened.DueAt), Overdue: s.Late}
	if s.Closed != nil {
		r.Verdict, r.Note, r.ClosedBy, r.ClosedAt = string(s.Closed.Verdict), s.Closed.Note, b.name(ctx, s.ClosedBy), day(s.ClosedAt.UTC)
	}
	for _, t := range s.Tasks {
		r.Tasks = append(r.Tasks, taskWords(t, b.name(ctx, t.Owner), b.name(ctx, t.DoneBy)))
		b.to[string(workflows.ReviewStream(id))+"#"+reviews.NoticeTask+"/"+t.ID] = t.Owner
	}
	out.Reviews = append(out.Reviews, r)
	return s.MayReview(reader), b.read(ctx, workflows.ReviewStream(id), everyEntry)
}

func taskWords(t reviews.TaskState, owner, by string) string {
	if t.Done {
		return fmt.Sprintf("%s: done by %s at %s (%s)", t.What, by, day(t.DoneAt.UTC), t.Note)
	}
	return fmt.Sprintf("%s: OPEN, %s, by %s", t.What, owner, day(t.DueAt))
}

// timeline tells every entry in the order of the ledger, and who was told when.
func (b *reporting) timeline(ctx context.Context, out *glassReport) {
	sort.Slice(b.records, func(i, j int) bool { return b.records[i].Index < b.records[j].Index })
	n := newNarrator(time.UTC, b.names)
	for _, r := range b.records {
		out.Timeline = append(out.Timeline, reportLine{Entry: r.Index, At: day(r.At.UTC), Says: n.Sentence(r)})
		switch e := r.Event.(type) {
		case workflows.NoticeDelivered:
			out.Told = append(out.Told, b.told(ctx, r, e.Notice, ""))
		case workflows.NoticeUndelivered:
			out.Told = append(out.Told, b.told(ctx, r, e.Notice, e.Why))
		}
	}
}

func (b *reporting) told(ctx context.Context, r workflows.Record, notice, why string) reportTold {
	kind, _, _ := strings.Cut(notice, "/")
	p, who := noticeTo(notice)
	if p == "" {
		p = b.to[string(r.Stream)+"#"+notice]
	}
	if p != "" {
		who = b.name(ctx, p)
	}
	return reportTold{Who: cmp.Or(who, "the channel"), What: noticeSays(kind), At: day(r.At.UTC), OK: why == "", Why: why}
}

// Markdown writes the report for people. What somebody typed cannot become markup.
func (r glassReport) Markdown() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("# Post-incident report: %s\n", inMarkdown(r.Incident))
	say("Written %s out of the ledger %s at %d entries, root `%s`. All times are UTC. Numbers in brackets are entries of that ledger: `countersign ledger show N` shows one, `countersign ledger prove N` proves it.\n", r.WrittenAt, inMarkdown(r.Origin), r.Size, r.Root)
	for _, u := range r.Uses {
		u.markdown(say)
	}
	say("## Review\n")
	for _, v := range r.Reviews {
		late := ""
		if v.Overdue {
			late = " It was overdue."
		}
		if v.Verdict == "" {
			say("- **%s** is OPEN: %s, due %s.%s", v.ID, inMarkdown(v.Owner), v.Due, late)
		} else {
			say("- **%s**: verdict **%s** by %s at %s, due %s.%s %s", v.ID, v.Verdict, inMarkdown(v.ClosedBy), v.ClosedAt, v.Due, late, inMarkdown(v.Note))
		}
		for _, t := range v.Tasks {
			say("  - %s", inMarkdown(t))
		}
	}
	say("\n## Who was told\n")
	for _, t := range r.Told {
		ok := "delivered"
		if !t.OK {
			ok = "NOT delivered: " + inMarkdown(t.Why)
		}
		say("- %s: %s, %s, %s", t.At, inMarkdown(t.Who), inMarkdown(t.What), ok)
	}
	r.escalations(say)
	r.asks(say)
	say("\n## Timeline\n")
	for _, l := range r.Timeline {
		say("- %s [%d] %s", l.At, l.Entry, inMarkdown(l.Says))
	}
	return b.String()
}

func (u reportUse) markdown(say func(string, ...any)) {
	drill := ""
	if u.Drill {
		drill = "Drill: "
	}
	say("## %s%s\n", drill, inMarkdown(u.Title))
	say("- Runbook: `%s`, exact text `%s`", u.Runbook, u.Document)
	say("- Approved in peacetime by: %s", inMarkdown(u.Approval))
	say("- Tier: **%s**", strings.ReplaceAll(u.Tier, "_", " "))
	say("- Invoked by: **%s** at %s, by %s over %s", inMarkdown(u.Invoker), u.At, u.Authn, u.Channel)
	say("- Carried out by: **%s**", inMarkdown(u.Executor))
	if u.Second != "" {
		say("- Second person: **%s** (%s)", inMarkdown(u.Second), inMarkdown(strings.Join(u.Needed, " ")))
	}
	if u.Why != "" {
		say("- Reason given: %s", inMarkdown(u.Why))
	}
	say("- Conditions, as they stood then:")
	for _, c := range u.Conditions {
		say("  - %s: %s", map[bool]string{true: "held", false: "**FAILED**"}[c.OK], inMarkdown(c.Says))
	}
	say("\n### Access\n")
	for _, g := range u.Grants {
		say("- %s for %s (`%s`): from %s, agreed end %s, ended %s, %s; reading back: %s", inMarkdown(g.What), inMarkdown(g.Holder), g.ID, cmp.Or(g.From, "never"), g.Until, cmp.Or(g.Ended, "not yet"), g.Status, cmp.Or(g.ReadOut, "not yet"))
	}
	if len(u.Grants) == 0 {
		say("None beside what the steps did.")
	}
	if len(u.Steps) > 0 {
		say("\n### Steps (run `%s`%s)\n", u.Run, map[bool]string{true: ", closed: " + u.Closed, false: ", open"}[u.Closed != ""])
		for _, s := range u.Steps {
			line := fmt.Sprintf("%d. **%s** %s (%s)", s.Number, s.Status, inMarkdown(s.Title), inMarkdown(s.How))
			if s.By != "" {
				line += ", " + inMarkdown(s.By)
			}
			if s.At != "" {
				line += ", " + s.At
			}
			if s.Said != "" {
				line += ": " + inMarkdown(s.Said)
			}
			say("%s", line)
		}
	}
	if len(u.Evidence) > 0 {
		say("\n### Evidence\n")
		for _, e := range u.Evidence {
			say("- %s, %s: %s %s %s", e.At, inMarkdown(e.By), e.What, inMarkdown(e.Text), e.Hash)
		}
	}
	say("")
}

// inMarkdown makes a text of somebody's inert: no markup, no HTML, no new line.
func inMarkdown(s string) string {
	var b strings.Builder
	for _, r := range strings.Join(strings.Fields(printable(s)), " ") {
		if strings.ContainsRune("\\`*_{}[]<>#|!&~", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// runbookReport asks for a report and writes it in the form that the file's name says.
func runbookReport(ctx context.Context, p proc) error {
	x := newBookPerson(p, "runbook report", "INCIDENT|REVIEW|RUN [-out FILE.md|FILE.html|FILE.pdf] [--json]")
	out := x.flags.String("out", "", "the file to write: .md, .html or .pdf; default: Markdown to standard output")
	words, err := x.parse(1, 1)
	if err != nil {
		return err
	}
	ext := filepath.Ext(*out)
	if *out != "" && ext != ".md" && ext != ".html" && ext != ".pdf" {
		return usageError{"-out: name a file that ends in .md, .html or .pdf"}
	}
	r, err := send(ctx, x.cfg, order{Do: doBookReport, ID: words[0]})
	if err != nil || !r.OK {
		return errors.Join(err, x.print(r))
	}
	if *x.asJSON {
		return x.print(r)
	}
	var rep glassReport
	if err := json.Unmarshal(r.Data, &rep); err != nil {
		return err
	}
	if *out == "" {
		_, err := io.WriteString(p.out, rep.Markdown())
		return err
	}
	raw := []byte(rep.Markdown())
	switch ext {
	case ".html":
		raw, err = runbooks.RenderPage("Post-incident report: "+rep.Incident, rep.Origin+", "+rep.Root, raw)
	case ".pdf":
		raw, err = rep.PDF()
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Clean(*out), raw, 0o600)
}

// grantIn is the grant that an entry of a grant's stream is about; empty for entries about messages, which name it in their own way.
func grantIn(e workflows.Event) workflows.GrantID {
	switch e := e.(type) {
	case grants.Approved:
		return e.Grant
	case grants.Started:
		return e.Grant
	case grants.AttemptFailed:
		return e.Grant
	case grants.Failed:
		return e.Grant
	case grants.Ending:
		return e.Grant
	case grants.Overdue:
		return e.Grant
	case grants.Revoked:
		return e.Grant
	case grants.Verified:
		return e.Grant
	}
	return ""
}
