package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

const doIdentities = "identities"

// identityDo joins verbs to what the desk does.
func identityDo(verb string) string {
	switch verb {
	case "transfer", "answer", "suspend", "resume", "rotate", "rotated", "retire", desk.DoKill, "claim", "renew", "attest", "lift-exception", desk.DoSettle:
		return verb
	case "retired-item":
		return desk.DoItem
	}
	return ""
}

// cliIdentities carries out one of the verbs of countersign identities.
func (s *serving) cliIdentities(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order) (reply, error) {
	if o.Args == nil {
		o.Args = map[string]string{}
	}
	if do := identityDo(o.What); do != "" {
		return s.changeIdentity(ctx, by, cause, o, do)
	}
	switch o.What {
	case "drill":
		return s.drillKill(ctx, by, cause, o)
	case "show":
		return s.showIdentity(ctx, by, workflows.IdentityID(o.ID))
	case "leaver":
		return s.offboardReply(ctx, by, o.ID)
	case "vendor", "offboard-vendor":
		return s.vendorReply(ctx, by, cause, o)
	case "exceptions":
		return s.listExceptions(ctx, by, o)
	case "evidence":
		return s.evidenceIdentity(ctx, by, workflows.IdentityID(o.ID))
	case "who":
		return s.whoseIsIt(ctx, by, o.Args["words"])
	case "report":
		return s.reportIdentities(ctx, by)
	case "campaign":
		return s.cliCampaign(ctx, by, cause, o)
	case "discover":
		return s.discoverIdentities(ctx, by, o.ID)
	case "export":
		return s.exportIdentities(ctx, by, o)
	case "orphans":
		o.Args = map[string]string{"finding": identities.FindUnowned, "after": o.Args["after"], "limit": o.Args["limit"]}
	}
	q, no := s.inventoryQuery(o)
	if no != nil {
		return refusedReply(no), nil
	}
	rows, next, err := s.desk.Inventory(ctx, by.Person, q)
	if err != nil {
		return reply{}, err
	}
	find, err := s.lookAtAll(ctx)
	if err != nil {
		return reply{}, err
	}
	out := reply{OK: true}
	for _, r := range rows {
		out.Lines = append(out.Lines, s.identityLine(ctx, r, find))
		if o.What == "orphans" {
			v, err := s.desk.Identity(ctx, by.Person, r.ID)
			if err != nil {
				return reply{}, err
			}
			if hint := s.hintOf(v.State, v.Entry); hint != "" {
				out.Lines = append(out.Lines, "  "+hint)
			}
		}
	}
	out.Text = quantity(len(rows), "identity", "identities") + "."
	if next != "" {
		out.Text = fmt.Sprintf("%s; more behind -after %s", quantity(len(rows), "identity", "identities"), next)
	}
	out.Data, err = json.Marshal(map[string]any{"rows": rows, "next": next})
	return out, err
}

func (s *serving) inventoryQuery(o order) (workflows.InventoryQuery, *workflows.Refusal) {
	a := o.Args
	q := workflows.InventoryQuery{
		Words: identities.Words(a["words"]), State: a["state"], Kind: a["kind"], Target: workflows.TargetID(a["target"]), Environment: a["environment"],
		ManagedBy: a["managed-by"], Finding: a["finding"], After: workflows.IdentityID(a["after"]),
	}
	q.Words = q.Words[:min(len(q.Words), 8)]
	if a["owner"] != "" {
		owner, no := s.ownerNamed(a["owner"])
		if no != nil {
			return q, no
		}
		q.Owner = owner
	}
	if a["limit"] != "" {
		n, err := strconv.Atoi(a["limit"])
		if err != nil || n < 1 || n > 500 {
			return q, workflows.Refuse(workflows.CodeBadField, "A page has 1 to 500 rows.", "")
		}
		q.Limit = n
	}
	return q, nil
}

// ownerNamed finds a person by key or address, or a group by "group:" and its name.
func (s *serving) ownerNamed(word string) (string, *workflows.Refusal) {
	if name, ok := strings.CutPrefix(word, identities.GroupPrefix); ok {
		if _, there := s.desk.Policy().Groups[name]; !there {
			return "", workflows.Refuse(workflows.CodeBadField, "There is no group "+printable(name)+".", "Groups stand in people.yaml.")
		}
		return word, nil
	}
	if p := s.personNamed(word); p != "" {
		return string(p), nil
	}
	return "", workflows.Refuse(workflows.CodeBadField, "Nobody in the people file is called "+printable(word)+".", "Give the key of a person, as in people.yaml, or group:NAME.")
}

