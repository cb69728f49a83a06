package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// doExplain is the order for an explanation.
const doExplain = "explain"

// explaining are the words of the explain command.
type explaining struct {
	flags    *flag.FlagSet
	at, zone string
	without  string
	data, in string
	asJSON   bool

	workflow, as, what, subject string
	long                        string
	fields                      fieldFlags
}

// explainCommand says why a request is where it is, or what would become of one: as a tree of stages and people.
func explainCommand(ctx context.Context, p proc) error {
	x := &explaining{flags: p.flags("explain", "REQUEST [-at TIME] [-without A,B] [-json]; or before asking: -workflow W -as PERSON [-target T/E] [-for 4h]")}
	x.flags.StringVar(&x.at, "at", "", "who could decide then: 2026-11-29T03:00, on the clock of -zone")
	x.flags.StringVar(&x.zone, "zone", "UTC", "time zone of the times that are read and shown")
	x.flags.StringVar(&x.without, "without", "", "people who are taken to be away, by key, with commas")
	x.flags.StringVar(&x.data, "data", "", "read this data folder instead of asking the running bot")
	x.flags.StringVar(&x.in, "in", "", "configuration folder; default: COUNTERSIGN_CONFIG")
	x.flags.BoolVar(&x.asJSON, "json", false, "print the tree as JSON")
	x.flags.StringVar(&x.workflow, "workflow", "", "the chain that would be asked")
	x.flags.StringVar(&x.as, "as", "", "who would ask, by key")
	x.flags.StringVar(&x.what, "target", "", "target/entitlement; default: the first that the chain grants")
	x.flags.StringVar(&x.subject, "identity", "", "the identity that it would be for; default: who asks")
	x.flags.StringVar(&x.long, "for", "", "how long: 30m, 4h, 2d; default: what the chain's form offers first")
	x.flags.Var(&x.fields, "field", "a field of the form, NAME=VALUE; may be given several times")
	words, err := p.parseMixed(x.flags, 0, 1)
	if err != nil {
		return err
	}
	if (len(words) == 1) == (x.workflow != "") {
		return usageError{"name a request, or -workflow and -as"}
	}
	loc, err := zoneNamed(x.zone)
	if err != nil {
		return err
	}
	var at workflows.Stamp
	if x.at != "" {
		if at, err = momentOf(x.at, loc); err != nil {
			return err
		}
	}
	var e workflows.Explanation
	if x.workflow != "" {
		e, err = x.before(ctx, p, at)
	} else {
		e, err = x.request(ctx, p, words[0], at, loc)
	}
	if err != nil {
		return err
	}
	if x.asJSON {
		enc := json.NewEncoder(p.out)
		enc.SetIndent("", "  ")
		return enc.Encode(e)
	}
	printTree(p.out, e, 0)
	return nil
}

// fieldFlags collects NAME=VALUE.
type fieldFlags map[string]string

// String implements flag.Value.
func (f *fieldFlags) String() string { return "" }

// Set implements flag.Value.
func (f *fieldFlags) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return fmt.Errorf("%q is not NAME=VALUE", s)
	}
	if *f == nil {
		*f = fieldFlags{}
	}
	(*f)[name] = value
	return nil
}

// request explains one that was made: through the running bot, which knows what the chat says and lets people see what they may see, or out of
// the data folder, which whoever may read it sees all of.
func (x *explaining) request(ctx context.Context, p proc, word string, at workflows.Stamp, loc *time.Location) (workflows.Explanation, error) {
	c, err := loadConfig(p.env)
	if err != nil {
		return workflows.Explanation{}, err
	}
	if x.data == "" && (c.Data != "" || c.Socket != "") && answers(c.peopleSocket()) {
		o := order{Do: doExplain, ID: word, At: at, Zone: x.zone, Without: splitKeys(x.without)}
		r, err := send(ctx, c, o)
		switch {
		case err != nil:
			return workflows.Explanation{}, err
		case !r.OK:
			return workflows.Explanation{}, errors.New(r.Refused)
		case r.Explain == nil:
			return workflows.Explanation{}, errors.New("the bot gave no explanation")
		}
		return *r.Explain, nil
	}
	return x.fromLedger(ctx, p, c, word, at, loc)
}

func splitKeys(s string) []string {
	return slices.DeleteFunc(strings.Split(s, ","), func(w string) bool { return strings.TrimSpace(w) == "" })
}

// answers tells whether somebody listens on a socket.
func answers(path string) bool {
	c, err := net.DialTimeout("unix", path, time.Second)
	if err != nil {
		return false
	}
	return c.Close() == nil
}

