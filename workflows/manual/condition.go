package manual

import (
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/countersign-bot/countersign/workflows"
)

// Condition puts a rule's condition into words as far as it is made of usual parts; what is not stands as it was written, in quotes. All parts have
// to hold.
func Condition(when string, fields []workflows.Field) string { return Book{}.condition(when, fields) }

func (b Book) condition(when string, fields []workflows.Field) string {
	if strings.TrimSpace(when) == "" {
		return b.say("always")
	}
	var out []string
	for _, term := range conjuncts(when) {
		out = append(out, b.term(term, fields))
	}
	return b.and(out)
}

// conjuncts cuts at the && that stand outside of brackets and texts. A text with || outside of brackets is one term: it binds less than &&.
func conjuncts(s string) []string {
	var out []string
	depth, from := 0, 0
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quote != 0:
			if c == '\\' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
			depth--
		case depth == 0 && c == '?', depth == 0 && strings.HasPrefix(s[i:], "||"):
			return []string{strings.TrimSpace(s)}
		case depth == 0 && strings.HasPrefix(s[i:], "&&"):
			out = append(out, strings.TrimSpace(s[from:i]))
			from = i + 2
			i++
		}
	}
	return append(out, strings.TrimSpace(s[from:]))
}

// phrase is a shape of condition and its words, which take what the brackets of the shape found: a kind of identity where as says "kind", and first
// a field of the form where it says "field".
type phrase struct{ shape, words, as string }

const (
	quoted = `["']([^"']*)["']`
	oneOf  = `\[([^\]]*)\]`
)

// phrases are compiled when the first condition is put into words: most programs never do.
var phrases = sync.OnceValue(func() []shaped {
	var out []shaped
	for _, p := range []phrase{
		{`business`, "it is within business hours", ""},
		{`!business`, "it is outside of business hours", ""},
		{`freeze == ""`, "no change freeze is in force", ""},
		{`freeze != ""`, "a change freeze is in force", ""},
		{`target\.environment == ` + quoted, "the system is in %s", ""},
		{`target\.environment != ` + quoted, "the system is not in %s", ""},
		{`target\.environment in ` + oneOf, "the system is in one of %s", ""},
		{`target\.data_class == ` + quoted, "the data is %s", ""},
		{`target\.data_class in ` + oneOf, "the data is one of %s", ""},
		{`target\.id == ` + quoted, "the system is %s", ""},
		{`entitlement\.action == ` + quoted, "it is for %s access", ""},
		{`entitlement\.action != ` + quoted, "it is not for %s access", ""},
		{`entitlement\.breadth == ` + quoted, "it reaches %s", ""},
		{`entitlement\.id == ` + quoted, "it is for %s", ""},
		{`entitlement\.id in ` + oneOf, "it is for one of %s", ""},
		{`subject\.self`, "it is for themselves", ""},
		{`!subject\.self`, "it is for somebody or something else", ""},
		{`subject\.kind == ` + quoted, "it is for %[1]s", "kind"},
		{`subject\.kind != ` + quoted, "it is not for %[1]s", "kind"},
		{`requester\.kind == ` + quoted, "%s asks", "kind"},
		{`requester\.id == subject\.owner`, "its owner asks", ""},
		{quoted + ` in requester\.groups`, "the requester is in the group %s", ""},
		{`!\(` + quoted + ` in requester\.groups\)`, "the requester is not in the group %s", ""},
		{`requester\.groups\.exists\(\w+, \w+ == ` + quoted + `\)`, "the requester is in the group %s", ""},
		{`renewals == 0`, "it was not extended before", ""},
		{`renewals >= 1`, "it was extended before", ""},
		{`renewals >= (\d+)`, "it was extended %s times or more before", ""},
		{`renewals < (\d+)`, "it was extended fewer than %s times before", ""},
		{`severity == ` + quoted, "the severity is %s", ""},
		{`severity in ` + oneOf, "the severity is one of %s", ""},
		{`tier == ` + quoted, "the risk is %s", ""},
		{`tier in ` + oneOf, "the risk is one of %s", ""},
		{`channel == ` + quoted, "it is asked for through %s", ""},
		{`network == ` + quoted, "it is asked for from the network %s", ""},
		{`network != ` + quoted, "it is not asked for from the network %s", ""},
		{`day in ` + oneOf, "it is %s", ""},
		{`!\(day in ` + oneOf + `\)`, "it is not %s", ""},
		{`hour >= (\d+)`, "it is after %s:00", ""},
		{`hour < (\d+)`, "it is before %s:00", ""},
		{`duration <= duration\(` + quoted + `\)`, "it is for at most %s", ""},
		{`duration < duration\(` + quoted + `\)`, "it is for less than %s", ""},
		{`duration > duration\(` + quoted + `\)`, "it is for more than %s", ""},
		{`duration >= duration\(` + quoted + `\)`, "it is for %s or more", ""},
		{`fields\.(\w+) == ` + quoted, "%s is %s", "field"},
		{`fields\.(\w+) != ` + quoted, "%s is not %s", "field"},
		{`fields\.(\w+) in ` + oneOf, "%s is one of %s", "field"},
		{`fields\.(\w+) == (-?\d+)`, "%s is %s", "field"},
		{`fields\.(\w+) <= (-?\d+)`, "%s is at most %s", "field"},
		{`fields\.(\w+) < (-?\d+)`, "%s is less than %s", "field"},
		{`fields\.(\w+) > (-?\d+)`, "%s is more than %s", "field"},
		{`fields\.(\w+) >= (-?\d+)`, "%s is %s or more", "field"},
	} {
		out = append(out, shaped{regexp.MustCompile(`^` + p.shape + `$`), p.words, p.as})
	}
	return out
})

