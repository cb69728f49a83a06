package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/runbooks/seal"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// Taking one's own secret, and registering the key that secrets are sealed to, on the bot's host: the kernel says who asks.

const (
	doTake      = "take"
	doKey       = "key"
	doKeySet    = "key-set"
	doKeyRemove = "key-remove"
)

// part is a piece of a secret on its way to its holder's terminal.
type part struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	File  string `json:"file,omitempty"`
}

// cliTake gives the caller the secret that came with their access, once.
func (s *serving) cliTake(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	waiting, err := s.desk.SecretsOf(ctx, by.Person)
	if err != nil {
		return reply{}, err
	}
	id := workflows.GrantID(o.ID)
	if !strings.HasPrefix(o.ID, "g_") || len(o.ID) != 28 {
		var found []workflows.GrantID
		for _, h := range waiting {
			if a := h.Hold.Approved; o.ID == "" || len(o.ID) >= 4 && (strings.HasSuffix(string(a.Grant), o.ID) || strings.HasSuffix(string(a.Request), o.ID)) {
				found = append(found, a.Grant)
			}
		}
		switch {
		case len(found) > 1:
			return refusedReply(workflows.Refuse(workflows.CodeUnknown, "More than one secret waits for you.", "Name its access: countersign list shows the ids.")), nil
		case len(found) == 1:
			id = found[0]
		case o.ID == "":
			return refusedReply(workflows.Refuse(workflows.CodeSecret, "No secret waits for you.", "")), nil
		}
	}
	h, no, err := s.hand.take(ctx, desk.TakeSecret{Cause: cause, By: by, Grant: id, Authn: unixPeer, Channel: viaCLI})
	switch {
	case err != nil:
		return reply{}, err
	case no != nil:
		return refusedReply(no), nil
	}
	out := reply{OK: true, ID: string(id), Status: "taken", Text: h.Title}
	for _, p := range h.Parts {
		out.Parts = append(out.Parts, part{p.Name, p.Value.Reveal(), p.File})
	}
	if h.Wrapped {
		out.Lines = append(out.Lines, "This is a single-use token: the target gives the secret for it once. If it says that it was used, tell security.")
	}
	return out, nil
}

// cliKey shows, sets or removes the caller's own key.
func (s *serving) cliKey(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	if o.Do == doKey {
		now, err := s.desk.PersonNow(ctx, by.Person)
		if err != nil {
			return reply{}, err
		}
		if now.Key == nil {
			return reply{OK: true, Text: "You have no key on record. With one, secrets are sealed to it: countersign key set age1… or key set @~/.ssh/id_ed25519.pub"}, nil
		}
		return reply{OK: true, Text: now.Key.Medium + " " + now.Key.Fingerprint}, nil
	}
	text, no, err := s.setKey(ctx, by, cause, o.What, unixPeer, viaCLI)
	switch {
	case err != nil:
		return reply{}, err
	case no != nil:
		return refusedReply(no), nil
	}
	return reply{OK: true, Text: text}, nil
}

// setKey registers a person's own key, or removes it when the text is empty, and says in a sentence what holds now.
func (s *serving) setKey(ctx context.Context, by workflows.Acting, cause workflows.Cause, text, authn, channel string) (string, *workflows.Refusal, error) {
	set := desk.SetKey{Cause: cause, By: by, Authn: authn, Channel: channel}
	said := "Your key is removed. Secrets that come with your access are shown once, to who proves to be you."
	if strings.TrimSpace(text) != "" {
		k, err := seal.ParseKey(text)
		if err != nil {
			no, err := s.desk.Refuse(ctx, cause, by, "key", channel, "", workflows.Refuse(workflows.CodeBadField, upper(err.Error())+".", ""))
			return "", no, err
		}
		set.Medium, set.Fingerprint, set.Key = k.Medium, k.Fingerprint, k.Text
		said = fmt.Sprintf("Secrets that come with your access are sealed to your %s key %s from now on. Open one with: age -d -i KEYFILE secret.age", k.Medium, k.Fingerprint)
	}
	res, err := s.desk.SetKey(ctx, set)
	return said, res.Refusal, err
}

