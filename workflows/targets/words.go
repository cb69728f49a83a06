package targets

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// Sentence says what was found, in plain words; when shows a moment. Names that the target gave are in it: it is no markup.
func (x Finding) Sentence(when func(workflows.Stamp) string) string {
	f := x.Found
	who := f.Account
	if who == "" {
		who = "somebody"
	}
	var s string
	switch f.Why {
	case WhyVanished:
		return fmt.Sprintf("%s has lost what grant %s gives (%s): somebody took it away on the target.", who, f.Grant, f.What)
	case WhyStanding:
		s = fmt.Sprintf("%s is %s for good, which %s gives for a time", who, f.What, cmp.Or(string(f.Entitlement), "a grant")) + f.madeBy(when) + "."
		if x.Late && !x.Accepted {
			return s + " It was to be gone, or answered for, by " + when(f.Due) + "." + x.doing()
		}
		return s + x.due(when) + x.doing()
	case WhyLeftOver:
		s = fmt.Sprintf("%s is still %s, although grant %s has ended", who, f.What, f.Grant)
	case WhyLonger:
		s = fmt.Sprintf("%s is %s for longer than grant %s says, until %s", who, f.What, f.Grant, when(f.Ends))
	default:
		s = fmt.Sprintf("%s is %s, and no grant explains that", who, f.What)
	}
	s += f.madeBy(when)
	if f.LastUsed != 0 {
		s += ", last used " + when(f.LastUsed)
	}
	return s + "." + x.doing()
}

// madeBy says what the target keeps of who made it and when.
func (f Found) madeBy(when func(workflows.Stamp) string) string {
	switch {
	case f.MadeBy != "" && f.MadeAt != 0:
		return fmt.Sprintf("; made by %s, %s", f.MadeBy, when(f.MadeAt))
	case f.MadeBy != "":
		return "; made by " + f.MadeBy
	case f.MadeAt != 0:
		return "; made " + when(f.MadeAt)
	}
	return "; the target does not say who made it"
}

// due says until when it is to be gone.
func (x Finding) due(when func(workflows.Stamp) string) string {
	if x.Found.Due == 0 || x.Accepted {
		return ""
	}
	return " Take it away, or answer for it, by " + when(x.Found.Due) + "."
}

// doing says what happens to it.
func (x Finding) doing() string {
	switch {
	case x.Accepted:
		return " Somebody answers for it: " + x.Reason
	case x.Trouble.Text != "":
		return " Taking it away does not work: " + strings.TrimRight(x.Trouble.Text, ". ") + ". It is tried again."
	case x.Found.Act == ActRevoke:
		return " It is being taken away."
	}
	return ""
}
