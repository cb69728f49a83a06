package bot

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// Later says that somebody is not to be disturbed with a reminder now. It is no failure: the job is to be run again after D, and asks again
// then whether the reminder is still owed.
type Later struct {
	D   time.Duration
	Why string
}

func (l *Later) Error() string { return "not now: " + l.Why }

// nudges remembers when somebody was last reminded, so that reminders come together and not one by one.
type nudges struct {
	mu   sync.Mutex
	rows map[workflows.PersonID]workflows.Stamp
}

func (x *nudges) last(p workflows.PersonID) workflows.Stamp {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.rows[p]
}

func (x *nudges) put(p workflows.PersonID, at workflows.Stamp) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.rows == nil || len(x.rows) >= maxCached {
		x.rows = map[workflows.PersonID]workflows.Stamp{}
	}
	x.rows[p] = at
}

// disturb tells whether a person may be reminded now: not within their quiet hours, as the people file has them, not while they have Slack set
// to "do not disturb", and not twice within half an hour. Nothing but reminders waits: who is asked is asked at once, or when the chain says so,
// and break glass is never held back.
func (b *Bot) disturb(ctx context.Context, p workflows.PersonID) *Later {
	now := b.c.Now()
	if last := b.nudges.last(p); !last.IsZero() && now.Sub(last) < digestEvery && now >= last {
		return &Later{digestEvery - now.Sub(last), "they were reminded a moment ago; what is due comes together"}
	}
	if h := b.c.Desk.Policy().Hours[p]; h != nil && !h.IsOpen(now) {
		if next, ok := h.NextOpen(now); ok && next.Sub(now) < quietMost {
			return &Later{min(next.Sub(now), quietLook), "they are off work"}
		}
	}
	id, err := b.c.Identity.Slack(ctx, p)
	if err != nil || id == "" {
		return nil
	}
	until, err := b.c.Slack.QuietUntil(ctx, id, now.Time())
	if err != nil { // without the scope, or without Slack, nobody is kept from being reminded
		b.log.DebugContext(ctx, "whether somebody wants quiet is not known", "err", err)
		return nil
	}
	if wait := until.Sub(now.Time()); wait > 0 && wait < quietMost {
		return &Later{min(wait, quietLook), "they have set do not disturb"}
	}
	return nil
}

// reminder is another request that the same person is owed a notice about.
type reminder struct {
	view   desk.View
	notice workflows.Notice
}

// together gathers the reminders that a person is owed now.
func (b *Bot) together(ctx context.Context, p workflows.PersonID) ([]reminder, error) {
	list, err := b.c.Desk.Requests(ctx, workflows.ListWaiting, p, maxListed)
	return owedOf(list, p, workflows.NoticeRemind), err
}

// crowd gathers requests that escalate to somebody now, the given one first, if it still does.
func (b *Bot) crowd(ctx context.Context, p workflows.PersonID, stream workflows.StreamID) ([]reminder, error) {
	list, err := b.c.Desk.RequestsFrom(ctx, workflows.ListWaiting, p, workflows.RequestID(stream.Rest()), maxListed)
	return owedOf(list, p, workflows.NoticeEscalated), err
}

// owedOf are the notices of a kind that requests owe a person.
func owedOf(list []desk.View, p workflows.PersonID, kind string) (out []reminder) {
	for _, v := range list {
		i := slices.IndexFunc(v.State.Notices(), func(n workflows.Notice) bool { return n.What == kind && n.To == p })
		if i >= 0 {
			out = append(out, reminder{v, v.State.Notices()[i]})
		}
	}
	return out
}

// remind sends all reminders that a person is owed as one message. With a single one it is the card itself.
func (b *Bot) remind(ctx context.Context, cause desk.Cause, stream workflows.StreamID, n workflows.Notice, to place, tries int) (string, error) {
	list, err := b.together(ctx, n.To)
	if err != nil {
		return "", err
	}
	if len(list) < 2 {
		why, err := b.send(ctx, cause, stream, n, to, tries)
		if why == "" && err == nil {
			b.nudges.put(n.To, b.c.Now())
		}
		return why, err
	}
	at, _, err := b.post(ctx, stream, n, to, letter{Message: b.digest(ctx, list).Render()}, tries)
	if why, err := permanent(err); why != "" || err != nil {
		return why, err
	}
	b.nudges.put(n.To, b.c.Now())
	return "", b.toldOf(ctx, cause, list, at)
}

