package bot

import (
	"context"
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
	known := []string{screens.HomeWaiting, screens.HomeMine, screens.HomeGrants, screens.HomeReviews}
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

// ownedItems are the non-human identities that a person answers for.
func (b *Bot) ownedItems(p workflows.PersonID, l screens.Locale) []screens.Item {
	policy := b.c.Desk.Policy()
	var out []screens.Item
	for _, id := range sortedKeys(policy.Identities) {
		x := policy.Identities[id]
		if x.Owner != p && x.Backup != p {
			continue
		}
		line := screens.Escape(strings.ReplaceAll(x.Class, "_", " ") + ": " + strings.TrimSuffix(strings.TrimSpace(x.Purpose), "."))
		if x.ExpiresOn != "" {
			line += l.Say(", until %s", screens.Escape(x.ExpiresOn))
		}
		if x.Owner != p {
			line += l.Of(" (you stand in for the owner)")
		}
		name := x.Name
		if name == "" {
			name = string(id)
		}
		out = append(out, screens.Item{Title: name, Line: line})
	}
	return out
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
