package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/runs"
)

// runLetter renders what a run owes: its checklist, or that a step failed.
func (b *Bot) runLetter(ctx context.Context, id workflows.RunID, n workflows.Notice) (letter, error) {
	s, err := b.c.Desk.Run(ctx, id)
	if err != nil {
		return letter{}, err
	}
	if l, ok := b.turnLetter(ctx, s, n); ok {
		return l, nil
	}
	r := b.checklist(ctx, s, n.To)
	if n.What == runs.NoticeFailed && n.Stage >= 1 && n.Stage <= len(r.Steps) {
		return letter{Message: r.Failed(n.Stage)}, nil
	}
	return letter{Message: r.Render(), surface: workflows.RunStream(id), seq: s.Seq}, nil
}

// threadOf is the message under which the checklist of a run stands: the one that told the channel of the invocation, or of the incident
// itself. It is "" when neither was told there.
func (b *Bot) threadOf(ctx context.Context, stream workflows.StreamID, n workflows.Notice, channel string) (string, error) {
	if stream.Kind() != workflows.KindRun || n.What != runs.NoticeChecklist {
		return "", nil
	}
	s, err := b.c.Desk.Run(ctx, workflows.RunID(stream.Rest()))
	if err != nil || s.Opened.Mode == runs.KindRoutine {
		return "", err
	}
	h, err := b.c.Histories.History(ctx, workflows.RunbookStream(s.Opened.Runbook))
	if err != nil {
		return "", err
	}
	book, err := incidents.Fold(h)
	if err != nil {
		return "", err
	}
	id := workflows.NoticeInvoked + "/" + string(s.Opened.Grant)
	told, ok := book.Delivered[id]
	if _, owed := book.FindNotice(id); !ok && owed {
		return "", errNotYet
	}
	if at, ts, _ := strings.Cut(told.Place, "/"); at == channel {
		return ts, nil
	}
	return b.incidentThread(ctx, s.Opened.Incident, channel)
}

// incidentThread is the message that told a channel that an incident was opened; "" when that was elsewhere, or never.
func (b *Bot) incidentThread(ctx context.Context, incident, channel string) (string, error) {
	h, err := b.c.Histories.History(ctx, incidents.StreamOf(incident))
	if err != nil || len(h) == 0 {
		return "", err
	}
	live, err := incidents.FoldIncident(h)
	if err != nil {
		return "", err
	}
	first := slices.IndexFunc(h, func(r workflows.Record) bool { _, ok := r.Event.(incidents.IncidentOpened); return ok })
	if first < 0 {
		return "", nil
	}
	id := fmt.Sprintf("%s/%d", incidents.NoticeNews, h[first].Seq)
	told, ok := live.Delivered[id]
	if _, owed := live.FindNotice(id); !ok && owed {
		return "", errNotYet
	}
	if at, ts, _ := strings.Cut(told.Place, "/"); at == channel {
		return ts, nil
	}
	return "", nil
}

// errNotYet asks to be called again: the message under which another one belongs is still on its way.
var errNotYet = errors.New("the message that it stands under is not sent yet")

// checklist is a run for a reader; the empty reader is a channel.
func (b *Bot) checklist(ctx context.Context, s runs.State, reader workflows.PersonID) screens.Run {
	r := screens.Run{
		In: b.in(ctx, reader), ID: s.ID, Runbook: s.Opened.Runbook, Title: string(s.Opened.Runbook), Incident: s.Opened.Incident, Mode: s.Opened.Mode,
		Invoker: b.person(ctx, s.Invoker), Executor: b.person(ctx, s.Executor), Ends: s.EndsAt, Evidence: len(s.Evidence), Undoing: len(s.Undoing),
		Review: s.Opened.Review,
	}
	if book, ok := b.c.Desk.Policy().Runbooks[s.Opened.Runbook]; ok {
		r.Title = book.Runbook.Title
	}
	for _, p := range s.People {
		r.People = append(r.People, b.person(ctx, p))
	}
	texts, err := b.c.Desk.RunSteps(ctx, s)
	if err != nil {
		b.log.WarnContext(ctx, "the text of a run cannot be read", "run", s.ID, "err", err)
	}
	if r.Drill, err = b.c.Desk.Undrilled(ctx, s, b.c.Now()); err != nil {
		b.log.WarnContext(ctx, "whether a drill is overdue cannot be told", "run", s.ID, "err", err)
	}
	for i, st := range s.Steps {
		line := screens.RunStep{
			Number: st.Number, Title: st.Title, Hand: st.ByHand(), Second: st.Second, Status: st.Status, By: b.person(ctx, st.By), At: st.At.UTC,
			Said: st.Said, Note: st.Note,
		}
		if !st.ByHand() {
			line.Does = st.Action + " " + st.Does.Name()
		}
		if i < len(texts) {
			line.Text = texts[i].Text
		}
		r.Steps = append(r.Steps, line)
	}
	if next := s.Next(); next != nil {
		r.Next = next.Number
	}
	if s.Closed != nil {
		r.Closed = strings.ReplaceAll(s.Closed.How, "_", " ")
		return r
	}
	r.Buttons = b.runButtons(s, reader)
	return r
}