// cliExplain is the order, carried out by the running bot.
func (s *serving) cliExplain(ctx context.Context, by workflows.Acting, o order) (reply, error) {
	id, no, err := s.findRequest(ctx, by.Person, o.ID)
	if err != nil {
		return reply{}, err
	}
	if no != nil {
		return refusedReply(no), nil
	}
	loc, err := zoneNamed(cmp.Or(o.Zone, "UTC"))
	if err != nil {
		return refusedReply(workflows.Refuse(workflows.CodeBadField, err.Error()+".", "")), nil
	}
	without, unknown := namedPeople(s.desk.Policy(), o.Without)
	if unknown != "" {
		return refusedReply(workflows.Refuse(workflows.CodeBadField, "There is nobody called "+printable(unknown)+" in the people file.", "")), nil
	}
	e, err := explained(ctx, s.desk, desk.Question{By: by.Person, Request: id, At: o.At, Without: without}, loc)
	var refused *workflows.Refusal
	if errors.As(err, &refused) {
		return refusedReply(refused), nil
	}
	if err != nil {
		return reply{}, err
	}
	return reply{OK: true, ID: string(id), Text: e.Sentence, Explain: &e}, nil
}

// namedPeople finds people by their keys; the first that nobody is called comes back.
func namedPeople(p *desk.Policy, keys []string) (found []workflows.PersonID, unknown string) {
	for _, k := range keys {
		n := len(found)
		for id, x := range p.People {
			if x.Key == k {
				found = append(found, id)
			}
		}
		if len(found) == n {
			return nil, k
		}
	}
	return found, ""
}

// explained is the tree of a request. Where it is open or a time is given, a second tree says who could decide what is left.
func explained(ctx context.Context, d *desk.Desk, q desk.Question, loc *time.Location) (workflows.Explanation, error) {
	v, err := lookFor(ctx, d, q)
	if err != nil {
		return workflows.Explanation{}, err
	}
	e := workflows.Explain(v.State, outlookIn(ctx, d, loc))
	if v.State.Final() {
		return e, nil
	}
	could, err := d.WhoCould(ctx, q)
	if err != nil {
		return e, err
	}
	could.Name = "who could decide " + whenWords(q, loc)
	e.Children = append(e.Children, could)
	return e, nil
}

func lookFor(ctx context.Context, d *desk.Desk, q desk.Question) (desk.View, error) {
	if q.By != "" {
		return d.LookAs(ctx, q.By, q.Request)
	}
	v, err := d.Look(ctx, q.Request)
	if errors.Is(err, workflows.ErrNoStream) {
		return v, workflows.Unknown()
	}
	return v, err
}

func whenWords(q desk.Question, loc *time.Location) string {
	out := "now"
	if q.At != 0 {
		out = "on " + q.At.Time().In(loc).Format("Monday 2006-01-02 at 15:04 MST")
	}
	if len(q.Without) > 0 {
		out += " without those who are away"
	}
	return out
}

func outlookIn(ctx context.Context, d *desk.Desk, loc *time.Location) workflows.Outlook {
	return workflows.Outlook{
		Name: func(p workflows.PersonID) string { return d.Name(ctx, p) },
		When: func(s workflows.Stamp) string { return s.Time().In(loc).Format("Mon 2006-01-02 15:04 MST") },
	}
}

// fromLedger explains out of a data folder that nobody serves, or that serves somebody else. With the configuration folder it can also say who
// could decide; without it only what was recorded.
func (x *explaining) fromLedger(ctx context.Context, p proc, c Config, word string, at workflows.Stamp, loc *time.Location) (workflows.Explanation, error) {
	e, err := openEvidence(ctx, p, x.data, "")
	if err != nil {
		return workflows.Explanation{}, err
	}
	defer e.close()
	all, err := e.all(ctx)
	if err != nil {
		return workflows.Explanation{}, err
	}
	id, h, err := requestNamed(all, word)
	if err != nil {
		return workflows.Explanation{}, err
	}
	dir := cmp.Or(x.in, c.Config)
	if dir == "" {
		if at != 0 || x.without != "" {
			return workflows.Explanation{}, hint(errors.New("who could decide then depends on the configuration folder, and none is named"), "countersign explain %s -in DIR", word)
		}
		s, err := workflows.Fold(h)
		if err != nil {
			return workflows.Explanation{}, err
		}
		return workflows.Explain(s, workflows.Outlook{Name: e.nameOf, When: func(t workflows.Stamp) string { return t.Time().In(loc).Format("Mon 2006-01-02 15:04 MST") }}), nil
	}
	policies, err := readPoliciesFor(dir, e, p.copies(x.data))
	if err != nil {
		return workflows.Explanation{}, err
	}
	r, err := rehearseAfter(ctx, policies, e, all, p.copies(x.data).ages(policies))
	if err != nil {
		return workflows.Explanation{}, err
	}
	without, unknown := namedPeople(r.policy, splitKeys(x.without))
	if unknown != "" {
		return workflows.Explanation{}, fmt.Errorf("there is nobody called %q in people.yaml", unknown)
	}
	return explained(ctx, r.desk, desk.Question{Request: id, At: at, Without: without}, loc)
}

