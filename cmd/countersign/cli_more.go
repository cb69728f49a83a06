package main

import (
	"context"
	"errors"
	"strings"

	"github.com/countersign-bot/countersign/workflows/spec"
)

// offerCommand makes a counter-offer: the request is shown first, and the offer is bound to what was shown.
func offerCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "offer", "ID -for-time 30m [flags]")
	long := x.flags.String("for-time", "", "shorter, such as 30m or 2h")
	what := x.flags.String("what", "", "narrower: another target/entitlement of the chain")
	start := x.flags.String("start", "", `later: "2026-12-01 14:00" on your own clock, or RFC 3339`)
	reason := x.flags.String("reason", "", "why; the requester reads it")
	yes := x.flags.Bool("yes", false, "do not ask again after showing the request")
	words, err := x.parse(1, 1)
	if err != nil {
		return err
	}
	if *long == "" && *what == "" && *start == "" {
		return usageError{"say what you would approve instead: -for-time, -what or -start"}
	}
	o := order{Do: "offer", What: *what, Start: *start, Reason: *reason}
	if *long != "" {
		if o.Long, err = spec.ParseSpan(*long); err != nil {
			return usageError{"-for-time: " + err.Error()}
		}
	}
	seen, err := send(ctx, x.cfg, order{Do: "status", ID: words[0], Unread: *yes})
	if err != nil {
		return err
	}
	if !seen.OK {
		return x.print(seen)
	}
	if !*yes {
		x.printText(seen)
		if !x.agrees("offer") {
			return errors.New("nothing was offered")
		}
	}
	o.ID, o.Shown, o.Stage = seen.ID, seen.Shown, seen.Stage
	return x.do(ctx, o)
}

// offerAnswerCommand accepts or declines a counter-offer.
func offerAnswerCommand(verb string) func(context.Context, proc) error {
	return func(ctx context.Context, p proc) error {
		x := newPerson(p, verb, "ID [-offer ID]")
		offer := x.flags.String("offer", "", "which, where several stand; its ending will do")
		words, err := x.parse(1, 1)
		if err != nil {
			return err
		}
		return x.do(ctx, order{Do: verb, ID: words[0], Offer: *offer})
	}
}

func extendCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "extend", "[ID] -for-time 1h -reason TEXT")
	long := x.flags.String("for-time", "", "how much longer; default: the usual time of the chain")
	reason := x.flags.String("reason", "", "why; those who decide read it")
	fields := pairs{}
	x.flags.Var(fields, "field", "name=value of a form field; name=@FILE reads a file; may be given more than once")
	words, err := x.parse(0, 1)
	if err != nil {
		return err
	}
	o := order{Do: "extend", ID: strings.Join(words, ""), Reason: *reason, Fields: fields}
	if *long != "" {
		if o.Long, err = spec.ParseSpan(*long); err != nil {
			return usageError{"-for-time: " + err.Error()}
		}
	}
	return x.do(ctx, o)
}

func awayCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "away", "-until DATE [-from DATE] [-delegate KEY] [-reason TEXT]")
	until := x.flags.String("until", "", `when you are back: "2026-12-01" (the end of that day), "2026-12-01 14:00", or RFC 3339`)
	from := x.flags.String("from", "", "when it begins; default: now")
	delegate := x.flags.String("delegate", "", "who decides for you: a key or e-mail address of the people file")
	reason := x.flags.String("reason", "", "why; kept beside the ledger and erasable")
	if _, err := x.parse(0, 0); err != nil {
		return err
	}
	if *until == "" {
		return usageError{"say until when: -until 2026-12-01"}
	}
	return x.do(ctx, order{Do: "away", From: *from, Until: *until, Delegate: *delegate, Reason: *reason})
}

func backCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "back", "")
	if _, err := x.parse(0, 0); err != nil {
		return err
	}
	return x.do(ctx, order{Do: "back"})
}

func commentCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "comment", "ID TEXT")
	words, err := x.parse(2, 200)
	if err != nil {
		return err
	}
	return x.do(ctx, order{Do: "comment", ID: words[0], Reason: strings.Join(words[1:], " ")})
}

func ticketCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "ticket-closed", "TICKET")
	words, err := x.parse(1, 1)
	if err != nil {
		return err
	}
	return x.do(ctx, order{Do: "ticket-closed", ID: words[0]})
}