func (b *Bot) runButtons(s runs.State, reader workflows.PersonID) (out screens.RunButtons) {
	next := s.Next()
	value := func(kind byte, step int) string {
		return b.c.Buttons.Value(Button{Kind: kind, ID: string(s.ID), Stage: step}, reader)
	}
	if next != nil && len(s.Undoing) == 0 {
		switch {
		case next.Status == runs.Running:
		case next.ByHand():
			out.Done, out.Skip = value(kindStepDone, next.Number), value(kindStepSkip, next.Number)
		default:
			out.Run, out.Skip = value(kindStepRun, next.Number), value(kindStepSkip, next.Number)
		}
	}
	undoable := slices.ContainsFunc(s.Steps, func(st runs.StepState) bool {
		return st.Rollback && !st.ByHand() && (st.Status == runs.Done || st.Status == runs.Failed)
	})
	if undoable && len(s.Undoing) == 0 {
		out.RollBack = value(kindRunBack, 0)
	}
	out.Finish = value(kindRunClose, 0)
	return out
}

// inRun does something in a run, for a button or a word.
func (b *Bot) inRun(ctx context.Context, c *call, in desk.InRun, done answer) (answer, error) {
	in.Cause, in.By, in.Authn, in.Channel = c.cause(), c.by, slackClick, viaSlack
	res, err := b.c.Desk.DoInRun(ctx, in)
	if err != nil || res.Refusal != nil {
		return refusal(res.Refusal), err
	}
	return done, nil
}

// stepRun, stepDone are buttons that need no words.
func (b *Bot) stepRun(ctx context.Context, c *call) (answer, error) {
	return b.stepPressed(ctx, c, kindStepRun, desk.DoBegin)
}

func (b *Bot) stepDone(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindStepDone, desk.DoFinish)
	if no != nil || err != nil {
		return refusal(no), err
	}
	s, err := b.c.Desk.Run(ctx, workflows.RunID(x.ID))
	if err == nil && x.Stage >= 1 && x.Stage <= len(s.Steps) && s.Steps[x.Stage-1].Evidence {
		says := b.inUser(ctx, c.UserID).Say("Step %d is done when something shows it: say what you saw, or a link.", x.Stage)
		return b.noteForm(ctx, c, x, kindStepDone, says, false)
	}
	return b.inRun(ctx, c, desk.InRun{Run: workflows.RunID(x.ID), Do: desk.DoFinish, Step: x.Stage}, said("✅ Recorded: step %d is done.", x.Stage))
}

func (b *Bot) stepPressed(ctx context.Context, c *call, kind byte, do string) (answer, error) {
	x, no, err := b.pressed(ctx, c, kind, do)
	if no != nil || err != nil {
		return refusal(no), err
	}
	a, err := b.inRun(ctx, c, desk.InRun{Run: workflows.RunID(x.ID), Do: do, Step: x.Stage}, said("✅ Recorded: step %d.", x.Stage))
	if err == nil && strings.HasPrefix(a.message.Text, "✅") {
		return answer{}, nil // the checklist shows it
	}
	return a, err
}

