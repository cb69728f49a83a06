package bot

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// words is the whole grammar of what follows a command: words between spaces. No quotes, no flags, no files, no environment (T59).
func words(text string) []string {
	if len(text) > maxLine {
		text = text[:maxLine]
	}
	return strings.Fields(strings.ToValidUTF8(text, ""))
}

// access is /access. What it does not know is answered with help.
func (b *Bot) access(ctx context.Context, c *call) (answer, error) {
	if _, kind := workflows.WithoutCredentials(c.Text); kind != "" && !asksWhose(c.Text) {
		no, err := b.c.Desk.Refuse(ctx, c.cause(), c.by, "access", viaSlack, "", workflows.RefuseCredential(kind))
		return refusal(no), err
	}
	w := words(c.Text)
	if len(w) == 0 {
		return b.openForm(ctx, c)
	}
	verb, rest := strings.ToLower(w[0]), w[1:]
	switch {
	case verb == "request" && len(rest) == 0:
		return b.openForm(ctx, c)
	case verb == "request" && len(rest) == 1:
		return b.openChain(ctx, c, workflows.WorkflowID(strings.ToLower(rest[0])))
	case verb == "list" && len(rest) == 0:
		return b.list(ctx, c)
	case verb == "status" && len(rest) == 1:
		return b.status(ctx, c, rest[0])
	case verb == "withdraw" && len(rest) == 1:
		return b.withdrawWord(ctx, c, rest[0])
	case verb == "done" && len(rest) <= 1:
		return b.doneWord(ctx, c, strings.Join(rest, ""))
	case verb == "extend" && len(rest) <= 1:
		return b.extendWord(ctx, c, strings.Join(rest, ""))
	case verb == "away":
		return b.awayWord(ctx, c, rest)
	case verb == "back" && len(rest) == 0:
		return b.back(ctx, c)
	case verb == "comment" && len(rest) >= 2:
		return b.commentWord(ctx, c, rest[0], strings.Join(rest[1:], " "))
	case verb == "link" && len(rest) <= 1:
		return b.linkWord(ctx, c, strings.Join(rest, ""))
	case verb == "unlink" && len(rest) >= 1:
		return b.unlinkWord(ctx, c, rest[0], strings.Join(rest[1:], " "))
	case verb == "whoami" && len(rest) == 0:
		return b.whoami(ctx, c)
	case verb == "health" && len(rest) == 0:
		return b.health(ctx, c)
	case verb == "secret" && len(rest) <= 1:
		return b.secretWord(ctx, c, strings.Join(rest, ""))
	case verb == "key" && len(rest) <= 4:
		return b.keyWord(ctx, c, strings.Join(rest, " "))
	case verb == "drift" && len(rest) <= 1:
		return b.driftWord(ctx, c, strings.Join(rest, ""))
	case verb == "identity" || verb == "identities":
		return b.identityVerb(ctx, c, rest)
	case verb == "who":
		return b.whoWord(ctx, c, rest)
	case verb == "leak" && len(rest) == 0:
		return b.openLeak(ctx, c)
	case verb == "leak" && len(rest) == 1 && rest[0] == "list":
		return b.leaks(ctx, c)
	case verb == "run":
		return b.runRoutine(ctx, c, rest)
	case verb == "review" && len(rest) <= 1:
		return b.reviewVerb(ctx, c, rest)
	case verb == "how" && len(rest) <= 1:
		return b.howWord(ctx, c, strings.Join(rest, ""))
	}
	if a, ours, err := b.killWord(ctx, c, verb, rest); ours || err != nil {
		return a, err
	}
	return spoken(screens.Locale.Help), nil
}

func (b *Bot) status(ctx context.Context, c *call, word string) (answer, error) {
	v, no, err := b.byWord(ctx, c.by.Person, word)
	if no != nil || err != nil {
		return refusal(no), err
	}
	card := b.card(ctx, v, c.by.Person)
	card.Link = b.cardLink(ctx, v)
	b.opened(ctx, c, v, workflows.OpenedStatus)
	return answer{message: screens.Status(card)}, nil
}