// ownerWords is an owner as people know them.
func (s *serving) ownerWords(ctx context.Context, owner string) string {
	switch {
	case owner == "":
		return "nobody"
	case strings.HasPrefix(owner, identities.GroupPrefix):
		return "the group " + strings.TrimPrefix(owner, identities.GroupPrefix)
	}
	return s.desk.Name(ctx, workflows.PersonID(owner))
}

func (s *serving) identityLine(ctx context.Context, r workflows.InventoryRow, find func(*workflows.InventoryRow) []string) string {
	id := string(r.ID)
	if r.Kind == identities.KindHuman {
		return fmt.Sprintf("%s  %s, a person", s.desk.Policy().People[r.ID.Person()].Key, r.Name)
	}
	until := ""
	if r.Expires != 0 {
		until = ", until " + r.Expires.LastDay()
	}
	wrong := ""
	if found := find(&r); len(found) > 0 {
		wrong = "  ! " + strings.Join(found, ", ")
	}
	return fmt.Sprintf("%s  %s %q, %s, owned by %s%s%s", id, strings.ReplaceAll(cmp.Or(r.Kind, "unknown"), "_", " "), r.Name, r.State, s.ownerWords(ctx, r.Owner), until, wrong)
}

// lookAtAll gives what is wrong with each of many identities: who has left, and who used what last, is looked up once.
func (s *serving) lookAtAll(ctx context.Context) (func(*workflows.InventoryRow) []string, error) {
	users, err := s.desk.LastUsers(ctx)
	gone, now := s.desk.Departed(ctx), workflows.StampOf(s.clock.Now().Wall)
	return func(r *workflows.InventoryRow) []string {
		r.LastUser = users[r.ID]
		return identities.Findings(*r, now, gone)
	}, err
}

// changeIdentity does something to an identity.
func (s *serving) changeIdentity(ctx context.Context, by workflows.Acting, cause workflows.Cause, o order, do string) (reply, error) {
	a := o.Args
	c := desk.IdentityCommand{
		Cause: cause, By: by, Identity: workflows.IdentityID(o.ID), Do: do, Why: cmp.Or(a["why"], identities.RotateDemand), Item: a["item"], Evidence: a["evidence"],
		Verdict: a["item"], Reason: o.Reason, Channel: viaCLI, Authn: unixPeer, Place: a["secret-ref"], Path: a["revocation"],
		Says: identities.Entry{Purpose: a["purpose"], Serial: a["serial"], LastFour: a["last-four"], Environment: a["environment"], Vendor: a["vendor"], DataReach: a["data-reach"]},
	}
	if a["fingerprint"] != "" {
		c.Says.Print = s.keyedPrint(a["fingerprint"])
	}
	var no *workflows.Refusal
	if c.Expires, no = s.momentOf(by.Person, a["expires"], true); no != nil {
		return s.refuse(ctx, cause, by, do, no)
	}
	if do == desk.DoRenew {
		if r, asked, err := s.renewIdentity(ctx, by, cause, o, c.Expires); asked || err != nil {
			return r, err
		}
	}
	for _, x := range []struct {
		word string
		dst  *string
	}{{cmp.Or(a["to"], a["owner"]), &c.To}, {a["backup"], &c.Backup}, {a["business-owner"], &c.Says.Business}} {
		if x.word == "" {
			continue
		}
		if *x.dst, no = s.ownerNamed(x.word); no != nil {
			return s.refuse(ctx, cause, by, do, no)
		}
	}
	if do == desk.DoItem && c.Item == identities.ItemAccount {
		if c.Proof, no = s.closedOnTarget(ctx, by, c.Identity); no != nil {
			return s.refuse(ctx, cause, by, do, no)
		}
	}
	res, err := s.desk.ChangeIdentity(ctx, c)
	switch {
	case err != nil:
		return reply{}, err
	case res.Refusal != nil:
		return refusedReply(res.Refusal), nil
	}
	return s.showIdentity(ctx, by, c.Identity)
}

// showIdentity shows one identity to somebody who may see it.
func (s *serving) showIdentity(ctx context.Context, by workflows.Acting, id workflows.IdentityID) (reply, error) {
	v, err := s.desk.Identity(ctx, by.Person, id)
	if errors.Is(err, workflows.ErrNoStream) {
		return refusedReply(workflows.Refuse(workflows.CodeUnknown, "There is no such identity, or it is not yours to see.", "countersign identities list shows what you see.")), nil
	}
	if err != nil {
		return reply{}, err
	}
	out := reply{OK: true, ID: string(id), Status: v.Row.State, Lines: s.identityCard(ctx, v)}
	account, place, path := v.State.Texts()
	out.Data, err = json.Marshal(exported{Row: v.Row, Entry: v.Entry, Account: account, Place: place, Path: path, Now: v.Findings, Owner: s.keyOf(v.Entry.Owner), Backup: s.keyOf(v.Entry.Backup)})
	return out, err
}