func (e *evidence) nameOf(p workflows.PersonID) string {
	if n := e.names[p]; n != "" {
		return n
	}
	return string(p)
}

// requestNamed finds a request by its id or an ending of at least four characters.
func requestNamed(all []workflows.Record, word string) (workflows.RequestID, []workflows.Record, error) {
	byID := map[workflows.RequestID][]workflows.Record{}
	for _, r := range all {
		if r.Stream.Kind() == workflows.KindRequest {
			id := workflows.RequestID(r.Stream.Rest())
			byID[id] = append(byID[id], r)
		}
	}
	if h, ok := byID[workflows.RequestID(word)]; ok {
		return workflows.RequestID(word), h, nil
	}
	var found []workflows.RequestID
	for id := range byID {
		if len(word) >= 4 && strings.HasSuffix(string(id), word) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 1:
		return found[0], byID[found[0]], nil
	case 0:
		return "", nil, hint(fmt.Errorf("there is no request %q in this ledger", word), "countersign ledger show lists the newest entries")
	}
	return "", nil, fmt.Errorf("more than one request ends in %q: give more of its id", word)
}

// rehearseAfter puts a folder in force behind everything that a ledger records.
func rehearseAfter(ctx context.Context, p spec.Policies, e *evidence, all []workflows.Record, feeds desk.Feeds) (*rehearsal, error) {
	now := workflows.StampOf(time.Now())
	if n := len(all); n > 0 {
		now = max(now, all[n-1].At.UTC) // a demo's clock may be ahead
	}
	r, err := rehearseFed(ctx, p, now, feeds)
	if err != nil {
		return nil, err
	}
	if e.store != nil {
		r.ledger.elsewhere = e.store.Document
	}
	r.ledger.forget()
	for _, x := range all {
		switch x.Stream.Kind() {
		case workflows.KindPerson, workflows.KindIdentity, workflows.KindGrant, workflows.KindRequest:
			if err := r.ledger.keep(x); err != nil {
				return nil, err
			}
		}
	}
	if n := len(all); n > 0 {
		r.ledger.now.Mono = all[n-1].At.Mono + int64(max(0, now.Sub(all[n-1].At.UTC)))
	}
	return r, nil
}

// before says what would become of an ask that nobody made.
func (x *explaining) before(ctx context.Context, p proc, at workflows.Stamp) (workflows.Explanation, error) {
	var none workflows.Explanation
	dir, err := p.folderNamed([]string{x.in})
	if err != nil {
		return none, err
	}
	r, err := x.stage(ctx, p, dir, at)
	if err != nil {
		return none, err
	}
	who, ok := r.person(x.as)
	if !ok && x.as == "" {
		return none, usageError{"say who would ask: -as, by key"}
	}
	if !ok {
		return none, fmt.Errorf("there is nobody called %q in people.yaml", x.as)
	}
	without, unknown := namedPeople(r.policy, splitKeys(x.without))
	if unknown != "" {
		return none, fmt.Errorf("there is nobody called %q in people.yaml", unknown)
	}
	s, err := x.submission(r, who)
	if err != nil {
		return none, err
	}
	got, err := r.desk.Preview(ctx, s)
	if err != nil || len(got.Plan) == 0 {
		return got.Explanation, err
	}
	if len(got.Problems) > 0 {
		got.Explanation.Children = append(got.Explanation.Children, unfilled(r.policy.Workflows[s.Workflow].Workflow, got.Problems))
	}
	if at == 0 && x.without == "" {
		return got.Explanation, nil
	}
	q := desk.Question{Workflow: s.Workflow, Form: s.Form, Subject: s.Subject, Requester: who, At: at, Without: without}
	could, err := r.desk.WhoCould(ctx, q)
	if err != nil {
		return none, err
	}
	loc, err := zoneNamed(x.zone)
	if err != nil {
		return none, err
	}
	could.Name = "who could decide " + whenWords(q, loc)
	got.Explanation.Children = append(got.Explanation.Children, could)
	return got.Explanation, nil
}