func (b *Bot) withdrawWord(ctx context.Context, c *call, word string) (answer, error) {
	v, no, err := b.byWord(ctx, c.by.Person, word)
	if err != nil {
		return answer{}, err
	}
	if no != nil {
		no, err := b.c.Desk.Refuse(ctx, c.cause(), c.by, "withdraw", viaSlack, word, no)
		return refusal(no), err
	}
	return b.withdrawID(ctx, c, v.State.ID)
}

func (b *Bot) doneWord(ctx context.Context, c *call, word string) (answer, error) {
	h, no, err := b.grantByWord(ctx, c.by.Person, word)
	if err != nil {
		return answer{}, err
	}
	if no != nil {
		no, err := b.c.Desk.Refuse(ctx, c.cause(), c.by, grants.HowReturned, viaSlack, word, no)
		return refusal(no), err
	}
	return b.end(ctx, c, h.Hold.Approved.Grant, grants.HowReturned, "")
}

// list is what waits, what was asked for, what is held and what can be asked for.
func (b *Bot) list(ctx context.Context, c *call) (answer, error) {
	p := c.by.Person
	waiting, err := b.c.Desk.Requests(ctx, workflows.ListWaiting, p, maxListed)
	if err != nil {
		return answer{}, err
	}
	mine, err := b.c.Desk.Requests(ctx, workflows.ListMine, p, maxListed)
	if err != nil {
		return answer{}, err
	}
	held, err := b.c.Desk.Grants(ctx, p, 0)
	if err != nil {
		return answer{}, err
	}
	offers, err := b.c.Desk.Catalogue(ctx, p)
	if err != nil {
		return answer{}, err
	}
	l := b.inUser(ctx, c.UserID)
	return answer{message: l.List(
		screens.Part{Title: l.Of("Waiting for you"), Empty: l.Of("Nothing waits for your decision."), Items: b.requestItems(ctx, waiting, l)},
		screens.Part{Title: l.Of("Access you have"), Empty: l.Of("None. Ask with `/access`."), Items: b.grantItems(held, l)},
		screens.Part{Title: l.Of("Your requests"), Empty: l.Of("You have not asked for anything yet."), Items: b.requestItems(ctx, mine, l)},
		screens.Part{Title: l.Of("What you can ask for"), Empty: l.Of("Nothing. Who may ask for what stands in the workflow files."), Items: offerItems(offers, l)},
	)}, nil
}

func (b *Bot) requestItems(ctx context.Context, list []desk.View, l screens.Locale) []screens.Item {
	out := make([]screens.Item, 0, len(list))
	for _, v := range list {
		e := b.explain(ctx, v.State, l)
		out = append(out, screens.Item{
			Title: l.Say("%s for %s", what(v), v.State.Asked.Seconds),
			Line:  b.person(ctx, v.State.Requester.Person).Mention() + ", `" + string(v.State.ID) + "`: " + e.Sentence,
		})
	}
	return out
}

func (b *Bot) grantItems(list []desk.Holding, l screens.Locale) []screens.Item {
	out := make([]screens.Item, 0, len(list))
	for _, h := range list {
		a := h.Hold.Approved
		out = append(out, screens.Item{
			Title: title(a.TargetTitle, a.Title),
			Line:  l.Say("until %s, `%s`, %s", l.When(h.Hold.Ends.UTC), a.Grant, holdWord(h.Hold.Status, l)),
		})
	}
	return out
}

// holdWord is the state of a grant within a sentence.
func holdWord(s grants.Status, l screens.Locale) string {
	switch s {
	case grants.StatusApproved:
		return l.Of("approved")
	case grants.StatusActive:
		return l.Of("active")
	case grants.StatusEnding:
		return l.Of("ending")
	case grants.StatusEnded:
		return l.Of("ended")
	}
	return string(s)
}

func offerItems(offers []desk.Offer, l screens.Locale) []screens.Item {
	out := make([]screens.Item, 0, len(offers))
	for _, o := range offers {
		w := o.Version.Workflow
		out = append(out, screens.Item{Title: w.Title, Line: l.Say("`/access request %s`, up to %s", w.ID, w.Longest)})
	}
	return out
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