func (s *serving) keyOf(owner string) string {
	if p, ok := s.desk.Policy().People[workflows.PersonID(owner)]; ok {
		return p.Key
	}
	return owner
}

// identityCard answers what people ask of a credential: who owns it, who can revoke it, how it is rotated, what it is for, what is wrong (R35).
func (s *serving) identityCard(ctx context.Context, v desk.IdentityView) []string {
	e, life := v.Entry, v.State.Life
	day := func(at workflows.Stamp) string {
		if at == 0 {
			return "not known"
		}
		return at.Time().Format("2006-01-02")
	}
	lastDay := func(at workflows.Stamp) string {
		if at == 0 {
			return "not known"
		}
		return at.LastDay()
	}
	account, place, path := v.State.Texts()
	lines := []string{
		fmt.Sprintf("%s %q, managed %s", strings.ReplaceAll(e.Class, "_", " "), cmp.Or(e.Name, string(v.Row.ID)), v.Row.ManagedBy),
		fmt.Sprintf("Owner: %s; backup: %s; attested %s, next by %s", s.ownerWords(ctx, e.Owner), s.ownerWords(ctx, e.Backup), day(v.Row.Attested), day(v.Row.ReviewBy)),
		"Purpose: " + cmp.Or(trimDot(e.Purpose), "not on record") + "; ticket: " + cmp.Or(e.Ticket, "none"),
		fmt.Sprintf("Target: %s; account: %s; scope: %s", cmp.Or(string(e.Target), "none on record"), cmp.Or(account, "none on record"), cmp.Or(strings.Join(e.Scope, ", "), "none on record")),
		fmt.Sprintf("Created %s, last used %s, secret made %s, ends %s", day(e.Created), day(e.LastUsed), day(v.Row.Rotated), lastDay(e.Expires)),
		secretLine(e, place, day(v.Row.RotateBy)),
		"Revocation: its owner, security, " + cmp.Or(path, "and countersign revoke-all"),
		"Known from: " + strings.Join(v.Row.Sources, ", "),
	}
	lines = append(append(lines, s.detailLines(ctx, v)...), s.appLines(ctx, v)...)
	if hint := s.hintOf(v.State, e); hint != "" {
		lines = append(lines, hint)
	}
	if h := life.Handover; h != nil {
		var people []string
		for _, p := range h.Asked() {
			people = append(people, s.desk.Name(ctx, p))
		}
		lines = append(lines, fmt.Sprintf("Being handed over (%s): %s asked until %s", h.Why, strings.Join(people, ", "), day(h.Until())))
	}
	if life.Suspended != nil {
		lines = append(lines, "Suspended: "+strings.ReplaceAll(life.Suspended.Why, "_", " "))
	}
	if r := v.State.Rotating(); r != nil {
		lines = append(lines, fmt.Sprintf("Its secret has to be replaced by %s (%s)", day(r.Due), strings.ReplaceAll(r.Why, "_", " ")))
	}
	if t := life.Retirement; t != nil {
		lines = append(lines, retireLines(t)...)
	}
	for _, c := range v.State.Conflicts() {
		for _, src := range slices.Sorted(maps.Keys(c.Others)) {
			lines = append(lines, fmt.Sprintf("Conflict: %s is %q, but %s says %q", c.Field, c.Used, src, c.Others[src]))
		}
	}
	if len(v.Findings) > 0 {
		lines = append(lines, "Findings: "+strings.Join(v.Findings, ", "))
		lines = append(lines, remedyLines(v.Row.ID, e.Class, v.Findings)...)
	}
	return lines
}

// secretLine says where the secret of an identity lies, and when it is replaced.
func secretLine(e identities.Entry, place, next string) string {
	where := strings.TrimSpace(cmp.Or(e.Stored, "nobody knows where it lies") + " " + place)
	if e.RotateEvery == 0 {
		return "Secret: " + where + "; nothing says how often it is replaced"
	}
	return fmt.Sprintf("Secret: %s; rotated every %s, next by %s", where, e.RotateEvery, next)
}