// widen asks somebody whom an escalation added. Where many requests escalate to them at once, as when nobody has answered for hours, they come as
// one message that leads to the cards: a thousand messages would hide the one that matters (F31).
func (b *Bot) widen(ctx context.Context, cause desk.Cause, stream workflows.StreamID, n workflows.Notice, to place, tries int) (string, error) {
	if n.To == "" || stream.Kind() != workflows.KindRequest {
		return b.send(ctx, cause, stream, n, to, tries)
	}
	list, err := b.crowd(ctx, n.To, stream)
	if err != nil {
		return "", err
	}
	if len(list) < crowdFrom {
		return b.send(ctx, cause, stream, n, to, tries)
	}
	b.crowds.Lock() // one message at a time: the next one is about those that this one leaves
	defer b.crowds.Unlock()
	if list, err = b.crowd(ctx, n.To, stream); err != nil || len(list) == 0 || list[0].view.Stream != stream {
		return "", err // told meanwhile
	}
	if len(list) < crowdFrom {
		return b.send(ctx, cause, stream, n, to, tries)
	}
	list = list[:min(len(list), crowdAtOnce)]
	d := b.digest(ctx, list)
	d.Escalated = true
	at, found, err := b.post(ctx, stream, n, to, letter{Message: d.Render()}, tries)
	if why, err := permanent(err); why != "" || err != nil {
		return why, err
	}
	if found { // by an earlier try, of which nobody knows what else it said
		list = list[:1]
	}
	return "", b.toldOf(ctx, cause, list, at)
}

// toldOf records that a message told somebody of all of a list.
func (b *Bot) toldOf(ctx context.Context, cause desk.Cause, list []reminder, at slack.Posted) error {
	for i, x := range list {
		c := desk.Cause(fmt.Sprintf("%s#%d/%s", cause, i, x.view.Stream))
		e := workflows.NoticeDelivered{Notice: x.notice.ID, Via: viaSlack, Place: at.Channel + "/" + at.TS}
		if err := b.c.Desk.Delivered(ctx, c, x.view.Stream, e); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bot) digest(ctx context.Context, list []reminder) screens.Digest {
	d := screens.Digest{In: b.in(ctx, list[0].notice.To)}
	for _, x := range list {
		s := x.view.State
		line := screens.DigestLine{ID: s.ID, Requester: b.person(ctx, s.Requester.Person), What: what(x.view), Long: s.Asked.Seconds, Link: b.ownCard(ctx, x)}
		if st := s.Open(); st != nil {
			line.By = st.TimesOutAt
		}
		d.Lines = append(d.Lines, line)
	}
	return d
}

// ownCard is the address of the copy in the person's own direct messages, where the buttons are; else that of the channel's.
func (b *Bot) ownCard(ctx context.Context, x reminder) string {
	list, err := b.c.Surfaces.Of(ctx, x.view.Stream)
	if err != nil {
		return ""
	}
	for _, f := range list {
		if f.Person == x.notice.To && !f.Home && f.TS != "" {
			link, err := b.links.get(f.Channel+"/"+f.TS, func() (string, error) {
				return b.c.Slack.Permalink(ctx, slack.Posted{Channel: f.Channel, TS: f.TS})
			})
			if err == nil {
				return link
			}
		}
	}
	return b.cardLink(ctx, x.view)
}

const (
	// digestEvery is how far apart reminders to one person are.
	digestEvery = 30 * time.Minute
	// quietMost is the longest quiet that is waited for: whoever is away longer is on time off, which chains know.
	quietMost = 72 * time.Hour
	// quietLook is how often a waiting reminder asks again: quiet can end early.
	quietLook = 15 * time.Minute
)
