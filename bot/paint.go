package bot

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// Paint brings a surface up to date: what stands there is replaced by the state as it is now. It is a job: an error means try again. A
// message that is gone is forgotten; the request in the ledger does not mind.
func (b *Bot) Paint(ctx context.Context, f Surface) error {
	err := b.paint(ctx, f)
	var no *slack.Permanent
	if !errors.As(err, &no) {
		return err
	}
	if no.Code == "invalid_blocks" || no.Code == "invalid_arguments" || no.Code == "msg_too_long" || no.Code == "msg_blocks_too_long" {
		return err // our own mistake: leave the surface, and let the job say so
	}
	b.log.WarnContext(ctx, "a surface is gone", "stream", f.Stream, "err", err)
	return b.c.Surfaces.Drop(ctx, f.ID)
}

func (b *Bot) paint(ctx context.Context, f Surface) error {
	if f.Home {
		return b.paintHome(ctx, f)
	}
	if f.Channel == functionsPlace {
		return b.finishStep(ctx, f)
	}
	if f.Person == "" && b.isShared(ctx, f.Channel) {
		return b.move(ctx, f)
	}
	m, err := b.redraw(ctx, f)
	if err != nil {
		return fmt.Errorf("drawing %q: %w", f.Stream, err)
	}
	at := slack.Posted{Channel: f.Channel, TS: f.TS}
	if !b.drawn.shows(at, m) {
		if err := b.c.Slack.UpdateMessage(ctx, at, slack.Message{Text: m.Text, Blocks: m.Blocks}); err != nil {
			return err
		}
		b.drawn.put(at, m)
	}
	if f.Person == "" && f.Stream.Kind() == workflows.KindRequest {
		return b.thread(ctx, f)
	}
	return nil
}

// drawn remembers what messages show, so that a repaint that changes nothing costs no call and leaves no "edited" mark: most entries of a
// stream (somebody was told) show nowhere. It is only a memory: after a restart each message is drawn once more.
type drawn struct {
	mu   sync.Mutex
	rows map[slack.Posted][sha256.Size]byte
}

// shows compares the blocks. The notification's text may differ by its verb ("Still waiting"), which was right when it was sent.
func (d *drawn) shows(at slack.Posted, m screens.Message) bool {
	sum, err := blocksSum(m)
	d.mu.Lock()
	defer d.mu.Unlock()
	have, ok := d.rows[at]
	return err == nil && ok && have == sum
}

func (d *drawn) put(at slack.Posted, m screens.Message) {
	sum, err := blocksSum(m)
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.rows == nil || len(d.rows) >= maxDrawn {
		d.rows = map[slack.Posted][sha256.Size]byte{}
	}
	d.rows[at] = sum
}

func blocksSum(m screens.Message) ([sha256.Size]byte, error) {
	b, err := json.Marshal(m.Blocks)
	return sha256.Sum256(b), err
}

// redraw renders what a message shows now. On a request's stream the copy of somebody who stands behind the request is the message that
// told them how to use the access: they are never asked to decide.
func (b *Bot) redraw(ctx context.Context, f Surface) (screens.Message, error) {
	switch f.Stream.Kind() {
	case workflows.KindRequest:
		v, err := b.c.Desk.Look(ctx, workflows.RequestID(f.Stream.Rest()))
		if err != nil {
			return screens.Message{}, err
		}
		if o, ok := offerAt(v.State, f); ok {
			return b.counterOffer(ctx, v, o, f.Person).Render(), nil
		}
		if v.State.Asker(f.Person) && v.Hold != nil {
			return b.ready(ctx, *v.Hold, f.Person).Render(), nil
		}
		return b.card(ctx, v, f.Person).Render(), nil
	case workflows.KindReview:
		s, err := b.c.Desk.Review(ctx, workflows.ReviewID(f.Stream.Rest()))
		if err != nil {
			return screens.Message{}, err
		}
		return b.review(ctx, s, f.Person).Ask(), nil
	case workflows.KindPolicy:
		return b.redrawPolicy(ctx, f)
	case workflows.KindRun:
		s, err := b.c.Desk.Run(ctx, workflows.RunID(f.Stream.Rest()))
		if err != nil {
			return screens.Message{}, err
		}
		return b.checklist(ctx, s, f.Person).Render(), nil
	case workflows.KindSheet:
		s, err := b.c.Desk.Sheet(ctx, workflows.SheetID(f.Stream.Rest()))
		if err != nil {
			return screens.Message{}, err
		}
		m, err := b.sheet(ctx, s, f.Person)
		return m.Render(), err
	case workflows.KindRunbook:
		return b.redrawSecond(ctx, f)
	case workflows.KindEscalation:
		s, err := b.c.Desk.Escalation(ctx, f.Stream.Rest())
		if err != nil {
			return screens.Message{}, err
		}
		return b.page(ctx, s, f.Person).Render(), nil
	case workflows.KindGrant:
		h, err := b.holdOf(ctx, f)
		if err != nil {
			return screens.Message{}, err
		}
		return b.ready(ctx, h, f.Person).Render(), nil
	}
	return screens.Message{}, fmt.Errorf("no screen shows a stream of kind %q", f.Stream.Kind())
}

// offerAt finds the counter-offer that a message is about: the one whose notice was delivered there.
func offerAt(s workflows.State, f Surface) (workflows.Offer, bool) {
	for _, o := range s.Offers {
		id := workflows.NoticeOffer + "/" + o.ID
		if d, ok := s.Delivered[id]; ok && d.Place == f.Channel+"/"+f.TS {
			return o, true
		}
	}
	return workflows.Offer{}, false
}

