package targets

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// Sentence says what was found, in plain words; when shows a moment. Names that the target gave are in it: it is no markup.
func (x Finding) Sentence(when func(workflows.Stamp) string) string {
	return x.Words(workflows.Outlook{When: when, Say: fmt.Sprintf})
}

// Words is Sentence in a reader's language.
func (x Finding) Words(o workflows.Outlook) string {
	f := x.Found
	who := f.Account
	if who == "" {
		who = o.Say("somebody")
	}
	var s string
	switch f.Why {
	case WhyVanished:
		return o.Say("%s has lost what grant %s gives (%s): somebody took it away on the target.", who, f.Grant, f.What)
	case WhyStanding:
		s = o.Say("%s is %s for good, which %s gives for a time", who, f.What, cmp.Or(string(f.Entitlement), o.Say("a grant"))) + f.madeBy(o) + "."
		if x.Late && !x.Accepted {
			return s + o.Say(" It was to be gone, or answered for, by %s.", o.When(f.Due)) + x.doing(o)
		}
		return s + x.due(o) + x.doing(o)
	case WhyLeftOver:
		s = o.Say("%s is still %s, although grant %s has ended", who, f.What, f.Grant)
	case WhyLonger:
		s = o.Say("%s is %s for longer than grant %s says, until %s", who, f.What, f.Grant, o.When(f.Ends))
	default:
		s = o.Say("%s is %s, and no grant explains that", who, f.What)
	}
	s += f.madeBy(o)
	if f.LastUsed != 0 {
		s += o.Say(", last used %s", o.When(f.LastUsed))
	}
	return s + "." + x.doing(o)
}

// madeBy says what the target keeps of who made it and when.
func (f Found) madeBy(o workflows.Outlook) string {
	switch {
	case f.MadeBy != "" && f.MadeAt != 0:
		return o.Say("; made by %s, %s", f.MadeBy, o.When(f.MadeAt))
	case f.MadeBy != "":
		return o.Say("; made by %s", f.MadeBy)
	case f.MadeAt != 0:
		return o.Say("; made %s", o.When(f.MadeAt))
	}
	return o.Say("; the target does not say who made it")
}

// due says until when it is to be gone.
func (x Finding) due(o workflows.Outlook) string {
	if x.Found.Due == 0 || x.Accepted {
		return ""
	}
	return o.Say(" Take it away, or answer for it, by %s.", o.When(x.Found.Due))
}

// doing says what happens to it.
func (x Finding) doing(o workflows.Outlook) string {
	switch {
	case x.Accepted:
		return o.Say(" Somebody answers for it: %s", x.Reason)
	case x.Trouble.Text != "":
		return o.Say(" Taking it away does not work: %s. It is tried again.", strings.TrimRight(x.Trouble.Text, ". "))
	case x.Found.Act == ActRevoke:
		return o.Say(" It is being taken away.")
	}
	return ""
}