// whoseIsIt finds a credential by whatever somebody has of it.
func (s *serving) whoseIsIt(ctx context.Context, by workflows.Acting, word string) (reply, error) {
	word = strings.TrimSpace(word)
	if word == "" {
		return refusedReply(workflows.Refuse(workflows.CodeBadField, "Say what you have of it: a fingerprint, a serial, its last characters or its name.", "")), nil
	}
	found, err := s.desk.FindIdentities(ctx, by.Person, whose{s}.Keys(word), word)
	if err != nil {
		return reply{}, err
	}
	switch len(found) {
	case 0:
		return refusedReply(workflows.Refuse(workflows.CodeUnknown, "Nothing in the inventory is known by that, or it is not yours to see.", "If it is a credential that leaked, report it: countersign identities leak.")), nil
	case 1:
		return s.evidenceIdentity(ctx, by, found[0].ID)
	}
	find, err := s.lookAtAll(ctx)
	if err != nil {
		return reply{}, err
	}
	out := reply{OK: true, Text: "More than one is known by that: countersign identities show ID says more."}
	for _, r := range found {
		out.Lines = append(out.Lines, s.identityLine(ctx, r, find))
	}
	out.Data, err = json.Marshal(map[string]any{"rows": found})
	return out, err
}

// report is how well the inventory is known (R14, R15).
type inventoryReport struct {
	Identities int              `json:"identities"`
	People     int              `json:"people"`
	States     map[string]int   `json:"states"`
	Findings   map[string]int   `json:"findings"`
	Coverage   []sourceCover    `json:"coverage"`
	Trend      []*desk.SurveyAt `json:"trend"` // the last week first; null: nobody counted then
	inventorySurvey
}

// sourceCover is how many of the identities of a source have owner, purpose, end and last use on record.
type sourceCover struct {
	Source  string `json:"source"`
	Known   int    `json:"known"`
	Covered int    `json:"covered"`
}

func (s *serving) reportIdentities(ctx context.Context, by workflows.Acting) (reply, error) {
	if !s.desk.SeesInventory(ctx, by.Person) {
		return refusedReply(workflows.Refuse(workflows.CodeNotYours, "The report over all identities is for owners of Countersign, security, auditors and operators.", "countersign identities list shows yours.")), nil
	}
	rep, err := s.surveyIdentities(ctx)
	if err != nil {
		return reply{}, err
	}
	counted, err := s.desk.Surveys(ctx)
	if err != nil {
		return reply{}, err
	}
	rep.Trend = trendOf(counted, rep.AsOf)
	out := reply{OK: true}
	out.Text = fmt.Sprintf("%s and %s.", quantity(rep.Identities, "identity", "identities"), quantity(rep.People, "person", "people"))
	for _, state := range slices.Sorted(maps.Keys(rep.States)) {
		out.Lines = append(out.Lines, fmt.Sprintf("%-10s %d", state, rep.States[state]))
	}
	for _, c := range rep.Coverage {
		out.Lines = append(out.Lines, fmt.Sprintf("known from %s: %d, of which %d %% have owner, purpose, end and last use on record", c.Source, c.Known, 100*c.Covered/max(1, c.Known)))
	}
	codes := slices.SortedFunc(maps.Keys(rep.Findings), func(a, b string) int { return cmp.Or(cmp.Compare(rep.Findings[b], rep.Findings[a]), cmp.Compare(a, b)) })
	for _, code := range codes {
		out.Lines = append(out.Lines, fmt.Sprintf("%6d  %s: %s%s", rep.Findings[code], code, cmp.Or(findingWords(code), strings.ReplaceAll(code, "_", " ")), rep.changed(code)))
		out.Lines = append(out.Lines, "        "+remedyCell(code))
	}
	out.Data, err = json.Marshal(rep)
	return out, err
}

// surveyIdentities goes through the whole inventory once, in memory that grows with the number of owners and of shared secrets alone.
func (s *serving) surveyIdentities(ctx context.Context) (inventoryReport, error) {
	rep := inventoryReport{People: len(s.desk.Policy().People), States: map[string]int{}, Findings: map[string]int{}}
	cover := map[string]*sourceCover{}
	now := workflows.StampOf(s.clock.Now().Wall)
	rep.begin(now)
	find, err := s.lookAtAll(ctx)
	if err != nil {
		return rep, err
	}
	shared, err := s.desk.SharedSecrets(ctx)
	if err != nil {
		return rep, err
	}
	err = s.desk.EachIdentity(ctx, workflows.InventoryQuery{}, func(r workflows.InventoryRow) error {
		rep.Identities++
		rep.States[r.State]++
		found := find(&r)
		if shared[r.ID] {
			found = append(found, identities.FindSharedPrint)
		}
		for _, f := range found {
			rep.Findings[f]++
		}
		rep.take(r, found)
		for _, src := range r.Sources {
			c := cover[src]
			if c == nil {
				c = &sourceCover{Source: src}
				cover[src] = c
			}
			c.Known++
			if identities.IsCovered(r) {
				c.Covered++
			}
		}
		return nil
	})
	for _, src := range slices.Sorted(maps.Keys(cover)) {
		rep.Coverage = append(rep.Coverage, *cover[src])
	}
	s.finishSurvey(ctx, &rep)
	return rep, err
}