// takeCommand prints the caller's secret, or writes the parts that are files into a folder.
func takeCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "take", "[GRANT] [-out DIR]")
	dir := x.flags.String("out", "", "write the parts that are files into this folder, for your eyes only (mode 0600), instead of printing them")
	words, err := x.parse(0, 1)
	if err != nil {
		return err
	}
	if *dir != "" { // before anything is taken: it is given once
		if info, err := os.Stat(*dir); err != nil || !info.IsDir() {
			return hint(fmt.Errorf("%s is no folder", *dir), "nothing was taken; make the folder first")
		}
	}
	r, err := send(ctx, x.cfg, order{Do: doTake, ID: strings.Join(words, "")})
	if err != nil {
		return err
	}
	if !r.OK || *x.asJSON {
		return x.print(r)
	}
	for _, l := range append(r.Lines, r.Text) {
		fmt.Fprintln(p.err, printable(l))
	}
	return errors.Join(printParts(p, *dir, r.Parts)...)
}

// printParts goes on when a file cannot be written: the part is printed instead, since it is given once.
func printParts(p proc, dir string, parts []part) (errs []error) {
	for _, x := range parts {
		if dir != "" && x.File != "" {
			err := writeNew(filepath.Join(dir, filepath.Base(x.File)), x.Value)
			if err == nil {
				fmt.Fprintf(p.err, "%s is in %s\n", printable(x.Name), filepath.Join(dir, filepath.Base(x.File)))
				continue
			}
			errs = append(errs, err)
		}
		if strings.Contains(x.Value, "\n") {
			fmt.Fprintf(p.out, "%s:\n%s\n", printable(x.Name), strings.TrimRight(x.Value, "\n"))
			continue
		}
		fmt.Fprintf(p.out, "%s: %s\n", printable(x.Name), x.Value)
	}
	return errs
}

// writeNew writes a file that was not there before, for its owner only.
func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing a part of the secret: %w", err)
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// keyCommand is a person's own key, not one of the installation.
func keyCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "key", "[show | set KEY|@FILE | remove]")
	words, err := x.parse(0, 40)
	if err != nil {
		return err
	}
	verb := ""
	if len(words) > 0 {
		verb = words[0]
	}
	switch cmp.Or(verb, "show") {
	case "show":
		return x.do(ctx, order{Do: doKey})
	case "remove":
		return x.do(ctx, order{Do: doKeyRemove})
	case "set":
		text := strings.Join(words[1:], " ")
		if file, ok := strings.CutPrefix(text, "@"); ok {
			if text, err = readSecret(filepath.Clean(file)); err != nil {
				return err
			}
		}
		if strings.TrimSpace(text) == "" {
			return usageError{"the key is missing: age1…, a line of an SSH public key, or @FILE"}
		}
		if _, err := seal.ParseKey(text); err != nil { // a private key is not even sent
			return err
		}
		return x.do(ctx, order{Do: doKeySet, What: text})
	}
	return usageError{fmt.Sprintf("there is no verb %q: show, set or remove", verb)}
}

// secretCommands are the commands around secrets and codes.
func secretCommands() []command {
	return slices.Clone([]command{
		{"take", "[GRANT] [-out DIR]", "take the secret that came with your access; it is given once", takeCommand},
		{"key", "[show | set KEY|@FILE | remove]", "your own age or SSH key, to which secrets are sealed", keyCommand},
		{"codes", "[new | void]", "print one-time codes for when Slack is down, or count them", codesCommand},
		{"envelope", "new | check CODE | reconcile CODE", "the sealed envelope for when nothing can be recorded, and what was done with it", envelopeCommand},
	})
}
