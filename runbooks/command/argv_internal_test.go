package command

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
)

// FuzzArguments: whatever an operator writes and a requester types, a template is refused, or the number of arguments is
// that of its lines, the literals are as written, and each value stands there byte for byte and is no option.
func FuzzArguments(f *testing.F) {
	f.Add("/bin/x\n--\n${account}\n${field.reason}", "maya", "-rf")
	f.Add("/bin/x\n${account}\n${param.team}\n${end}", "${grant}", "a b\n$(id)")
	f.Add("/bin/sudo\n-n\n--\n/bin/x\n${account}", "--help", "")
	f.Add("/bin/x\n${${account}}", "a", "b")
	f.Fuzz(func(t *testing.T, text, account, reason string) {
		words := lines(text)
		template, err := parseTemplate(words)
		if err != nil {
			return
		}
		g := runbooks.Grant{
			ID: "g_1", Entitlement: "e", Account: account, Fields: map[string]string{"reason": reason}, Params: map[string][]string{"team": {reason}},
			End: time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC),
		}
		argv, err := fill(template, g)
		if err != nil {
			return
		}
		if len(argv) != len(words) {
			t.Fatalf("%d arguments from %q", len(argv), words)
		}
		values := map[string]string{
			"${account}": account, "${grant}": "g_1", "${entitlement}": "e", "${end}": "2027-03-01T09:00:00Z", "${field.reason}": reason, "${param.team}": reason,
		}
		dashes := false
		for i, w := range words {
			value, isValue := values[w]
			if !isValue {
				value = w
			}
			if argv[i] != value {
				t.Errorf("argument %d is %q, want %q", i, argv[i], value)
			}
			if isValue && !dashes && strings.HasPrefix(value, "-") {
				t.Errorf("argument %d, %q, could be an option", i, value)
			}
			dashes = dashes || w == "--"
		}
	})
}
