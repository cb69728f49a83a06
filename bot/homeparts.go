package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
)

// pages remembers which part of each list somebody looks at on their Home page. It is only a memory: after a restart everybody is back at
// the beginning.
type pages struct {
	mu   sync.Mutex
	rows map[workflows.PersonID]map[string]int
}

func (x *pages) of(p workflows.PersonID) map[string]int {
	x.mu.Lock()
	defer x.mu.Unlock()
	if out := maps.Clone(x.rows[p]); out != nil {
		return out
	}
	return map[string]int{}
}

func (x *pages) turn(p workflows.PersonID, list string, from int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.rows == nil || len(x.rows) >= maxCached {
		x.rows = map[workflows.PersonID]map[string]int{}
	}
	if x.rows[p] == nil {
		x.rows[p] = map[string]int{}
	}
	x.rows[p][list] = from
}

func (x *pages) first(p workflows.PersonID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.rows, p)
}

// window is the part of a list that a Home page shows. A list that became shorter than where its reader was shows its end.
func window[T any](list []T, h *screens.Home, name string) []T {
	from := max(0, min(h.From[name], len(list)-1))
	from -= from % screens.HomeLines
	h.From[name] = from
	to := min(len(list), from+screens.HomeLines)
	h.More[name] = len(list) - to
	return list[from:to]
}

// turnPage shows another part of a list on the clicker's own Home page. What the button says is a claim: it can only choose what is shown
// of their own lists.
func (b *Bot) turnPage(ctx context.Context, c *call) (answer, error) {
	list, from, _ := strings.Cut(c.value(), ":")
	n, err := strconv.Atoi(from)
	known := []string{screens.HomeWaiting, screens.HomeMine, screens.HomeGrants, screens.HomeReviews, screens.HomeOwned}
	if err != nil || n < 0 || n > maxListed || !slices.Contains(known, list) || c.View == nil {
		return answer{}, nil
	}
	b.pages.turn(c.by.Person, list, n)
	view, err := b.home(ctx, c.by.Person)
	if err != nil {
		return answer{}, err
	}
	_, err = b.c.Slack.PublishHome(ctx, c.UserID, "", view)
	return answer{}, err
}

// openDelegate lets somebody else decide what waits for the clicker.
func (b *Bot) openDelegate(ctx context.Context, c *call) (answer, error) {
	x, no, err := b.pressed(ctx, c, kindDelegate, "delegate")
	if no != nil || err != nil {
		return refusal(no), err
	}
	v, no, err := b.look(ctx, c, "delegate", workflows.RequestID(x.ID))
	if no != nil || err != nil {
		return refusal(no), err
	}
	if v.State.Open() == nil {
		return said("This request is decided already; nothing has to be delegated."), nil
	}
	return b.open(ctx, c, screens.DelegateForm(b.card(ctx, v, c.by.Person)))
}

// ownedItems are the non-human identities of the inventory that a person answers for or is asked to take over, a page of them.
func (b *Bot) ownedItems(ctx context.Context, h *screens.Home, p workflows.PersonID) ([]screens.Item, error) {
	ids, err := b.c.Desk.Owned(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("reading what somebody answers for: %w", err)
	}
	var out []screens.Item
	for _, id := range window(ids, h, screens.HomeOwned) {
		x := b.c.Desk.Policy().Identities[id] // what the folder registered and the inventory has no row for yet
		own := owned{name: x.Name, kind: x.Class, purpose: x.Purpose, until: x.ExpiresOn, mine: x.Owner == p}
		v, err := b.c.Desk.Identity(ctx, p, id)
		switch {
		case err == nil:
			own = owned{name: v.Entry.Name, kind: v.Row.Kind, purpose: v.Entry.Purpose, until: own.until, mine: v.Entry.Owner == string(p) || v.Entry.Backup != string(p), findings: v.Findings}
			if own.until == "" && v.Row.Expires != 0 {
				own.until = v.Row.Expires.LastDay()
			}
		case !errors.Is(err, workflows.ErrNoStream):
			return nil, err
		}
		out = append(out, own.item(id, h.In))
	}
	return out, nil
}

// owned is an identity on the page of who answers for it.
type owned struct {
	name, kind, purpose, until string
	mine                       bool
	findings                   []string
}

func (x owned) item(id workflows.IdentityID, l screens.Locale) screens.Item {
	line := screens.Escape(strings.ReplaceAll(x.kind, "_", " ") + ": " + strings.TrimSuffix(strings.TrimSpace(x.purpose), "."))
	if x.until != "" {
		line += l.Say(", until %s", screens.Escape(x.until))
	}
	if !x.mine {
		line += l.Of(" (you stand in for the owner)")
	}
	if len(x.findings) > 0 {
		line += " :warning: " + screens.Escape(strings.ReplaceAll(strings.Join(x.findings, ", "), "_", " "))
	}
	return screens.Item{Title: cmp.Or(x.name, string(id)), Line: line}
}

// dutyItems says who is on duty now, the reader's own shifts first.
func (b *Bot) dutyItems(ctx context.Context, p workflows.PersonID, l screens.Locale) []screens.Item {
	policy, now := b.c.Desk.Policy(), b.c.Now()
	var mine, others []screens.Item
	for _, name := range sortedKeys(policy.Rotations) {
		on := policy.Rotations[name].On(now)
		if len(on) == 0 {
			others = append(others, screens.Item{Title: name, Line: l.Of("nobody")})
			continue
		}
		var who []string
		for _, x := range on {
			if x != p {
				who = append(who, b.person(ctx, x).Mention())
			}
		}
		if slices.Contains(on, p) {
			mine = append(mine, screens.Item{Title: name, Line: strings.Join(append([]string{"*" + l.Of("you") + "*"}, who...), ", ")})
			continue
		}
		others = append(others, screens.Item{Title: name, Line: strings.Join(who, ", ")})
	}
	return append(mine, others...)
}