// redrawPolicy finds which change of the documents a message is about, likewise.
func (b *Bot) redrawPolicy(ctx context.Context, f Surface) (screens.Message, error) {
	h, err := b.c.Histories.History(ctx, f.Stream)
	if err != nil {
		return screens.Message{}, err
	}
	for _, r := range h {
		e, ok := r.Event.(workflows.NoticeDelivered)
		if !ok || e.Place != f.Channel+"/"+f.TS {
			continue
		}
		p, _, err := b.c.Desk.NoticeOf(ctx, workflows.Notice{ID: e.Notice, What: workflows.NoticePolicy, To: f.Person})
		return b.proposal(ctx, p, f.Person).Render(), err
	}
	list, err := b.c.Desk.Proposals(ctx) // before the delivery is recorded it is the newest
	if err != nil || len(list) == 0 {
		return screens.Message{}, errors.Join(err, workflows.ErrNoStream)
	}
	return b.proposal(ctx, list[0], f.Person).Render(), nil
}

// holdOf finds which grant of a stream a message is about: the one whose notice says it was delivered there. Before that is recorded it is
// the newest that a runbook made.
func (b *Bot) holdOf(ctx context.Context, f Surface) (grants.Hold, error) {
	h, err := b.c.Histories.History(ctx, f.Stream)
	if err != nil {
		return grants.Hold{}, err
	}
	s, err := grants.Fold(h)
	if err != nil {
		return grants.Hold{}, err
	}
	var newest grants.Hold
	for _, hold := range s.Holds {
		id := workflows.NoticeReady + "/" + string(hold.Approved.Grant) + "/" + string(f.Person)
		if d, ok := s.Delivered[id]; ok && d.Place == f.Channel+"/"+f.TS {
			return hold, nil
		}
		if hold.Approved.Request == "" {
			newest = hold
		}
	}
	if newest.Approved.Grant == "" {
		return newest, workflows.ErrNoStream
	}
	return newest, nil
}

func (b *Bot) paintHome(ctx context.Context, f Surface) error {
	id, err := b.c.Identity.Slack(ctx, f.Person)
	if err != nil {
		return err
	}
	if id == "" {
		return b.c.Surfaces.Drop(ctx, f.ID)
	}
	view, err := b.home(ctx, f.Person)
	if err != nil {
		return fmt.Errorf("drawing a Home page: %w", err)
	}
	_, err = b.c.Slack.PublishHome(ctx, id, "", view)
	return err
}

// thread writes what happened since into the thread below a card, a line for each decision. How far it came is kept after every line, so
// that a job that runs again goes on where it stopped. A line of which Slack does not say whether it was posted counts as posted: the card
// and the ledger tell the whole story, and a history that says things twice is believed less.
func (b *Bot) thread(ctx context.Context, f Surface) error {
	h, err := b.c.Histories.History(ctx, f.Stream)
	if err != nil {
		return err
	}
	written := 0
	for _, r := range h {
		if r.Seq <= f.Thread {
			continue
		}
		l, ok := b.line(ctx, r)
		if ok {
			if written++; written > maxThread {
				return nil
			}
			m := l.Render()
			_, err := b.c.Slack.PostMessage(ctx, f.Channel, slack.Message{
				Text: m.Text, Blocks: m.Blocks, ThreadTS: f.TS, Broadcast: l.Loud,
				Metadata: slack.Metadata{EventType: ourMetadata, Payload: map[string]any{"id": fmt.Sprintf("%s#line/%d", f.Stream, r.Seq)}},
			})
			var amb *slack.Ambiguous
			if err != nil && !errors.As(err, &amb) {
				return err
			}
		} else if written == 0 {
			continue // nothing to say yet: the mark moves with the next line
		}
		if err := b.c.Surfaces.Threaded(ctx, f.ID, r.Seq); err != nil {
			return err
		}
	}
	return nil
}

// line puts one event into words, if it is one that people follow.
func (b *Bot) line(ctx context.Context, r workflows.Record) (screens.Line, bool) {
	in := b.workspace()
	l := screens.Line{At: r.At.UTC, By: b.person(ctx, r.Person), In: in}
	switch e := r.Event.(type) {
	case workflows.VoteRecorded:
		l.Did, l.Reason = in.Say("approved stage %d", e.Stage+1), e.Reason
		if e.Verdict == workflows.Deny {
			l.Did = in.Say("denied at stage %d", e.Stage+1)
		}
	case workflows.VoteTakenBack:
		l.Did, l.Reason = in.Say("took the approval of stage %d back", e.Stage+1), e.Why
	case workflows.StageReminded:
		l.Did = in.Say("reminded those asked in stage %d", e.Stage+1)
	case workflows.StageEscalated:
		if len(e.Added) == 0 {
			return l, false
		}
		l.Did, l.Loud = in.Say("escalated stage %d: %d more people were asked", e.Stage+1, len(e.Added)), true
	case workflows.Approved:
		l.By, l.Did = screens.Person{}, in.Of("recorded the approval of the request")
	case workflows.Withdrawn:
		l.Did, l.Reason = in.Of("withdrew the request"), e.Why
	case workflows.TimedOut:
		l.Did = in.Of("closed the request: it timed out, which is not a denial")
	case workflows.Superseded:
		l.By, l.Did = screens.Person{}, in.Say("closed the request as superseded: %s", e.Why)
	case workflows.Failed:
		l.Did = in.Say("could not make the access: %s", e.Why)
	default:
		return l, false
	}
	return l, true
}