// findingWords says what a finding means and what to do.
func findingWords(code string) string {
	words := map[string]string{
		identities.FindUnowned: "nobody answers for it", identities.FindNoPurpose: "nobody wrote down what it is for",
		identities.FindNoEnd: "it has no end", identities.FindNoBackup: "nobody answers when its owner is away", identities.FindUnmanaged: "its secret lies where nobody keeps it",
		identities.FindNoPath: "nothing says how to take it back in an emergency", identities.FindNoBusiness: "an integration without a business owner",
		identities.FindWide: "it may do more than it uses, or everything", identities.FindShared: "more than one workload uses it", identities.FindHuman: "automation runs as a person's own account",
		identities.FindConflict: "sources disagree about it; countersign identities show says how", identities.FindGone: "its target does not have it any more",
		identities.FindNoSponsor: "somebody outside runs it, without a sponsor or a contract end", identities.FindAgent: "an AI agent without model, tools, data reach, autonomy, sponsor, tested kill switch or retire plan",
		identities.FindExpired: "its end has passed", identities.FindEnding: "it ends within thirty days", identities.FindUnused: "not used for ninety days",
		identities.FindRotation: "its secret should have been replaced", identities.FindReview: "nobody attested it in time", identities.FindOld: "its secret is older than its kind may be",
		identities.FindApp: "an app without a vendor, its scopes or what data it reaches on record", identities.FindGrown: "an app may do more than when somebody looked at it last; attest it, or kill it",
		identities.FindByHand: "what was approved for its account is still to be done by a person", identities.FindOwnerGone: "its owner has left", identities.FindSharedPrint: "another identity has the same secret",
		identities.FindCreatorGone: "whoever asked for it or made it has left, and its secret was not replaced since", identities.FindUserGone: "whoever acted as it last has left, and its secret was not replaced since",
		identities.FindKillOld: "the kill switch of an AI agent was not tried for half a year",
		identities.FindLeaked:  "its secret was seen where it must not be, and was not replaced since", identities.FindShadow: "a secret that was seen, and that nobody had on record",
	}
	return words[code]
}

// exportIdentities gives one page with everything that is known, to who sees all of the inventory.
func (s *serving) exportIdentities(ctx context.Context, by workflows.Acting, o order) (reply, error) {
	if !s.desk.SeesInventory(ctx, by.Person) {
		return refusedReply(workflows.Refuse(workflows.CodeNotYours, "Exports are for owners of Countersign, security, auditors and operators.", "")), nil
	}
	o.Args["limit"] = "100"
	q, no := s.inventoryQuery(o)
	if no != nil {
		return refusedReply(no), nil
	}
	rows, next, err := s.desk.Inventory(ctx, by.Person, q)
	if err != nil {
		return reply{}, err
	}
	list := make([]exported, 0, len(rows))
	for _, r := range rows {
		x := exported{Row: r, Owner: s.keyOf(r.Owner), Backup: s.keyOf(r.Backup)}
		if r.Kind == identities.KindHuman {
			x.Row.ID = workflows.IdentityID(s.keyOf(string(r.ID)))
			list = append(list, x)
			continue
		}
		v, err := s.desk.Identity(ctx, by.Person, r.ID)
		if err != nil {
			return reply{}, err
		}
		x.Entry, x.Now = v.Entry, v.Findings
		x.Entry.Creator = workflows.PersonID(s.keyOf(string(v.Entry.Creator)))
		x.Entry.Business, x.Entry.Sponsor = s.keyOf(v.Entry.Business), workflows.PersonID(s.keyOf(string(v.Entry.Sponsor)))
		x.Account, x.Place, x.Path = v.State.Texts()
		list = append(list, x)
	}
	out := reply{OK: true}
	out.Data, err = json.Marshal(map[string]any{"rows": list, "next": next})
	return out, err
}