// unfilled says that what is explained is how an ask goes whose form is filled in, and what of this one is not.
func unfilled(w *workflows.Workflow, list []workflows.FieldProblem) workflows.Explanation {
	e := workflows.Explanation{Name: "form", Status: "pending", Sentence: "Taken as if it were filled in well; -field NAME=VALUE says how."}
	for _, x := range list {
		name := x.Field
		if i := slices.IndexFunc(w.Fields, func(f workflows.Field) bool { return f.Name == x.Field }); i >= 0 {
			name = fmt.Sprintf("%s (%s)", w.Fields[i].Label, x.Field)
		}
		e.Children = append(e.Children, workflows.Explanation{Name: name, Status: "pending", Sentence: x.Text})
	}
	return e
}

// stage is the folder, with what the ledger says of people and grants where there is one to read.
func (x *explaining) stage(ctx context.Context, p proc, dir string, at workflows.Stamp) (*rehearsal, error) {
	c, err := loadConfig(p.env)
	if err != nil {
		return nil, err
	}
	if x.data == "" && c.Data == "" {
		policies, err := readPolicies(dir, p.copies(x.data))
		if err != nil {
			return nil, err
		}
		return rehearseFed(ctx, policies, cmp.Or(at, workflows.StampOf(time.Now())), feedStore{}.ages(policies))
	}
	e, err := openEvidence(ctx, p, x.data, "")
	if err != nil {
		return nil, err
	}
	defer e.close()
	policies, err := readPoliciesFor(dir, e, p.copies(x.data))
	if err != nil {
		return nil, err
	}
	all, err := e.all(ctx)
	if err != nil {
		return nil, err
	}
	r, err := rehearseAfter(ctx, policies, e, all, p.copies(x.data).ages(policies))
	if err == nil && at != 0 {
		r.ledger.now.UTC = at
	}
	return r, err
}

func (x *explaining) submission(r *rehearsal, who workflows.PersonID) (desk.Submission, error) {
	v, ok := r.policy.Workflows[workflows.WorkflowID(x.workflow)]
	if !ok {
		return desk.Submission{}, fmt.Errorf("there is no workflow %q in the folder", x.workflow)
	}
	for _, name := range slices.Sorted(maps.Keys(x.fields)) {
		if !slices.ContainsFunc(v.Workflow.Fields, func(f workflows.Field) bool { return f.Name == name }) {
			return desk.Submission{}, fmt.Errorf("the form of %s has no field %q; it has %s", v.Workflow.ID, name, list(fieldNames(v.Workflow), "none"))
		}
	}
	long := v.Workflow.Usual
	if x.long != "" {
		var err error
		if long, err = spec.ParseSpan(x.long); err != nil {
			return desk.Submission{}, usageError{"-for: " + err.Error() + "; one whole number and one unit: 30m, 4h or 2d"}
		}
	}
	what := x.what
	if what == "" && len(v.Workflow.Entitlements) > 0 {
		what = v.Workflow.Entitlements[0].Name()
	}
	target, entitlement, _ := strings.Cut(what, "/")
	if entitlement == "" { // the only one on that target
		for _, e := range v.Workflow.Entitlements {
			if string(e.Target) == target {
				entitlement = string(e.ID)
			}
		}
	}
	s := desk.Submission{
		By: acting(who), Workflow: v.Workflow.ID, Subject: workflows.IdentityID(x.subject), Channel: viaCLI, Authn: unixPeer,
		Form: workflows.Form{
			Target: workflows.TargetID(target), Entitlement: workflows.EntitlementID(entitlement), Seconds: long,
			Reason: quietReason, Values: x.fields,
		},
	}
	return s, nil
}

func fieldNames(w *workflows.Workflow) (out []string) {
	for _, f := range w.Fields {
		out = append(out, f.Name)
	}
	return out
}

// printTree renders an explanation as indented text: a mark, a name, a sentence.
func printTree(w io.Writer, e workflows.Explanation, depth int) {
	marks := map[string]string{"approved": "✓", "pending": "…", "skipped": "–", "denied": "✗", "error": "!"}
	mark := marks[e.Status]
	if mark == "" {
		mark = "?"
	}
	fmt.Fprintf(w, "%s%s %s: %s\n", strings.Repeat("  ", depth), mark, printable(e.Name), printable(e.Sentence))
	for _, c := range slices.Concat(e.Notes, e.Children) {
		printTree(w, c, depth+1)
	}
}
