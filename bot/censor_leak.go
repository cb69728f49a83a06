package bot

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
)

// keysMark begins what stands in a payload where somebody reported a secret: the keys of the inventory under which it may be known.
const keysMark = "[keys] "

// CensorLeaks is Censor for a bot that takes reports of leaks: what somebody pastes into the form for a leak, or behind /access who where it looks
// like a secret, is turned into keys of the inventory before anything keeps the payload, and never stands in it again. keys may give none: then
// nothing is left of it.
func CensorLeaks(keys func(string) []string) func([]byte) ([]byte, bool) {
	return func(raw []byte) ([]byte, bool) {
		out, leaked := reported(raw, keys)
		out, asked := askedWhose(out, keys)
		out, found := Censor(out)
		return out, leaked || asked || found
	}
}

// reported replaces the value of the input for a secret.
func reported(raw []byte, keys func(string) []string) ([]byte, bool) {
	if !bytes.Contains(raw, []byte(`"`+screens.BlockLeakSecret+`"`)) || !bytes.Contains(raw, []byte(`"`+screens.CallLeak+`"`)) {
		return raw, false
	}
	key, inside := "", false
	return replaced(raw, func(token []byte, name bool) ([]byte, bool) {
		if name {
			key = string(token)
			inside = inside || key == `"`+screens.BlockLeakSecret+`"`
			return nil, false
		}
		if !inside || key != `"value"` {
			return nil, false
		}
		inside = false
		return keyed(token, "", keys)
	})
}

// askedWhose replaces what is asked about with /access who, if it looks like a secret, or as machines make them.
func askedWhose(raw []byte, keys func(string) []string) ([]byte, bool) {
	key := ""
	return replaced(raw, func(token []byte, name bool) ([]byte, bool) {
		if name {
			key = string(token)
			return nil, false
		}
		var s string
		if key != `"text"` || len(token) > maxLine || json.Unmarshal(token, &s) != nil {
			return nil, false
		}
		if len(s) < 4 || !strings.EqualFold(s[:4], "who ") {
			return nil, false
		}
		if clean, found := censored(token); (!found || clean == nil) && !isMadeUp(s[4:]) {
			return nil, false
		}
		return keyed(token, s[:4], keys)
	})
}

// minMadeUp is the length from which a word may be a secret that a machine made: ours have 28 characters, tokens of most platforms 20 and more.
const minMadeUp = 16

// isMadeUp tells whether a text is one word of capitals, small letters and digits, as generated passwords are and what people call things is not: none of the
// forms of a credential fits it, and it is found by its keys as well.
func isMadeUp(text string) bool {
	text = strings.Trim(text, " `")
	var small, capital, digit bool
	for _, r := range text {
		small, capital, digit = small || r >= 'a' && r <= 'z', capital || r >= 'A' && r <= 'Z', digit || r >= '0' && r <= '9'
	}
	return len(text) >= minMadeUp && !strings.ContainsAny(text, " \t\n") && small && capital && digit
}

func keyed(token []byte, before string, keys func(string) []string) ([]byte, bool) {
	var s string
	if json.Unmarshal(token, &s) != nil {
		return []byte(`""`), true
	}
	s = strings.TrimSpace(strings.TrimPrefix(s, before))
	text := ""
	if s != "" {
		text = before + keysMark + strings.Join(keys(s), ",")
	}
	b, err := json.Marshal(text)
	return b, err == nil
}
