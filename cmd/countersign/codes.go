package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// One-time codes: printed in peacetime, for when the chat is down, and for the envelope, for when nothing can be recorded.

const (
	doCodes     = "codes"
	doCodesNew  = "codes-new"
	doCodesVoid = "codes-void"
	doEnvelope  = "envelope"
)

const (
	codesPerSheet    = 10
	codesPerEnvelope = 3
	codesLast        = "90d" // a sheet is printed anew each quarter, as the drills demand
	codeLetters      = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
)

// newCode is 16 letters and digits that cannot be taken for each other: 80 bits.
func newCode() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	for i := range b {
		b[i] = codeLetters[int(b[i])%len(codeLetters)]
	}
	return string(b[:])
}

// grouped is a code as it is printed.
func grouped(code string) string {
	return code[:4] + "-" + code[4:8] + "-" + code[8:12] + "-" + code[12:]
}

// plainCode is a code as it was printed, however it was typed.
func plainCode(typed string) string {
	return strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(strings.TrimSpace(typed)))
}

// cliCodes prints, counts and voids codes.
func (s *serving) cliCodes(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	of := by.Person
	if o.Person != "" {
		if of = s.personNamed(o.Person); of == "" {
			return s.refuse(ctx, cause, by, o.Do, workflows.Refuse(workflows.CodeUnlinked, "Nobody in the people file is called "+printable(o.Person)+".", "Give the key of a person, as in people.yaml."))
		}
	}
	switch o.Do {
	case doCodesNew:
		return s.printCodes(ctx, by, cause, of, o)
	case doCodesVoid:
		n, no, err := s.desk.VoidCodes(ctx, cause, by, of, cmp.Or(o.Reason, "no reason given"), viaCLI)
		switch {
		case err != nil:
			return reply{}, err
		case no != nil:
			return refusedReply(no), nil
		}
		return reply{OK: true, Text: fmt.Sprintf("%s of %s opens nothing any more.", upper(howMany(n, "sheet")), s.desk.Name(ctx, of))}, nil
	}
	return s.countCodes(ctx, by, of)
}

func (s *serving) countCodes(ctx context.Context, by workflows.Acting, of workflows.PersonID) (reply, error) {
	if of != by.Person && !s.desk.HasRole(ctx, desk.RoleSecurity, by.Person) && !s.desk.HasRole(ctx, desk.RoleOwner, by.Person) {
		return refusedReply(workflows.Refuse(workflows.CodeNotEligible, "The codes of somebody else are counted by owners and security of Countersign.", "")), nil
	}
	now, err := s.desk.PersonNow(ctx, of)
	if err != nil {
		return reply{}, err
	}
	out := reply{OK: true}
	at, look := workflows.StampOf(s.clock.Now().Wall), s.outlookOf(ctx, by.Person)
	for _, c := range now.Codes {
		if left := c.Left(at); left > 0 {
			what := "for the page and the command line"
			if c.Use == identities.UseEnvelope {
				what = "for a sealed envelope"
			}
			out.Lines = append(out.Lines, fmt.Sprintf("%s left of %d, %s, until %s", howMany(left, "code"), len(c.Hashes), what, look.When(c.Until)))
		}
	}
	if len(out.Lines) == 0 {
		out.Text = "No codes are left. Print some while the chat works: countersign codes new"
	}
	return out, nil
}

// printCodes makes codes, records their hashes and gives them to be printed, once. Only then do they open anything.
func (s *serving) printCodes(ctx context.Context, by workflows.Acting, cause workflows.Cause, of workflows.PersonID, o order) (reply, error) {
	n, use := codesPerSheet, identities.UsePage
	if o.What == identities.UseEnvelope {
		n, use = codesPerEnvelope, identities.UseEnvelope
	}
	span, err := spec.ParseSpan(codesLast)
	if err != nil {
		return reply{}, err
	}
	if o.Long > 0 {
		span = min(o.Long, 366*24*3600)
	}
	codes, hashes := make([]string, n), make([]string, n)
	for i := range codes {
		codes[i] = newCode()
		hashes[i] = identities.CodeHash(of, codes[i])
	}
	until := workflows.StampOf(s.clock.Now().Wall).Add(span.Duration())
	res, err := s.desk.PrintCodes(ctx, desk.PrintCodes{Cause: cause, By: by, For: of, Hashes: hashes, Until: until, Use: use, Channel: viaCLI})
	switch {
	case err != nil:
		return reply{}, err
	case res.Refusal != nil:
		return refusedReply(res.Refusal), nil
	case len(res.Records) == 0 || !printed(res.Records, hashes):
		return refusedReply(workflows.Refuse(workflows.CodeDecided, "This order was carried out before; codes are printed once.", "Ask anew: countersign codes new.")), nil
	}
	out := reply{OK: true, Status: "printed", Lines: s.sheet(ctx, by, of, use, until)}
	for i, c := range codes {
		out.Parts = append(out.Parts, part{Name: fmt.Sprintf("%2d", i+1), Value: grouped(c)})
	}
	return out, nil
}

