package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/intake"
)

const identitiesUsage = "list | show | search | import | export | discover | orphans | report | who | claim | transfer | answer | attest | suspend | resume | rotate | rotated | account-done | campaign | renew | kill | drill | retire | retired-item | leaver | leavers | evidence | leak | leaks | exceptions | lift-exception | vendor | offboard-vendor"

// identityVerbs are what countersign identities does, with its words and one line of help.
func identityVerbs() []identityVerbWords {
	return []identityVerbWords{
		{"list", "[-kind K] [-state S] [-owner KEY] [-target T] [-finding F] …", "people and identities, a page at a time"},
		{"search", "WORDS", "the same, by the beginnings of words"},
		{"show", "ID", "everything that is known of one, and what is wrong with it"},
		{"who", "FINGERPRINT|SERIAL|LAST-4|NAME", "who owns a credential, who approved it, who can revoke it"},
		{"evidence", "ID", "the card for a dispute: owner, approvals with proof, who can revoke and how fast that was measured, rotation, purpose, sessions; every blank is a finding"},
		{"leak", "FILE -place TEXT [-form TEXT]", "report a secret that was seen where it must not be, read from a file (or its -fingerprint); it is never kept"},
		{"leaks", "FILE.sarif", "report what a secret scanner found (SARIF 2.1.0)"},
		{"exceptions", "[ID] [-all yes]", "the register of exceptions: waived control, reason, owner, approvers, end, exit plan, what makes up for it and whether that holds"},
		{"lift-exception", "ID EXCEPTION -reason TEXT", "end an exception that is not needed any more"},
		{"vendor", "NAME", "everything that a vendor holds, also what was registered by hand, and what is left of its off-boarding"},
		{"offboard-vendor", "NAME -reason TEXT", "take all of it off: what it holds ends, and every item wants evidence of its closure"},
		{"export", "[-format csv|json] [-kind K] …", "everybody and everything, for a spreadsheet or a program"},
		{"orphans", "", "what nobody answers for"},
		{"report", "[-format text|md|html]", "how well the inventory is known, and every kind of finding with its number; md and html are for whoever is accountable: what to decide, who has to, what ends soon"},
		{"import", "FILE -source NAME [-format csv|json|yaml] [-dry-run]", "take in what another system says; all of the file or nothing"},
		{"discover", "[TARGET]", "ask the targets what identities they have"},
		{"claim", "ID -purpose TEXT -expires DAY [-owner KEY] [-vendor NAME -data-reach TEXT -business-owner KEY]", "answer for an identity that nobody answers for"},
		{"transfer", "ID -to KEY -reason TEXT", "ask somebody to take an identity over"},
		{"answer", "ID keep|retire|decline [-reason TEXT]", "answer a hand-over that you were asked about"},
		{"attest", "ID keep|revoke [-reason TEXT]", "say whether it is still needed as it is; its owner cannot alone"},
		{"suspend", "ID -reason TEXT", "take everything away from it, at once"},
		{"resume", "ID -reason TEXT", "end a suspension (security)"},
		{"rotate", "ID [-why leak|break_glass]", "demand that its secret is replaced"},
		{"rotated", "ID -evidence TEXT", "say that it was replaced, and how you know that the old one is dead"},
		{"account-done", "ID -evidence TEXT", "say that what was approved for its account was done on the target by hand, and how you know"},
		{"renew", "ID -expires DAY -reason TEXT", "move its end (security)"},
		{"kill", "ID -reason TEXT", "uninstall an app or revoke a token where it works, at once: its target is told and read back, and everything that it holds ends"},
		{"drill", "ID -reason TEXT [-yes]", "try the kill switch of an AI agent or another identity for real: quarantine, read back, refuse, and lift it again; everything that it holds ends"},
		{"retire", "ID -reason TEXT", "take it off: everything it holds ends, and a list of what is left to do opens"},
		{"retired-item", "ID ITEM -evidence TEXT", "close one item of that list"},
		{"campaign", "VERB …", "reviews of everything of a kind: list, start, page, keep, revoke, report … (without a verb: all of them)"},
		{"leaver", "KEY", "somebody who left: each identity that they answered for or had asked for, with who decided what about it, and what is left to do"},
		{"leavers", "FILE", "a CSV of people who left or moved: their access ends, what they own is handed over"},
	}
}

type identityVerbWords struct{ name, words, short string }

