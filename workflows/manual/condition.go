package manual

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/countersign-bot/countersign/workflows"
)

// Condition puts a rule's condition into words as far as it is made of usual parts; what is not stands as it was written, in quotes. All parts have
// to hold.
func Condition(when string, fields []workflows.Field) string {
	if strings.TrimSpace(when) == "" {
		return "always"
	}
	var out []string
	for _, term := range conjuncts(when) {
		out = append(out, condition(term, fields))
	}
	return list(out, "and")
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

// phrase is a shape of condition and its words; $1 and $2 are what the brackets of the shape found.
type phrase struct{ shape, words string }

const (
	quoted = `["']([^"']*)["']`
	oneOf  = `\[([^\]]*)\]`
)

// phrases are compiled when the first condition is put into words: most programs never do.
var phrases = sync.OnceValue(func() []shaped {
	var out []shaped
	for _, p := range []phrase{
		{`business`, "it is within business hours"},
		{`!business`, "it is outside of business hours"},
		{`freeze == ""`, "no change freeze is in force"},
		{`freeze != ""`, "a change freeze is in force"},
		{`target\.environment == ` + quoted, "the system is in $1"},
		{`target\.environment != ` + quoted, "the system is not in $1"},
		{`target\.environment in ` + oneOf, "the system is in one of $1"},
		{`target\.data_class == ` + quoted, "the data is $1"},
		{`target\.data_class in ` + oneOf, "the data is one of $1"},
		{`target\.id == ` + quoted, "the system is $1"},
		{`entitlement\.action == ` + quoted, "it is for $1 access"},
		{`entitlement\.action != ` + quoted, "it is not for $1 access"},
		{`entitlement\.breadth == ` + quoted, "it reaches $1"},
		{`entitlement\.id == ` + quoted, "it is for $1"},
		{`entitlement\.id in ` + oneOf, "it is for one of $1"},
		{`subject\.self`, "it is for themselves"},
		{`!subject\.self`, "it is for somebody or something else"},
		{`subject\.kind == ` + quoted, "it is for $K"},
		{`subject\.kind != ` + quoted, "it is not for $K"},
		{`requester\.kind == ` + quoted, "$K asks"},
		{`requester\.id == subject\.owner`, "its owner asks"},
		{quoted + ` in requester\.groups`, "the requester is in the group $1"},
		{`!\(` + quoted + ` in requester\.groups\)`, "the requester is not in the group $1"},
		{`requester\.groups\.exists\(\w+, \w+ == ` + quoted + `\)`, "the requester is in the group $1"},
		{`renewals == 0`, "it was not extended before"},
		{`renewals >= 1`, "it was extended before"},
		{`renewals >= (\d+)`, "it was extended $1 times or more before"},
		{`renewals < (\d+)`, "it was extended fewer than $1 times before"},
		{`severity == ` + quoted, "the severity is $1"},
		{`severity in ` + oneOf, "the severity is one of $1"},
		{`tier == ` + quoted, "the risk is $1"},
		{`tier in ` + oneOf, "the risk is one of $1"},
		{`channel == ` + quoted, "it is asked for through $1"},
		{`network == ` + quoted, "it is asked for from the network $1"},
		{`network != ` + quoted, "it is not asked for from the network $1"},
		{`day in ` + oneOf, "it is $1"},
		{`!\(day in ` + oneOf + `\)`, "it is not $1"},
		{`hour >= (\d+)`, "it is after $1:00"},
		{`hour < (\d+)`, "it is before $1:00"},
		{`duration <= duration\(` + quoted + `\)`, "it is for at most $1"},
		{`duration < duration\(` + quoted + `\)`, "it is for less than $1"},
		{`duration > duration\(` + quoted + `\)`, "it is for more than $1"},
		{`duration >= duration\(` + quoted + `\)`, "it is for $1 or more"},
		{`fields\.(\w+) == ` + quoted, "$F is $2"},
		{`fields\.(\w+) != ` + quoted, "$F is not $2"},
		{`fields\.(\w+) in ` + oneOf, "$F is one of $2"},
		{`fields\.(\w+) == (-?\d+)`, "$F is $2"},
		{`fields\.(\w+) <= (-?\d+)`, "$F is at most $2"},
		{`fields\.(\w+) < (-?\d+)`, "$F is less than $2"},
		{`fields\.(\w+) > (-?\d+)`, "$F is more than $2"},
		{`fields\.(\w+) >= (-?\d+)`, "$F is $2 or more"},
	} {
		out = append(out, shaped{regexp.MustCompile(`^` + p.shape + `$`), p.words})
	}
	return out
})

// shaped is a phrase, compiled.
type shaped struct {
	shape *regexp.Regexp
	words string
}

func condition(term string, fields []workflows.Field) string {
	term = strings.Join(strings.Fields(term), " ")
	for _, p := range phrases() {
		m := p.shape.FindStringSubmatch(term)
		if m == nil {
			continue
		}
		out := p.words
		for i, found := range m[1:] {
			if strings.Contains(p.words, "$K") {
				out = strings.ReplaceAll(out, "$K", kindName(found))
			}
			out = strings.ReplaceAll(out, fmt.Sprintf("$%d", i+1), plain(found))
		}
		if strings.Contains(out, "$F") {
			out = strings.ReplaceAll(out, "$F", label(m[1], fields))
		}
		return out
	}
	return "“" + term + "”"
}

// kindName is what people call a kind of identity: "an AI agent".
func kindName(kind string) string {
	switch kind {
	case "ai_agent":
		return "an AI agent"
	case "api_key":
		return "an API key"
	case "oauth_token":
		return "an OAuth token"
	case "ssh_key":
		return "an SSH key"
	case "integration", "automation_account":
		return "an " + strings.ReplaceAll(kind, "_", " ")
	}
	return "a " + strings.ReplaceAll(kind, "_", " ")
}

// plain takes the quotation marks off a list of texts, and says a duration as people do.
func plain(s string) string {
	var words []string
	for part := range strings.SplitSeq(s, ",") {
		part = strings.Trim(strings.TrimSpace(part), `"'`)
		if n := len(part) - 1; n >= 1 && n <= 6 {
			unit := map[byte]workflows.Span{'m': 60, 'h': 3600, 'd': 86400}[part[n]]
			if count, err := strconv.Atoi(part[:n]); err == nil && unit != 0 && count > 0 {
				part = Span(workflows.Span(count) * unit)
			}
		}
		words = append(words, part)
	}
	return list(words, "or")
}

func label(name string, fields []workflows.Field) string {
	for _, f := range fields {
		if f.Name == name && f.Label != "" {
			return "“" + f.Label + "”"
		}
	}
	return "“" + name + "”"
}