// stepSkip, runBack and runClose ask for words first.
func (b *Bot) stepSkip(ctx context.Context, c *call) (answer, error) {
	return b.wordsFor(ctx, c, kindStepSkip, b.inUser(ctx, c.UserID).Of("Say why this step is left out."), false)
}

func (b *Bot) runBack(ctx context.Context, c *call) (answer, error) {
	return b.wordsFor(ctx, c, kindRunBack, b.inUser(ctx, c.UserID).Of("What was done by connectors and can be taken back is taken back, last first. Say why."), false)
}

func (b *Bot) runClose(ctx context.Context, c *call) (answer, error) {
	return b.wordsFor(ctx, c, kindRunClose, b.inUser(ctx, c.UserID).Of("The run is closed and all access that it gave ends. If steps are left, say why."), true)
}

func (b *Bot) wordsFor(ctx context.Context, c *call, kind byte, says string, optional bool) (answer, error) {
	x, no, err := b.pressed(ctx, c, kind, "run")
	if no != nil || err != nil {
		return refusal(no), err
	}
	return b.noteForm(ctx, c, x, kind, says, optional)
}

func (b *Bot) noteForm(ctx context.Context, c *call, x Button, kind byte, says string, optional bool) (answer, error) {
	meta := b.c.Buttons.Value(Button{Kind: kindRunForm, ID: string(kind) + x.ID, Stage: x.Stage}, c.by.Person)
	return b.open(ctx, c, screens.RunForm(b.inUser(ctx, c.UserID), says, meta, optional))
}

// runNoted is the form that noteForm opened.
func (b *Bot) runNoted(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.meta(ctx, c, kindRunForm, "run")
	if no != nil || err != nil || x.ID == "" {
		return inModal(refusal(no)), err
	}
	text, _ := c.View.Input(screens.BlockReason, screens.InputValue)
	in := desk.InRun{Run: workflows.RunID(x.ID[1:]), Step: x.Stage, Note: text.Value}
	done := said("✅ Recorded: step %d.", x.Stage)
	switch x.ID[0] {
	case kindStepSkip:
		in.Do = desk.DoSkip
	case kindStepDone:
		in.Do = desk.DoFinish
	case kindRunBack:
		in.Do, done = desk.DoRollBack, said("✅ Recorded: it is being taken back.")
	default:
		in.Do, done = desk.DoClose, said("✅ Recorded: the run is closed.")
	}
	a, err := b.inRun(ctx, c, in, done)
	return inModal(a), err
}

// stepWord is /breakglass step RUN N run|done|skip WORDS.
func (b *Bot) stepWord(ctx context.Context, c *call, w []string) (answer, error) {
	id, no, err := b.runByWord(ctx, c.by.Person, w[0])
	if no != nil || err != nil {
		return refusal(no), err
	}
	n, err := strconv.Atoi(w[1])
	verb := strings.ToLower(w[2])
	if err != nil || verb != desk.DoBegin && verb != desk.DoFinish && verb != desk.DoSkip {
		return spoken(screens.Locale.Help), nil
	}
	return b.inRun(ctx, c, desk.InRun{Run: id, Do: verb, Step: n, Note: strings.Join(w[3:], " ")}, said("✅ Recorded: step %d.", n))
}

// runWord is /breakglass finish, rollback and note.
func (b *Bot) runWord(ctx context.Context, c *call, verb, word, text string) (answer, error) {
	id, no, err := b.runByWord(ctx, c.by.Person, word)
	if no != nil || err != nil {
		return refusal(no), err
	}
	in := desk.InRun{Run: id, Do: verb, Note: text}
	if verb == "note" {
		in.Do, in.Evidence = desk.DoAttach, runs.EvidenceAdded{What: runs.EvidenceText, Text: text}
		if len(strings.Fields(text)) == 1 && strings.HasPrefix(text, "https://") {
			in.Evidence.What = runs.EvidenceLink
		}
	}
	return b.inRun(ctx, c, in, said("✅ Recorded: run `%s`.", screens.Escape(string(id))))
}