func identitiesCommand(ctx context.Context, p proc) error {
	verb := ""
	if len(p.args) > 0 {
		verb = p.args[0]
	}
	if verb == "-h" || verb == "-help" || verb == "--help" || verb == "" {
		fmt.Fprintln(p.out, "usage: countersign identities VERB …")
		for _, v := range identityVerbs() {
			fmt.Fprintf(p.out, "  %-12s %s\n               %s\n", v.name, v.words, v.short)
		}
		if verb == "" {
			return usageError{"the verb is missing"}
		}
		return nil
	}
	for _, v := range identityVerbs() {
		if v.name == verb {
			p.args = p.args[1:]
			return identityVerb(ctx, p, verb, v.words)
		}
	}
	return usageError{fmt.Sprintf("there is no verb %q", verb)}
}

// identityFlags are the flags that an order takes with it as they are.
func identityFlags() []identityFlag {
	return []identityFlag{
		{"kind", "only this kind: human, service_account, api_key …"},
		{"state", "unclaimed, active, suspended or retired"},
		{"owner", "key of a person, or group:NAME"},
		{"backup", "key of a person, or group:NAME"},
		{"target", "only what is on this target"},
		{"environment", "production, staging …"},
		{"managed-by", "internal, contractor, vendor or low-code"},
		{"finding", "only what has this finding: unowned, no_end, shared, over_scoped …"},
		{"after", "go on behind this id"},
		{"limit", "rows of a page"},
		{"to", "who is to own it: key of a person, or group:NAME"},
		{"purpose", "what it is for, in at least ten characters"},
		{"expires", "day on which it ends unless it is renewed"},
		{"vendor", "whose app it is"},
		{"data-reach", "what data of the company it sees"},
		{"business-owner", "who answers for what it is for; key of a person, or group:NAME"},
		{"evidence", "a link, a ticket, or what you saw"},
		{"why", "demand, leak or break_glass"},
		{"secret-ref", "where its secret is stored: a reference, never the secret"},
		{"revocation", "how to take it back in an emergency"},
		{"fingerprint", "of the new secret"},
		{"serial", "of the new certificate or token"},
		{"all", "yes lists those that are over, too"},
		{"place", "where it was seen: a link, a file and line"},
		{"form", "what it looks like: cloud key, database password; never the secret itself"},
		{"scope", "narrow: what stays, separated by commas"},
		{"last-four", "of the new secret, as its platform shows it"},
		{"reason", "why; kept beside the ledger and erasable"},
		{"format", "import, export: csv, json or yaml, by default as the file's name says; report: text, md or html"},
		{"source", "a name for the system that the file comes from"},
	}
}

type identityFlag struct{ name, help string }

func identityVerb(ctx context.Context, p proc, verb, usage string) error {
	x := newPerson(p, "identities "+verb, usage)
	takes, known := identityVerbFlags()[verb]
	given := map[string]*string{}
	for _, f := range identityFlags() {
		given[f.name] = new(string)
		if slices.Contains(takes, f.name) || !known {
			x.flags.StringVar(given[f.name], f.name, "", f.help)
		}
	}
	dry := false
	if slices.Contains(takes, "dry-run") || !known {
		x.flags.BoolVar(&dry, "dry-run", false, "only check")
	}
	yes := false
	if slices.Contains(takes, "yes") || !known {
		x.flags.BoolVar(&yes, "yes", false, "also when it holds access now, which ends")
	}
	words, err := x.parse(0, 20)
	if err != nil {
		return err
	}
	args := map[string]string{}
	if yes {
		args["yes"] = "yes"
	}
	for name, v := range given {
		if *v != "" && name != "reason" && name != "format" && name != "source" {
			args[name] = *v
		}
	}
	switch verb {
	case "import":
		return x.importFile(ctx, words, *given["format"], *given["source"], dry)
	case "leavers":
		return x.sendLeavers(ctx, words)
	case "export":
		return x.export(ctx, *given["format"], args)
	case "report":
		return x.report(ctx, *given["format"])
	case "leak":
		return x.sendLeak(ctx, words, args)
	case "leaks":
		return x.sendLeaks(ctx, words)
	case "campaign":
		o, err := campaignOrder(words, args, *given["reason"])
		if err != nil {
			return err
		}
		return x.do(ctx, o)
	}
	o := order{Do: doIdentities, What: verb, Reason: *given["reason"], Args: args}
	switch verb {
	case "search", "who", "vendor", "offboard-vendor":
		args["words"] = strings.Join(words, " ")
	default:
		if len(words) > 0 {
			o.ID = words[0]
		}
		if len(words) > 1 {
			args["item"] = words[1]
		}
	}
	return x.do(ctx, o)
}

// importFile sends a file to the bot, which takes in all of it or nothing.
func (x *person) importFile(ctx context.Context, words []string, format, source string, dry bool) error {
	if len(words) != 1 || source == "" {
		return usageError{"want a file and -source NAME"}
	}
	if format == "" {
		format = strings.TrimPrefix(strings.ToLower(filepath.Ext(words[0])), ".")
	}
	if format == "yml" {
		format = intake.YAML
	}
	query := url.Values{"format": {format}, "source": {source}}
	if dry {
		query.Set("dry", "1")
	}
	r, err := x.upload(ctx, "/identities/import?"+query.Encode(), words[0])
	if err != nil {
		return err
	}
	return x.print(r)
}