// printed tells whether it is these codes that were recorded, and not those of an earlier call with the same cause.
func printed(records []workflows.Record, hashes []string) bool {
	return slices.ContainsFunc(records, func(r workflows.Record) bool {
		e, ok := r.Event.(identities.CodesIssued)
		return ok && slices.Equal(e.Hashes, hashes)
	})
}

// sheet is what stands above the codes.
func (s *serving) sheet(ctx context.Context, by workflows.Acting, of workflows.PersonID, use string, until workflows.Stamp) []string {
	when := s.outlookOf(ctx, by.Person).When(until)
	name := s.desk.Name(ctx, of)
	if use == identities.UseEnvelope {
		return []string{
			"SEALED ENVELOPE of " + name + ", good until " + when + ". Ledger: " + s.store.Origin(),
			"Open it only when Countersign can record nothing: its database is read-only, full or gone.",
			"1. Two people open it together. Write here: the time (UTC), the incident, both names.",
			"2. Strike one code out below, and write beside it what is done with it: on which system, which access, until when. One code for each.",
			"3. Make the access by hand, as the runbook says, no more and no longer than it says. Tell the security channel by telephone.",
			"4. When Countersign runs again, the same day: countersign envelope reconcile CODE -person KEY -opened TIME -incident INC -did TEXT -seen KEY",
			"5. Take the access back by hand, and run a drift sweep. Print a new envelope; shred this one when it is reconciled.",
		}
	}
	lines := []string{
		"ONE-TIME CODES of " + name + ", good until " + when + ". Ledger: " + s.store.Origin(),
		"For when Slack is down. Each opens the emergency page once, for ten minutes; strike it out. Keep the sheet where you keep your passport.",
	}
	if page := s.cfg.pageURL(); page != "" {
		return append(lines, "Page: "+page+"/emergency")
	}
	return append(lines, "No page is served here: the codes are good once PUBLIC_URL and TLS are set. Until then act on the bot's host.")
}

// cliEnvelope brings what stands on an opened envelope into the ledger.
func (s *serving) cliEnvelope(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	of := by.Person
	if o.Person != "" {
		of = s.personNamed(o.Person)
	}
	opened, no := s.momentOf(by.Person, o.Start, false)
	if no != nil || of == "" {
		return s.refuse(ctx, cause, by, "envelope", cmp.Or(no, workflows.Refuse(workflows.CodeUnlinked, "Nobody in the people file is called "+printable(o.Person)+".", "")))
	}
	var seen workflows.PersonID
	if o.Delegate != "" {
		seen = s.personNamed(o.Delegate)
	}
	res, err := s.desk.ReconcileEnvelope(ctx, desk.Reconcile{
		Cause: cause, By: by, Of: of, Code: plainCode(o.Field), OpenedAt: opened, Incident: o.ID, Seen: seen, Did: strings.TrimSpace(o.Reason), Channel: viaCLI,
	})
	switch {
	case err != nil:
		return reply{}, err
	case res.Refusal != nil:
		return refusedReply(res.Refusal), nil
	}
	s.alarm("envelope", string(of)+" "+o.ID, screens.Sentencef("A sealed envelope was used in incident %s while nothing could be recorded, and is reconciled now. Somebody must review it: countersign ledger show -last 5.", printable(o.ID)))
	return reply{OK: true, Status: "reconciled", Text: "Recorded, and the security channel is told. Check that what was made by hand is gone: countersign drift, or by hand where a target has no list."}, nil
}