// runByWord finds an open run by its id or an ending of it.
func (b *Bot) runByWord(ctx context.Context, p workflows.PersonID, word string) (workflows.RunID, *workflows.Refusal, error) {
	word = strings.ToLower(strings.Trim(word, "`"))
	if (strings.HasPrefix(word, "u_") || strings.HasPrefix(word, "r_")) && len(word) == 28 {
		return workflows.RunID(word), nil, nil
	}
	list, err := b.c.Desk.Runs(ctx, runs.ListOpen, "", 0)
	if err != nil {
		return "", nil, err
	}
	var hits []workflows.RunID
	for _, s := range list {
		if len(word) >= minSuffix && strings.HasSuffix(string(s.ID), word) && b.c.Desk.MayRun(ctx, b.c.Desk.Policy(), s, p) {
			hits = append(hits, s.ID)
		}
	}
	switch len(hits) {
	case 1:
		return hits[0], nil, nil
	case 0:
		return "", workflows.Unknown(), nil
	}
	return "", ambiguous(word, len(hits)), nil
}

// runs lists the open runs of a person.
func (b *Bot) runs(ctx context.Context, c *call) (answer, error) {
	list, err := b.c.Desk.Runs(ctx, runs.ListOpen, string(c.by.Person), maxListed)
	if err != nil {
		return answer{}, err
	}
	var items []screens.Item
	l := b.inUser(ctx, c.UserID)
	for _, s := range list {
		where := screens.Escape(s.Opened.Incident)
		if s.Opened.Mode == runs.KindRoutine {
			where = l.Of("routine")
		}
		line := l.Say("`%s`, %s, %d of %d steps left", s.ID, where, len(s.Open()), len(s.Steps))
		items = append(items, screens.Item{Title: string(s.Opened.Runbook), Line: line})
	}
	return answer{message: l.List(screens.Part{Title: l.Of("Open runs"), Empty: l.Of("None."), Items: items})}, nil
}

// secondLetter asks a listed person to agree.
func (b *Bot) secondLetter(ctx context.Context, id workflows.RunbookID, s incidents.State, proposal string, reader workflows.PersonID) (letter, error) {
	p, ok := s.Proposal(proposal)
	if !ok {
		return letter{}, fmt.Errorf("composing the question about %q: no such proposal", proposal)
	}
	m := screens.Second{
		In: b.in(ctx, reader), Title: string(id), Runbook: id, Incident: p.Incident, By: b.person(ctx, p.By), Reason: p.Reason, Needed: p.Needed, Until: p.Until,
		Proposal: proposal, Used: p.Used, Late: b.c.Now().After(p.Until),
	}
	if book, ok := b.c.Desk.Policy().Runbooks[id]; ok {
		m.Title, m.Long = book.Runbook.Title, book.Runbook.Longest
		if glass := book.Runbook.BreakGlass; glass != nil && p.Tier == incidents.TierBreakGlass {
			m.Long = min(m.Long, glass.Longest)
			if glass.StepUp {
				m.Page, m.Host = b.emergency(), hostAgrees(proposal)
			}
		}
		if g := book.Runbook.Grant; g.Target != "" {
			m.What = title(g.TargetTitle, g.Title)
		}
	}
	m.Agree = b.c.Buttons.Value(Button{Kind: kindAgree, ID: string(id) + "#" + proposal}, reader)
	return letter{Message: m.Render(), surface: workflows.RunbookStream(id), seq: s.Seq}, nil
}

// redrawSecond finds which proposal a message on a runbook's stream is about: the one whose notice was delivered there.
func (b *Bot) redrawSecond(ctx context.Context, f Surface) (screens.Message, error) {
	h, err := b.c.Histories.History(ctx, f.Stream)
	if err != nil {
		return screens.Message{}, err
	}
	s, err := incidents.Fold(h)
	if err != nil {
		return screens.Message{}, err
	}
	for _, p := range s.Proposals {
		id := p.Proposed.Proposal
		d, ok := s.Delivered[incidents.NoticeSecond+"/"+id+"/"+string(f.Person)]
		if ok && d.Place == f.Channel+"/"+f.TS || !ok && p.Proposed.Proposal == s.Proposals[len(s.Proposals)-1].Proposed.Proposal {
			l, err := b.secondLetter(ctx, workflows.RunbookID(f.Stream.Rest()), s, id, f.Person)
			return l.Message, err
		}
	}
	return screens.Message{}, &slack.Permanent{Method: "chat.update", Code: "message_not_found"}
}
