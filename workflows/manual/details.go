package manual

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// form is what has to be filled in.
func form(w *workflows.Workflow) Section {
	s := Section{Title: "What you fill in"}
	for _, f := range w.Fields {
		words := "**" + escape(f.Label) + "**: " + fieldWords(f)
		if f.Optional {
			words += ", if there is one"
		}
		if f.Help != "" {
			words += ". " + escape(strings.TrimSuffix(f.Help, "."))
		}
		s.Points = append(s.Points, words+".")
	}
	if w.ReasonMin > 0 {
		s.Points = append(s.Points, fmt.Sprintf("**Reason**: why it is needed, in at least %d characters.", w.ReasonMin))
	}
	return s
}

func fieldWords(f workflows.Field) string {
	limits := ""
	switch {
	case f.Least != "" && f.Most != "":
		limits = " from " + bound(f.Type, f.Least) + " to " + bound(f.Type, f.Most)
	case f.Least != "":
		limits = ", at least " + bound(f.Type, f.Least)
	case f.Most != "":
		limits = ", at most " + bound(f.Type, f.Most)
	}
	switch f.Type {
	case workflows.FieldChoice:
		return "one of " + escape(list(f.Choices, "or"))
	case workflows.FieldTicket:
		return "the number of a ticket"
	case workflows.FieldSSHKey:
		return "your public SSH key, one line"
	case workflows.FieldNumber:
		return "a number" + limits
	case workflows.FieldDuration:
		return "a length of time" + limits
	case workflows.FieldDateTime:
		if limits != "" {
			limits += " from now"
		}
		return "a date and time" + limits
	case workflows.FieldTarget:
		return "one of the systems"
	case workflows.FieldOffer:
		return "one of what the system has to give"
	case workflows.FieldPerson:
		return "somebody of the people file"
	case workflows.FieldNewID:
		return "the id of a robot, key or service account that there is not yet"
	case workflows.FieldIdentity:
		return "one of the robots, keys and service accounts"
	}
	return "free text"
}

// bound is a limit of a field as people say it.
func bound(kind, s string) string {
	if kind != workflows.FieldNumber {
		return plain(s)
	}
	return s
}

// limits are what holds beside the approval.
func (b Book) limits(w *workflows.Workflow) Section {
	s := Section{Title: "What else holds"}
	add := func(format string, args ...any) { s.Points = append(s.Points, escape(fmt.Sprintf(format, args...))) }
	if w.Only == workflows.OnlyBusiness {
		add("Only within business hours%s.", b.hours(w.Calendar))
	}
	if len(w.Freezes) > 0 {
		add("Nothing is granted during a change freeze (%s).", list(w.Freezes, "or"))
	}
	if w.Often != nil {
		add("One person may ask at most %s within %s.", times(w.Often.Times), within(w.Often.Per))
	}
	if w.Later > 0 {
		add("It may be asked for ahead of time: the access may begin up to %s later. Otherwise it begins when it is approved.", Span(w.Later))
	}
	if w.Extend != nil {
		add("While the access is active, more time can be asked for. It is a new request, and all in all it never lasts longer than %s.", Span(w.Extend.Cap))
	}
	if w.EndsWith != "" {
		add("%s", ending(w))
	}
	if w.Task != nil {
		add("%s", taskWords(*w.Task))
	}
	if len(w.Posture) > 0 {
		add("The holder's device or workload must be known to be in order (%s): when it is asked for, when the access is made, and for as long as it lasts.", strings.Join(w.Posture, ", "))
	}
	if w.MaxUnverified > 0 {
		add("While the access lasts it is asked again and again whether it should still be allowed; when nobody can tell for %s, it ends.", Span(w.MaxUnverified))
	}
	if words := verbs(w.ReasonFor); words != "" {
		add("A reason is needed to %s; saying no always needs one.", words)
	}
	if x := w.Window; x != nil {
		add("What it allows: grants of at most %s each, %s (%s), at most %s within %s and %s in all.", Span(x.Lifetime), x.Hours, x.Zone, times(x.Times), within(x.Per), times(x.Budget))
	}
	if x := w.ActAs; x != nil {
		add("Whoever asks has to prove who they are (a click is not enough) and to say what is exceptional (%s); the step %s is management's, and every ask goes through it. On record stand the circumstance, the end, the reason, who of management approved, how the asker proved to be themselves, and the name that the target's own log has for each action.",
			escape(x.Exceptional), escape(x.Management))
	}
	if x := w.Exception; x != nil {
		add("What it waives: %s.", strings.ReplaceAll(x.Control, "_", " "))
		for _, c := range x.Checks {
			add("What makes up for it, looked at again and again: %s.", escape(c.String()))
		}
		then := "the identity is suspended"
		if x.Failed == workflows.FailedRetires {
			then = "everything is taken back from the identity for good"
		}
		add("When one of these fails, or the exception ends: %s.", then)
		if x.Higher != "" {
			add("From the fourth renewal on, the step %s is asked, too.", escape(x.Higher))
		}
	}
	return s
}

func (b Book) hours(name string) string {
	c, ok := b.Calendars[name]
	if !ok || c == nil {
		return ""
	}
	return fmt.Sprintf(" (%s, in %s; not on holidays)", c.Hours().Week(), c.Hours().Zone())
}

func ending(w *workflows.Workflow) string {
	name := label(w.EndsWith, w.Fields)
	for _, f := range w.Fields {
		if f.Name == w.EndsWith && f.Type == workflows.FieldTicket {
			return "The access ends when the ticket given as " + name + " is closed, however much time would be left."
		}
	}
	return "The access ends no later than the time given as " + name + "."
}