// shaped is a phrase, compiled.
type shaped struct {
	shape     *regexp.Regexp
	words, as string
}

func (b Book) term(term string, fields []workflows.Field) string {
	term = strings.Join(strings.Fields(term), " ")
	for _, p := range phrases() {
		m := p.shape.FindStringSubmatch(term)
		if m == nil {
			continue
		}
		args := make([]any, len(m)-1)
		for i, found := range m[1:] {
			switch {
			case p.as == "kind":
				args[i] = b.kindName(found)
			case p.as == "field" && i == 0:
				args[i] = label(found, fields)
			default:
				args[i] = b.plain(found)
			}
		}
		return b.say(p.words, args...)
	}
	return "“" + term + "”"
}

// kindName is what people call a kind of identity: "an AI agent".
func (b Book) kindName(kind string) string {
	switch kind {
	case "person":
		return b.say("a person")
	case "service_account":
		return b.say("a service account")
	case "automation_account":
		return b.say("an automation account")
	case "workload":
		return b.say("a workload")
	case "certificate":
		return b.say("a certificate")
	case "integration":
		return b.say("an integration")
	case "ai_agent":
		return b.say("an AI agent")
	case "api_key":
		return b.say("an API key")
	case "oauth_token":
		return b.say("an OAuth token")
	case "ssh_key":
		return b.say("an SSH key")
	}
	return "a " + strings.ReplaceAll(kind, "_", " ")
}

// plain takes the quotation marks off a list of texts, and says a duration as people do.
func (b Book) plain(s string) string {
	var words []string
	for part := range strings.SplitSeq(s, ",") {
		part = strings.Trim(strings.TrimSpace(part), `"'`)
		if n := len(part) - 1; n >= 1 && n <= 6 {
			unit := map[byte]workflows.Span{'m': 60, 'h': 3600, 'd': 86400}[part[n]]
			if count, err := strconv.Atoi(part[:n]); err == nil && unit != 0 && count > 0 {
				part = b.span(workflows.Span(count) * unit)
			}
		}
		words = append(words, part)
	}
	return b.or(words)
}

func label(name string, fields []workflows.Field) string {
	for _, f := range fields {
		if f.Name == name && f.Label != "" {
			return "“" + f.Label + "”"
		}
	}
	return "“" + name + "”"
}
