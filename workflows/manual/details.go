package manual

import (
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// form is what has to be filled in.
func (b Book) form(w *workflows.Workflow) Section {
	s := Section{Title: b.say("What you fill in")}
	for _, f := range w.Fields {
		words := "**" + escape(f.Label) + "**: " + b.fieldWords(f)
		if f.Optional {
			words = b.say("%s, if there is one", words)
		}
		if f.Help != "" {
			words += ". " + escape(strings.TrimSuffix(f.Help, "."))
		}
		s.Points = append(s.Points, words+".")
	}
	if w.ReasonMin > 0 {
		s.Points = append(s.Points, b.say("**Reason**: why it is needed, in at least %d characters.", w.ReasonMin))
	}
	return s
}

func (b Book) fieldWords(f workflows.Field) string {
	limits := ""
	switch {
	case f.Least != "" && f.Most != "":
		limits = b.say(" from %s to %s", b.bound(f.Type, f.Least), b.bound(f.Type, f.Most))
	case f.Least != "":
		limits = b.say(", at least %s", b.bound(f.Type, f.Least))
	case f.Most != "":
		limits = b.say(", at most %s", b.bound(f.Type, f.Most))
	}
	switch f.Type {
	case workflows.FieldChoice:
		quoted := make([]string, len(f.Choices)) // a choice may be a sentence with commas of its own
		for i, c := range f.Choices {
			quoted[i] = "“" + c + "”"
		}
		return escape(b.say("one of %s", b.or(quoted)))
	case workflows.FieldTicket:
		return b.say("the number of a ticket")
	case workflows.FieldSSHKey:
		return b.say("your public SSH key, one line")
	case workflows.FieldCSR:
		return b.say("a certificate request")
	case workflows.FieldNumber:
		return b.say("a number%s", limits)
	case workflows.FieldDuration:
		return b.say("a length of time%s", limits)
	case workflows.FieldDateTime:
		if limits != "" {
			limits = b.say("%s from now", limits)
		}
		return b.say("a date and time%s", limits)
	case workflows.FieldTarget:
		return b.say("one of the systems")
	case workflows.FieldOffer:
		return b.say("one of what the system has to give")
	case workflows.FieldPerson:
		return b.say("somebody of the people file")
	case workflows.FieldNewID:
		return b.say("the id of a robot, key or service account that there is not yet")
	case workflows.FieldIdentity:
		return b.say("one of the robots, keys and service accounts")
	}
	return b.say("free text")
}

// bound is a limit of a field as people say it.
func (b Book) bound(kind, s string) string {
	if kind != workflows.FieldNumber {
		return b.plain(s)
	}
	return s
}

// limits are what holds beside the approval.
func (b Book) limits(w *workflows.Workflow) Section {
	s := Section{Title: b.say("What else holds")}
	say := func(format string, args ...any) { s.Points = append(s.Points, escape(b.say(format, args...))) }
	if w.Only == workflows.OnlyBusiness {
		say("Only within business hours%s.", b.hours(w.Calendar))
	}
	if len(w.Freezes) > 0 {
		say("Nothing is granted during a change freeze (%s).", b.or(w.Freezes))
	}
	if w.Often != nil {
		say("One person may ask at most %s within %s.", b.times(w.Often.Times), b.within(w.Often.Per))
	}
	if w.Later > 0 {
		say("It may be asked for ahead of time: the access may begin up to %s later. Otherwise it begins when it is approved.", b.span(w.Later))
	}
	if w.Extend != nil {
		say("While the access is active, more time can be asked for. It is a new request, and all in all it never lasts longer than %s.", b.span(w.Extend.Cap))
	}
	if w.EndsWith != "" {
		s.Points = append(s.Points, escape(b.ending(w)))
	}
	if w.Task != nil {
		s.Points = append(s.Points, escape(b.taskWords(*w.Task)))
	}
	if len(w.Posture) > 0 {
		say("The holder's device or workload must be known to be in order (%s): when it is asked for, when the access is made, and for as long as it lasts.", strings.Join(w.Posture, ", "))
	}
	if w.MaxUnverified > 0 {
		say("While the access lasts it is asked again and again whether it should still be allowed; when nobody can tell for %s, it ends.", b.span(w.MaxUnverified))
	}
	if words := b.verbs(w.ReasonFor); words != "" {
		say("A reason is needed to %s; saying no always needs one.", words)
	}
	if x := w.Window; x != nil {
		say("What it allows: grants of at most %s each, %s (%s), at most %s within %s and %s in all.", b.span(x.Lifetime), x.Hours, x.Zone, b.times(x.Times), b.within(x.Per), b.times(x.Budget))
	}
	if x := w.ActAs; x != nil {
		say("Whoever asks has to prove who they are (a click is not enough) and to say what is exceptional (%s); the step %s is management's, and every ask goes through it. On record stand the circumstance, the end, the reason, who of management approved, how the asker proved to be themselves, and the name that the target's own log has for each action.",
			escape(x.Exceptional), escape(x.Management))
	}
	if x := w.Exception; x != nil {
		say("What it waives: %s.", b.word(strings.ReplaceAll(x.Control, "_", " ")))
		for _, c := range x.Checks {
			say("What makes up for it, looked at again and again: %s.", escape(c.String()))
		}
		then := b.say("the identity is suspended")
		if x.Failed == workflows.FailedRetires {
			then = b.say("everything is taken back from the identity for good")
		}
		say("When one of these fails, or the exception ends: %s.", then)
		if x.Higher != "" {
			say("From the fourth renewal on, the step %s is asked, too.", escape(x.Higher))
		}
	}
	return s
}

func (b Book) hours(name string) string {
	c, ok := b.Calendars[name]
	if !ok || c == nil {
		return ""
	}
	return b.say(" (%s, in %s; not on holidays)", c.Hours().Week(), c.Hours().Zone())
}

func (b Book) ending(w *workflows.Workflow) string {
	name := label(w.EndsWith, w.Fields)
	for _, f := range w.Fields {
		if f.Name == w.EndsWith && f.Type == workflows.FieldTicket {
			return b.say("The access ends when the ticket given as %s is closed, however much time would be left.", name)
		}
	}
	return b.say("The access ends no later than the time given as %s.", name)
}

// taskWords say what the ticket must be like.
func (b Book) taskWords(t workflows.TaskTerms) string {
	like := ""
	if t.Source != "" {
		like += b.say(", one of %s", string(t.Source))
	}
	if t.Window {
		like += b.say(", with a change window that covers the time")
	}
	switch t.Assignee {
	case workflows.AssigneeAnyone:
		like += b.say(", assigned to somebody")
	case workflows.AssigneeRequester:
		like += b.say(", assigned to whoever asks")
	}
	return b.say("The ticket must be open%s: when it is asked for, when the access is made, and for as long as it lasts.", like)
}

func (b Book) verbs(given []string) string {
	words := map[string]string{
		workflows.VerbApprove: b.say("say yes"), workflows.VerbCounter: b.say("offer other terms"), workflows.VerbTakeBack: b.say("take back one's own yes"),
		workflows.VerbRevoke: b.say("take access back early"), workflows.VerbDeny: "",
	}
	var out []string
	for _, v := range given {
		if words[v] != "" {
			out = append(out, words[v])
		}
	}
	return b.or(out)
}

// risk is the table that computes how dangerous an ask is, and where the things that this chain gives stand in it.
func (b Book) risk(w *workflows.Workflow) Section {
	if w.Risk == nil {
		return Section{}
	}
	s := b.riskClasses(w.Risk)
	for _, e := range w.Entitlements {
		s.Points = append(s.Points, escape(e.Name())+": "+b.class(w, e)+".")
	}
	return s
}

func (b Book) riskClasses(r *workflows.RiskTable) Section {
	s := Section{
		Title: b.say("How risky it is"), Sentences: []string{b.say("Each request is put into one of these classes by what it is for."), b.say("The class holds whatever a chain says:")},
		Table: [][]string{{b.say("Class"), b.say("At most"), b.say("People who say yes"), b.say("More than a click")}},
	}
	for _, t := range r.Tiers {
		longest, people, step := b.say("as the chain says"), b.say("as the chain says"), b.say("no")
		if t.Longest > 0 {
			longest = b.span(t.Longest)
		}
		if t.Approvers > 0 {
			people = b.say("at least %d", t.Approvers)
		}
		if t.StepUp {
			step = b.say("yes")
		}
		s.Table = append(s.Table, []string{t.Name, longest, people, step})
	}
	if slices.ContainsFunc(r.Tiers, func(t workflows.Tier) bool { return t.StepUp }) {
		s.Sentences = []string{
			s.Sentences[0], b.say("More than a click means that whoever says yes logs in on the page of the request, or uses a code that was printed for them, or does it on the bot's own host; saying no is a click everywhere."),
			s.Sentences[1],
		}
	}
	for _, t := range r.Tiers {
		if t.TypeTarget {
			last := len(s.Sentences) - 1 // it leads over to the table
			s.Sentences = slices.Insert(s.Sentences, last, b.say("Whoever asks for something of the class %s types the name of its target.", t.Name))
		}
	}
	return s
}

// class is the risk of one thing, for each kind of holder that this chain allows: the class of most of them, and then the others.
func (b Book) class(w *workflows.Workflow, e workflows.Entitlement) string {
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
		by[t.Name] = append(by[t.Name], b.kindName(k))
	}
	if len(order) == 0 {
		return b.say("no class")
	}
	slices.SortStableFunc(order, func(x, y string) int { return len(by[y]) - len(by[x]) })
	out := b.say("class **%s**", escape(order[0]))
	for _, t := range order[1:] {
		out += b.say(", but **%s** for %s", escape(t), b.or(by[t]))
	}
	return out
}

