package main

import (
	"context"
	"errors"
)

// ledgerAcceptRollback proposes or confirms that entries are gone, to a bot that only revokes because of it.
func ledgerAcceptRollback(ctx context.Context, p proc) error {
	confirm := len(p.args) > 0 && p.args[0] == "confirm"
	if confirm {
		p.args = p.args[1:]
	}
	x := newPerson(p, "ledger accept-rollback", "-reason TEXT; then, as another owner: ledger accept-rollback confirm [-yes]")
	reason := x.flags.String("reason", "", "what happened; it becomes part of the ledger")
	yes := x.flags.Bool("yes", false, "do not ask again after showing what is lost")
	if _, err := x.parse(0, 0); err != nil {
		return err
	}
	if !confirm {
		return x.do(ctx, order{Do: doAccept, Reason: *reason})
	}
	seen, err := send(ctx, x.cfg, order{Do: doAcceptStatus})
	if err != nil {
		return err
	}
	if !seen.OK {
		return x.print(seen)
	}
	if !*yes {
		x.printText(seen)
		if !x.agrees("accept") {
			return errors.New("nothing was accepted")
		}
	}
	return x.do(ctx, order{Do: doAcceptConfirm, Shown: seen.Shown})
}
