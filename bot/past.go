package bot

import (
	"context"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// pastAge is how far back an approver is told what the requester asked for.
const pastAge = 90 * 24 * time.Hour

// past is what somebody who decides should know of the requester: what they asked for in the last ninety days, and who decided the same thing
// last time. It is worked out once for each request, from what was before it, so that a card does not change by itself.
func (b *Bot) past(ctx context.Context, v desk.View, l screens.Locale) string {
	if v.State.Open() == nil {
		return ""
	}
	line, err := b.pasts.get(string(v.State.ID)+"/"+l.Lang, func() (string, error) { return b.pastOf(ctx, v, l) })
	if err != nil {
		b.log.WarnContext(ctx, "what the requester asked for before is not known", "request", v.State.ID, "err", err)
	}
	return line
}

func (b *Bot) pastOf(ctx context.Context, v desk.View, l screens.Locale) (string, error) {
	s := v.State
	list, err := b.c.Desk.Requests(ctx, workflows.ListMine, s.Requester.Person, maxPast)
	if err != nil {
		return "", err
	}
	asked, approved, denied, same := 0, 0, 0, 0
	var last *desk.View
	for i, x := range list {
		at := x.State.At.UTC
		if x.State.ID == s.ID || at > s.At.UTC || s.At.UTC.Sub(at) > pastAge {
			continue
		}
		asked++
		switch x.State.Status {
		case workflows.StatusApproved:
			approved++
		case workflows.StatusDenied:
			denied++
		}
		if x.State.Asked.Target == s.Asked.Target && x.State.Asked.Entitlement == s.Asked.Entitlement {
			same++
			if last == nil && x.State.Final() {
				last = &list[i]
			}
		}
	}
	who := b.person(ctx, s.Requester.Person).Mention()
	if asked == 0 {
		return l.Say("In the last 90 days %s asked for nothing else.", who), nil
	}
	line := l.Say("In the last 90 days %s asked %d times (%d approved, %d denied), %d of them for this.", who, asked, approved, denied, same)
	switch {
	case asked == 1:
		line = l.Say("In the last 90 days %s asked once (%d approved, %d denied), %d of them for this.", who, approved, denied, same)
	case asked >= maxPast-1:
		line = l.Say("In the last 90 days %s asked %d or more times (%d approved, %d denied), %d of them for this.", who, asked, approved, denied, same)
	}
	if last == nil {
		return line, nil
	}
	var by []string
	for _, st := range last.State.Stages {
		for _, vote := range st.Votes {
			by = append(by, b.person(ctx, vote.Person).Mention())
		}
	}
	at := l.When(last.State.At.UTC)
	if len(by) == 0 {
		return line + " " + l.Say("Last time for this: %s, at %s.", l.Status(last.State.Status), at), nil
	}
	return line + " " + l.Say("Last time for this: %s by %s, at %s.", l.Status(last.State.Status), strings.Join(by[:min(len(by), 3)], ", "), at), nil
}

// maxPast is how many earlier requests are looked at.
const maxPast = 30