// told is who hears of it, and where.
func (b Book) told(w *workflows.Workflow) Section {
	s := Section{Title: b.say("Who hears of it")}
	where := b.say("Those who are asked, and the requester, are told directly.")
	if w.Channel != "" {
		where = b.say("Those who are asked, and the requester, are told directly; a card stands in %s.", w.Channel)
	}
	s.Points = append(s.Points, escape(where))
	switch w.SeenBy {
	case workflows.SeenByMembers:
		s.Points = append(s.Points, b.say("Everybody in the people file may read the requests."))
	default:
		s.Points = append(s.Points, b.say("Only those who are part of a request, the owners, security and auditors may read it. Others get the same answer as for a request that does not exist."))
	}
	if w.Tell != nil {
		s.Points = append(s.Points, escape(b.say("Told of the outcome without being asked: %s.", b.all(*w.Tell, w.Entitlements))))
	}
	return s
}

// origin is who answers for the chain, and which version this is.
func (b Book) origin(c Chapter) Section {
	s := Section{Title: b.say("Who answers for it")}
	s.Points = append(s.Points, escape(b.say("Owner: %s.", b.Person.nameOr(c.Workflow.Owner, b.say("nobody")))))
	if c.Changed != "" {
		s.Points = append(s.Points, b.say("Last changed %s.", escape(c.Changed)))
	}
	if c.Hash == "" {
		s.Points = append(s.Points, b.say("Name in the ledger: `%s`.", string(c.Workflow.ID)))
	} else {
		s.Points = append(s.Points, b.say("Name in the ledger: `%s`, version `%s`. Every entry that this chain decides names that version.", string(c.Workflow.ID), string(c.Hash)))
	}
	switch {
	case c.Source == "":
	case c.File == "":
		s.Points = append(s.Points, b.say("Made from a file with the digest `%s`. The ledger keeps that text for every version that was ever in force.", string(c.Source)))
	default:
		s.Points = append(s.Points, b.say("Made from `%s` with the digest `%s`. The ledger keeps that text for every version that was ever in force.", strings.ReplaceAll(c.File, "`", ""), string(c.Source)))
	}
	return s
}