// codesCommand is countersign codes.
func codesCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "codes", "[new [-for-person KEY] [-for-time 90d] | void [-for-person KEY] -reason TEXT]")
	of := x.flags.String("for-person", "", "key or e-mail address of somebody else; owners and security may")
	long := x.flags.String("for-time", "", "how long they are good, such as 30d; default: "+codesLast)
	reason := x.flags.String("reason", "", "why they are voided")
	words, err := x.parse(0, 1)
	if err != nil {
		return err
	}
	o := order{Do: doCodes, Person: *of, Reason: *reason}
	if *long != "" {
		if o.Long, err = spec.ParseSpan(*long); err != nil {
			return usageError{"-for-time: " + err.Error()}
		}
	}
	switch strings.Join(words, "") {
	case "":
		return x.do(ctx, o)
	case "new":
		o.Do = doCodesNew
		return x.printSheet(ctx, o)
	case "void":
		o.Do = doCodesVoid
		return x.do(ctx, o)
	}
	return usageError{fmt.Sprintf("there is no verb %q: new or void", words[0])}
}

// printSheet prints what is given once.
func (x *person) printSheet(ctx context.Context, o order) error {
	r, err := send(ctx, x.cfg, o)
	if err != nil {
		return err
	}
	if !r.OK || *x.asJSON {
		return x.print(r)
	}
	for _, l := range r.Lines {
		fmt.Fprintln(x.p.out, printable(l))
	}
	fmt.Fprintln(x.p.out)
	for _, c := range r.Parts {
		fmt.Fprintf(x.p.out, "  %s  %s   ______________________________\n", c.Name, c.Value)
	}
	return nil
}

// envelopeCommand is countersign envelope.
func envelopeCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "envelope", "new [-person KEY] | check CODE -person KEY [-data DIR] | reconcile CODE -person KEY -opened TIME -incident INC -did TEXT [-seen KEY]")
	of := x.flags.String("person", "", "key or e-mail address of whom the envelope was made for; default: yourself")
	opened := x.flags.String("opened", "", `when it was opened, as the paper says: "2026-12-01 03:10" on your own clock, or RFC 3339`)
	incident := x.flags.String("incident", "", "the incident, as the paper says")
	did := x.flags.String("did", "", "what was done with the code, as the paper says")
	seen := x.flags.String("seen", "", "key of the second person who was there")
	data := x.flags.String("data", "", "check: data folder, or a backup; default: COUNTERSIGN_DATA")
	words, err := x.parse(1, 2)
	if err != nil {
		return err
	}
	switch {
	case words[0] == "new" && len(words) == 1:
		return x.printSheet(ctx, order{Do: doCodesNew, What: identities.UseEnvelope, Person: *of})
	case words[0] == "check" && len(words) == 2:
		return checkEnvelope(ctx, p, *data, *of, words[1])
	case words[0] == "reconcile" && len(words) == 2:
		for name, v := range map[string]string{"-opened": *opened, "-incident": *incident, "-did": *did} {
			if v == "" {
				return usageError{name + " is missing: take it from the paper"}
			}
		}
		return x.do(ctx, order{Do: doEnvelope, Field: words[1], Person: *of, Start: *opened, ID: *incident, Reason: *did, Delegate: *seen})
	}
	return usageError{"want new, check CODE or reconcile CODE"}
}

// checkEnvelope says, with nobody running and nothing written, whether a code is genuine: for who is asked on the telephone to act on it.
func checkEnvelope(ctx context.Context, p proc, data, of, code string) error {
	s, err := openToRead(ctx, p, data)
	if err != nil {
		return err
	}
	defer s.Close()
	if of == "" {
		return usageError{"-person is missing: whose envelope it is"}
	}
	who, err := s.PersonByKey(ctx, "people:"+of)
	if err != nil {
		return err
	}
	if who.Ref == "" {
		return hint(fmt.Errorf("nobody in this ledger has the key %q", of), "give the key of a person, as in people.yaml")
	}
	ref := who.Ref
	h, err := s.History(ctx, workflows.PersonStream(ref))
	if err != nil {
		return err
	}
	state, err := identities.FoldPerson(h)
	if err != nil {
		return err
	}
	set, no := state.FindCode(identities.CodeHash(ref, plainCode(code)), identities.UseEnvelope, workflows.StampOf(time.Now()))
	if no != nil {
		return errors.New(no.Error())
	}
	fmt.Fprintf(p.out, "genuine: one of %d codes of %s's envelope %s, good until %s, not used as far as this ledger knows\n", len(set.Hashes), of, set.Set, set.Until.Time().Format("2006-01-02 15:04 UTC"))
	return nil
}
