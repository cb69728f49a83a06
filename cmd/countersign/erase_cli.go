package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/store/custody"
)

// ledgerErase proposes or confirms an erasure.
func ledgerErase(ctx context.Context, p proc) error {
	if len(p.args) > 0 && p.args[0] == "confirm" {
		return custodyConfirm(ctx, p, "ledger erase confirm")
	}
	x := newPerson(p, "ledger erase", "-person KEY | -entry N -field FIELD  -reason TEXT [-basis request|law|mistake]; then, as another owner: ledger erase confirm ID")
	o := order{Do: doErase}
	x.flags.StringVar(&o.Person, "person", "", "whose texts: their key in people.yaml, or the pseudonym p_…")
	x.flags.Int64Var(&o.Entry, "entry", 0, "number of one entry")
	x.flags.StringVar(&o.Field, "field", "", "its field, such as reason; countersign ledger show -json names them")
	x.flags.StringVar(&o.Reason, "reason", "", "why, for those who confirm; it is kept as long as texts are")
	x.flags.StringVar(&o.Basis, "basis", "", "request (the person asked for it, the default), law, or mistake; it stays readable for ever")
	if _, err := x.parse(0, 0); err != nil {
		return err
	}
	if (o.Person == "") == (o.Entry == 0) {
		return usageError{"give either -person, or -entry and -field"}
	}
	return x.do(ctx, o)
}

// ledgerDisclose proposes or confirms that texts are exported.
func ledgerDisclose(ctx context.Context, p proc) error {
	if len(p.args) > 0 && p.args[0] == "confirm" {
		return custodyConfirm(ctx, p, "ledger disclose confirm")
	}
	x := newPerson(p, "ledger disclose", "all|STREAM,… -reason TEXT; then, as another owner: ledger disclose confirm ID")
	reason := x.flags.String("reason", "", "who gets it and why")
	words, err := x.parse(1, 1)
	if err != nil {
		return err
	}
	return x.do(ctx, order{Do: doDisclose, What: words[0], Reason: *reason})
}

// custodyConfirm shows a proposal and confirms it.
func custodyConfirm(ctx context.Context, p proc, name string) error {
	p.args = p.args[1:]
	x := newPerson(p, name, "ID [-yes]")
	yes := x.flags.Bool("yes", false, "do not ask again after showing the proposal")
	words, err := x.parse(1, 1)
	if err != nil {
		return err
	}
	seen, err := send(ctx, x.cfg, order{Do: doCustody, ID: words[0]})
	if err != nil {
		return err
	}
	if !seen.OK {
		return x.print(seen)
	}
	if !*yes {
		x.printText(seen)
		if !x.agrees("confirm") {
			return errors.New("nothing was done")
		}
	}
	return x.do(ctx, order{Do: doConfirm, ID: seen.ID})
}

// mayDisclose holds that texts leave a real ledger only when two people agreed: id names what they agreed on, and the ledger has it. In a
// demonstration nobody has to.
func (e *evidence) mayDisclose(ctx context.Context, what, id string, now time.Time) error {
	if what == "none" {
		return nil
	}
	if demo, err := e.isDemo(ctx); err != nil || demo {
		return err
	}
	why := fmt.Errorf("texts and names leave the ledger only when two people agreed")
	advice := "countersign ledger disclose " + what + " -reason … proposes it, another owner confirms it; then give -agreed ID"
	if id == "" {
		return hint(why, "%s", advice)
	}
	h, err := e.store.History(ctx, custody.Stream(id))
	if err != nil {
		return err
	}
	if len(h) == 0 {
		return hint(fmt.Errorf("there is no proposal %q", id), "%s", advice)
	}
	s, err := custody.Fold(h)
	if err != nil {
		return err
	}
	return hint(s.Holds(now, what), "%s", advice)
}

// isDemo tells whether the ledger is one of a demonstration.
func (e *evidence) isDemo(ctx context.Context) (bool, error) {
	h, err := e.src.Head(ctx)
	if err != nil {
		return false, err
	}
	origin, _, _ := strings.Cut(string(h.Note), "\n")
	return (Config{LedgerOrigin: origin}).demo(), nil
}