// taskWords say what the ticket must be like.
func taskWords(t workflows.TaskTerms) string {
	out := "The ticket must be open"
	if t.Source != "" {
		out += ", one of " + string(t.Source)
	}
	if t.Window {
		out += ", with a change window that covers the time"
	}
	switch t.Assignee {
	case workflows.AssigneeAnyone:
		out += ", assigned to somebody"
	case workflows.AssigneeRequester:
		out += ", assigned to whoever asks"
	}
	return out + ": when it is asked for, when the access is made, and for as long as it lasts."
}

func verbs(given []string) string {
	words := map[string]string{
		workflows.VerbApprove: "say yes", workflows.VerbCounter: "offer other terms", workflows.VerbTakeBack: "take back one's own yes",
		workflows.VerbRevoke: "take access back early", workflows.VerbDeny: "",
	}
	var out []string
	for _, v := range given {
		if words[v] != "" {
			out = append(out, words[v])
		}
	}
	return list(out, "or")
}

// risk is the table that computes how dangerous an ask is, and where the things that this chain gives stand in it.
func risk(w *workflows.Workflow) Section {
	if w.Risk == nil {
		return Section{}
	}
	s := riskClasses(w.Risk)
	for _, e := range w.Entitlements {
		s.Points = append(s.Points, escape(e.Name())+": "+class(w, e)+".")
	}
	return s
}

const riskTitle = "How risky it is"

func riskClasses(r *workflows.RiskTable) Section {
	s := Section{
		Title: riskTitle, Sentences: []string{"Each request is put into one of these classes by what it is for.", "The class holds whatever a chain says:"},
		Table: [][]string{{"Class", "At most", "People who say yes", "More than a click"}},
	}
	for _, t := range r.Tiers {
		longest, people, step := "as the chain says", "as the chain says", "no"
		if t.Longest > 0 {
			longest = Span(t.Longest)
		}
		if t.Approvers > 0 {
			people = "at least " + strconv.Itoa(t.Approvers)
		}
		if t.StepUp {
			step = "yes"
		}
		s.Table = append(s.Table, []string{t.Name, longest, people, step})
	}
	if slices.ContainsFunc(r.Tiers, func(t workflows.Tier) bool { return t.StepUp }) {
		s.Sentences = []string{
			s.Sentences[0], "More than a click means that whoever says yes logs in on the page of the request, or uses a code that was printed for them, or does it on the bot's own host; saying no is a click everywhere.",
			s.Sentences[1],
		}
	}
	return s
}

// class is the risk of one thing, for each kind of holder that this chain allows: the class of most of them, and then the others.
func class(w *workflows.Workflow, e workflows.Entitlement) string {
	var kinds []string
	if w.Allows(workflows.ForSelf) || w.Allows(workflows.ForReports) {
		kinds = append(kinds, "person")
	}
	if w.Allows(workflows.ForOwned) {
		kinds = append(kinds, "service_account", "automation_account", "api_key", "oauth_token", "certificate", "ssh_key", "workload", "ai_agent", "integration")
	}
	by := map[string][]string{}
	var order []string
	for _, k := range kinds {
		t, _, ok := w.TierOf(e, k)
		if !ok {
			continue
		}
		if by[t.Name] == nil {
			order = append(order, t.Name)
		}
		by[t.Name] = append(by[t.Name], kindName(k))
	}
	if len(order) == 0 {
		return "no class"
	}
	slices.SortStableFunc(order, func(a, b string) int { return len(by[b]) - len(by[a]) })
	out := "class **" + escape(order[0]) + "**"
	for _, t := range order[1:] {
		out += ", but **" + escape(t) + "** for " + list(by[t], "or")
	}
	return out
}

// told is who hears of it, and where.
func (b Book) told(w *workflows.Workflow) Section {
	s := Section{Title: "Who hears of it"}
	where := "Those who are asked, and the requester, are told directly"
	if w.Channel != "" {
		where += "; a card stands in " + w.Channel
	}
	s.Points = append(s.Points, escape(where+"."))
	switch w.SeenBy {
	case workflows.SeenByMembers:
		s.Points = append(s.Points, "Everybody in the people file may read the requests.")
	default:
		s.Points = append(s.Points, "Only those who are part of a request, the owners, security and auditors may read it. Others get the same answer as for a request that does not exist.")
	}
	if w.Tell != nil {
		s.Points = append(s.Points, "Told of the outcome without being asked: "+escape(b.all(*w.Tell, w.Entitlements))+".")
	}
	return s
}

// origin is who answers for the chain, and which version this is.
func (b Book) origin(c Chapter) Section {
	s := Section{Title: "Who answers for it"}
	s.Points = append(s.Points, "Owner: "+escape(b.Person.nameOr(c.Workflow.Owner, "nobody"))+".")
	if c.Changed != "" {
		s.Points = append(s.Points, "Last changed "+escape(c.Changed)+".")
	}
	name := "Name in the ledger: `" + string(c.Workflow.ID) + "`"
	if c.Hash != "" {
		name += ", version `" + string(c.Hash) + "`. Every entry that this chain decides names that version"
	}
	s.Points = append(s.Points, name+".")
	if c.Source != "" {
		from := "Made from a file"
		if c.File != "" {
			from = "Made from `" + strings.ReplaceAll(c.File, "`", "") + "`"
		}
		s.Points = append(s.Points, from+" with the digest `"+string(c.Source)+"`. The ledger keeps that text for every version that was ever in force.")
	}
	return s
}