func (x *person) sendLeavers(ctx context.Context, words []string) error {
	if len(words) != 1 {
		return usageError{"want a file"}
	}
	r, err := x.upload(ctx, "/identities/leavers", words[0])
	if err != nil {
		return err
	}
	return x.print(r)
}

// upload sends a file through the people's socket.
func (x *person) upload(ctx context.Context, path, file string) (reply, error) {
	var out reply
	f, err := os.Open(filepath.Clean(file))
	if err != nil {
		return out, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return out, err
	}
	if info.Size() > intake.MaxBytes {
		return out, fmt.Errorf("%s: %w", file, intake.ErrTooLarge)
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", x.cfg.peopleSocket())
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://people"+path, f)
	if err != nil {
		return out, err
	}
	req.ContentLength = info.Size()
	res, err := client.Do(req)
	if err != nil {
		return out, hint(fmt.Errorf("no bot answers on %s", x.cfg.peopleSocket()), "is countersign serve running here, and is %s_SOCKET (or %s_DATA) the one it uses?", prefix, prefix)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return out, fmt.Errorf("reading the bot's answer: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return out, errors.New(strings.TrimSpace(string(raw)))
	}
	return out, json.Unmarshal(raw, &out)
}

// exported is one identity as export writes it.
type exported struct {
	Row     workflows.InventoryRow `json:"identity"`
	Entry   identities.Entry       `json:"entry"`
	Account string                 `json:"account,omitempty"`
	Place   string                 `json:"secret_ref,omitempty"`
	Path    string                 `json:"revocation,omitempty"`
	Owner   string                 `json:"owner_key,omitempty"`
	Backup  string                 `json:"backup_key,omitempty"`
	Now     []string               `json:"findings_now,omitempty"`
}

// export asks for page after page and writes them out.
func (x *person) export(ctx context.Context, format string, args map[string]string) error {
	if format == "" {
		format = intake.CSV
	}
	if format != intake.CSV && format != intake.JSON {
		return usageError{"-format is csv or json"}
	}
	if format == intake.CSV {
		if err := writeCSV(x.p.out, append(intake.Columns(), "state", "findings", "sources")...); err != nil {
			return err
		}
	}
	enc := json.NewEncoder(x.p.out)
	for {
		r, err := send(ctx, x.cfg, order{Do: doIdentities, What: "export", Args: args})
		if err != nil {
			return err
		}
		if !r.OK {
			return errors.New(r.Refused)
		}
		var page struct {
			Rows []exported `json:"rows"`
			Next string     `json:"next"`
		}
		if err := json.Unmarshal(r.Data, &page); err != nil {
			return fmt.Errorf("reading the bot's answer: %w", err)
		}
		for _, row := range page.Rows {
			if format == intake.JSON {
				err = enc.Encode(row)
			} else {
				err = writeCSV(x.p.out, row.cells()...)
			}
			if err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		args["after"] = page.Next
	}
}

// cells are the columns of intake, so that an export can be imported, and what only we know behind them.
func (e exported) cells() []string {
	day := func(at workflows.Stamp) string {
		if at == 0 {
			return ""
		}
		return at.Time().Format("2006-01-02T15:04:05Z")
	}
	span := func(d workflows.Span) string {
		if d == 0 {
			return ""
		}
		return d.String()
	}
	n, list := e.Entry, func(l []string) string { return strings.Join(l, ";") }
	return append([]string{
		string(e.Row.ID), e.Row.Kind, e.Row.Name, e.Owner, e.Backup, n.Business, n.Purpose, n.Environment, string(n.Target), e.Account, list(n.Scope), list(n.Used), list(n.Uses),
		n.Stored, e.Place, e.Path, e.Row.ManagedBy, n.Risk, n.Vendor, string(n.Sponsor), day(n.ContractEnd), n.Ticket, day(n.Created), day(n.LastUsed), day(n.Rotated),
		day(e.Row.Expires), span(n.RotateEvery), span(n.ReviewEvery), n.Issuer, n.Subject, n.Serial, n.LastFour, n.Print, n.Model, list(n.Tools), n.DataReach, n.Autonomy,
		day(n.KillTested), n.RetirePlan, string(n.Person), list(n.Tags), string(n.Creator),
	}, e.Row.State, list(e.Now), list(e.Row.Sources))
}

func isIdentityVerb(verb string) bool {
	return slices.ContainsFunc(identityVerbs(), func(v identityVerbWords) bool { return v.name == verb })
}
