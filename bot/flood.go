package bot

import (
	"context"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/workflows"
)

// flood keeps strangers from filling the ledger (T62). What an account does that belongs to nobody in the people file has entries of its own
// only as long as there are few; beyond that it is refused without an entry, counted, and a summary goes into the ledger now and then.
// Somebody in the people file never passes through here: a refusal of a known person is always its own entry.
type flood struct {
	mu       sync.Mutex
	tokens   float64
	at       workflows.Stamp // when tokens was right
	started  bool
	from     workflows.Stamp // of the attempts that no entry stands for
	summed   workflows.Stamp // when the last summary was made
	attempts int64
	accounts map[string]bool
}

// pass tells whether an attempt may have entries of its own.
func (f *flood) pass(now workflows.Stamp, account string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.started {
		f.started, f.tokens = true, floodBurst
	} else if d := now.Sub(f.at); d > 0 {
		f.tokens = min(floodBurst, f.tokens+float64(d)/float64(floodEvery))
	}
	f.at = max(f.at, now)
	if f.tokens >= 1 {
		f.tokens--
		return true
	}
	if f.attempts == 0 {
		f.from, f.accounts = now, map[string]bool{}
	}
	f.attempts++
	if len(f.accounts) < maxFloodAccounts {
		f.accounts[account] = true
	}
	return false
}

// due takes the summary that is to be recorded, if there is one and the last is long enough ago, or at the end.
func (f *flood) due(now workflows.Stamp, last bool) (workflows.RefusalsSummarised, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.attempts == 0 || !last && now.Sub(f.summed) < floodSummary {
		return workflows.RefusalsSummarised{}, false
	}
	e := workflows.RefusalsSummarised{From: f.from, Until: now, Attempts: f.attempts, Accounts: int64(len(f.accounts))}
	f.attempts, f.accounts, f.summed = 0, nil, now
	return e, true
}

// stranger tells whether an interaction is to be refused without an entry.
func (b *Bot) stranger(ctx context.Context, in slack.Interaction) bool {
	if in.UserID == "" || b.c.Identity.known(ctx, in) {
		return false
	}
	now := b.c.Now()
	passes := b.flood.pass(now, b.c.Identity.keyOf(in))
	b.summarise(ctx, now, false)
	return !passes
}

func (b *Bot) summarise(ctx context.Context, now workflows.Stamp, last bool) {
	e, ok := b.flood.due(now, last)
	if !ok {
		return
	}
	if err := b.c.Desk.Summarise(ctx, e); err != nil {
		b.log.ErrorContext(ctx, "refused attempts of strangers were counted and could not be recorded", "attempts", e.Attempts, "err", err)
	}
}

// Sweep records what was counted and has no entry yet. cmd calls it now and then and at the end.
func (b *Bot) Sweep(ctx context.Context, last bool) { b.summarise(ctx, b.c.Now(), last) }

// crowded is what a stranger is told who comes when there are too many: only where that costs no call of its own.
func crowded(in slack.Interaction) answer {
	if in.Kind != slack.KindCommand {
		return answer{}
	}
	return refused(workflows.Refuse(workflows.CodeUnlinked,
		"This account is not in the people file, so nothing was done. There are many such attempts at the moment: they are counted and recorded together.",
		"Ask the operator to add you, and try again later."))
}

// known tells whether an account belongs to somebody in the people file, without recording anything about it.
func (i *Identity) known(ctx context.Context, in slack.Interaction) bool {
	if foreign(i.c.Installation, in) {
		return false
	}
	key, l := i.keyOf(in), i.listed.Load()
	if _, ok := l.bySlack[key]; ok {
		return true
	}
	if _, ok, err := i.byEmail(ctx, l, key); ok && err == nil {
		return true
	}
	a, err := i.c.Accounts.Ensure(ctx, slackAccount, key)
	if err != nil || a.Person == "" {
		return false
	}
	_, listed := l.byPerson[a.Person]
	return listed
}

const (
	// floodBurst attempts of strangers have entries of their own at once, and then one in floodEvery. With the two entries that a new account
	// can make (who it is, what was refused) and a summary every floodSummary this stays below sixty entries an hour.
	floodBurst   = 10
	floodEvery   = 5 * time.Minute
	floodSummary = 5 * time.Minute
	// maxFloodAccounts bounds the accounts that are told apart in a summary.
	maxFloodAccounts = 1000
)
