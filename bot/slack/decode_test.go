package slack_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign-bot/countersign/bot/slack"
)

func decodable(t testing.TB) []recorded {
	t.Helper()
	var out []recorded
	for _, r := range recordings(t) {
		if _, err := slack.Decode(classOf(r.body), r.body); err == nil {
			out = append(out, r)
		}
	}
	return out
}

func TestDecode_RecordedPayloads(t *testing.T) {
	t.Parallel()
	kinds, unknown, refused := map[string]int{}, 0, map[string]string{}
	for _, r := range recordings(t) {
		var first slack.Interaction
		for k := range 100 {
			in, err := slack.Decode(classOf(r.body), r.body)
			var bad *slack.Malformed
			switch {
			case k > 0 && err == nil:
				if !reflect.DeepEqual(first, in) {
					t.Fatalf("%s decoded differently the %dth time: %+v", r.name, k, in)
				}
			case k > 0:
			case errors.Is(err, slack.ErrUnknownKind):
				unknown++
			case errors.As(err, &bad):
				refused[r.name] = err.Error()
			case err != nil:
				t.Fatalf("%s: %v is neither malformed nor unknown", r.name, err)
			default:
				first = in
				kinds[strings.SplitAfter(in.Kind, ":")[0]]++
				if again, err := slack.Decode(in.Kind, in.Raw); err != nil || again.Digest != in.Digest {
					t.Fatalf("%s: the stored row decodes to %v", r.name, err)
				}
			}
		}
	}
	for _, kind := range []string{
		slack.KindCommand, slack.KindBlockActions, slack.KindViewSubmission, slack.KindViewClosed, slack.KindShortcut, slack.KindMessageAction,
		slack.KindBlockSuggestion, slack.KindEvent,
	} {
		if kinds[kind] == 0 {
			t.Errorf("no recorded payload of kind %q was read", kind)
		}
	}
	if unknown == 0 {
		t.Error("the recordings hold dialogs and bare events; none was found unknown")
	}
	t.Logf("kinds %v, unknown %d, refused %d", kinds, unknown, len(refused))
	names := make([]string, 0, len(refused))
	for n := range refused {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		t.Logf("refused %s: %s", n, refused[n])
	}
}

func TestDecode_FieldsOfAForm(t *testing.T) {
	t.Parallel()
	raw := `{"type":"view_submission","api_app_id":"A1","team":{"id":"T1","enterprise_id":"E1"},"user":{"id":"U1","team_id":"T1","name":"ann"},
"trigger_id":"1.2.x","view":{"id":"V1","hash":"h","type":"modal","callback_id":"ask","private_metadata":"{\"a\":1}","root_view_id":"V0","previous_view_id":null,
"external_id":"x1","app_installed_team_id":"T1","team_id":"T1","blocks":[{"type":"section"},{"type":"input","block_id":"why"}],"state":{"values":{
"why":{"t":{"type":"plain_text_input","value":"a \u0041"}},"who":{"u":{"type":"users_select","selected_user":"U9"}},
"many":{"m":{"type":"multi_users_select","selected_users":["U1","U2"]}},"pick":{"s":{"type":"static_select","selected_option":{"value":"v1","text":{"type":"plain_text","text":"One"}}}},
"box":{"c":{"type":"checkboxes","selected_options":[{"value":"c1"},{"value":"c2"}]}},"none":{"n":{"type":"static_select","selected_option":null}},
"when":{"d":{"type":"datetimepicker","selected_date_time":1700000000}}}}}}`
	in, err := slack.Decode("interactive", []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	want := &slack.View{
		ID: "V1", Hash: "h", Type: "modal", CallbackID: "ask", ExternalID: "x1", PrivateMetadata: `{"a":1}`, RootID: "V0", TeamID: "T1", AppInstalledTeamID: "T1",
		Values: []slack.Input{
			{BlockID: "why", ActionID: "t", Type: "plain_text_input", Value: "a A"},
			{BlockID: "who", ActionID: "u", Type: "users_select", Value: "U9"},
			{BlockID: "many", ActionID: "m", Type: "multi_users_select", Selected: []string{"U1", "U2"}},
			{BlockID: "pick", ActionID: "s", Type: "static_select", Value: "v1"},
			{BlockID: "box", ActionID: "c", Type: "checkboxes", Selected: []string{"c1", "c2"}},
			{BlockID: "none", ActionID: "n", Type: "static_select"},
			{BlockID: "when", ActionID: "d", Type: "datetimepicker", Value: "1700000000"},
		},
	}
	if d := cmp.Diff(want, in.View, cmpopts.IgnoreUnexported(slack.View{})); d != "" {
		t.Fatal(d)
	}
	if in.UserID != "U1" || in.UserTeamID != "T1" || in.EnterpriseID != "E1" || in.CallbackID != "ask" || !bytes.Equal(in.Raw, []byte(raw)) {
		t.Fatalf("decoded %+v", in)
	}
	if got, ok := in.View.Input("who", "u"); !ok || got.Value != "U9" {
		t.Fatalf("Input = %+v, %v", got, ok)
	}
	if _, ok := in.View.Input("who", "x"); ok {
		t.Fatal("an element that is not there was found")
	}
}

func TestThreat_T08_TheActorIsThePayloadsUser(t *testing.T) {
	t.Parallel()
	raw := `{"type":"block_actions","api_app_id":"A1","team":{"id":"T1"},"user":{"id":"U-ACTOR","name":"U-NAME","username":"U-NAME"},"message":{"user":"U-BOT","ts":"1.2"},
"authorizations":[{"user_id":"U-INSTALLER","team_id":"T1"}],"installer_user_id":"U-INSTALLER","container":{"message_ts":"1.2","channel_id":"C1"},
"actions":[{"type":"users_select","selected_user":"U-CHOSEN","initial_user":"U-INITIAL","value":"U-VALUE","action_id":"a","block_id":"b","action_ts":"1.0"}]}`
	in, err := slack.Decode("interactive", []byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	if in.UserID != "U-ACTOR" || in.Actions[0].Value != "U-CHOSEN" {
		t.Fatalf("actor %q, chosen %q", in.UserID, in.Actions[0].Value)
	}
}

func TestThreat_T14_TwinKeysAreRefused(t *testing.T) {
	t.Parallel()
	base := `{"type":"block_actions","api_app_id":"A1","team":{"id":"T1"},"user":{"id":"U1"},"container":{"message_ts":"1.2","channel_id":"C1"},
"actions":[{"type":"button","value":"v","action_id":"a","block_id":"b","action_ts":"1.0"}]}`
	if _, err := slack.Decode("interactive", []byte(base)); err != nil {
		t.Fatal(err)
	}
	for _, twin := range []struct{ at, insert string }{
		{`"user":{"id":"U1"}`, `"user":{"id":"U1"},"user":{"id":"U2"}`},
		{`"user":{"id":"U1"}`, `"user":{"id":"U1"},"USER":{"id":"U2"}`},
		{`"user":{"id":"U1"}`, `"uſer":{"id":"U2"},"user":{"id":"U1"}`},
		{`"user":{"id":"U1"}`, `"user":{"id":"U1","ID":"U2"}`},
		{`"user":{"id":"U1"}`, `"user":{"id":"U1","\u0069d":"U2"}`},
		{`"user":{"id":"U1"}`, `"user":{"id":"U1"},"Type":"view_closed"`},
		{`"value":"v"`, `"value":"v","Value":"w"`},
		{`"value":"v"`, `"value":"v","value":"w"`},
		{`"action_id":"a"`, `"action_id":"a","ACTION_ID":"b"`},
		{`"team":{"id":"T1"}`, `"team":{"id":"T1"},"Team":{"id":"T2"}`},
		{`"actions":[`, `"ACTIONS":[],"actions":[`},
		{`"message_ts":"1.2"`, `"message_ts":"1.2","Message_TS":"9.9"`},
		{`"channel_id":"C1"}`, `"channel_id":"C1"},"channel":{"id":"C2"}`},
		{`"team":{"id":"T1"}`, `"team":{"id":"T1","enterprise_id":"E1"},"enterprise":{"id":"E2"}`},
	} {
		raw := strings.Replace(base, twin.at, twin.insert, 1)
		var bad *slack.Malformed
		if in, err := slack.Decode("interactive", []byte(raw)); !errors.As(err, &bad) {
			t.Errorf("%s was read as user %q, action %+v, %v", twin.insert, in.UserID, in.Actions, err)
		}
	}
	// A value of another type's field is not an answer.
	in, err := slack.Decode("interactive", []byte(strings.Replace(base, `"value":"v"`, `"value":"v","selected_option":{"value":"other"},"selected_user":"U3"`, 1)))
	if err != nil || in.Actions[0].Value != "v" || in.Actions[0].Selected != nil {
		t.Errorf("a button with foreign fields was read as %+v, %v", in.Actions, err)
	}
}

func TestThreat_T38_LimitsOfAPayload(t *testing.T) {
	t.Parallel()
	command := func(text string) []byte {
		return fmt.Appendf(nil, `{"command":"/x","text":%q,"user_id":"U1","team_id":"T1","api_app_id":"A1","trigger_id":"t"}`, text)
	}
	id := func(n int) []byte {
		return fmt.Appendf(nil, `{"command":"/x","text":"","user_id":%q,"team_id":"T1","api_app_id":"A1","trigger_id":"t"}`, strings.Repeat("U", n))
	}
	deep := func(n int) []byte {
		return fmt.Appendf(nil, `{"command":"/x","user_id":"U1","team_id":"T1","api_app_id":"A1","trigger_id":"t","x":%s%s}`, strings.Repeat("[", n), strings.Repeat("]", n))
	}
	padded := func(n int) []byte {
		c := command("x")
		return append(c[:len(c)-1], append(bytes.Repeat([]byte(" "), n-len(c)), '}')...)
	}
	many := func(n int) []byte {
		return fmt.Appendf(nil, `{"command":"/x","user_id":"U1","team_id":"T1","api_app_id":"A1","trigger_id":"t","x":[%s1]}`, strings.Repeat("1,", n))
	}
	for name, c := range map[string]struct {
		most, over []byte
	}{
		"text":  {command(strings.Repeat("a", 40_000)), command(strings.Repeat("a", 40_001))},
		"id":    {id(255), id(256)},
		"depth": {deep(64), deep(65)},
		"size":  {padded(1 << 20), padded(1<<20 + 1)},
		"nodes": {many(99_000), many(100_000)},
	} {
		if _, err := slack.Decode("command", c.most); err != nil {
			t.Errorf("%s at the limit: %v", name, err)
		}
		var bad *slack.Malformed
		if _, err := slack.Decode("command", c.over); !errors.As(err, &bad) {
			t.Errorf("%s over the limit: %v, want it refused", name, err)
		}
	}
	if _, err := slack.Decode("command", []byte("{\"command\":\"\xff\"}")); err == nil {
		t.Error("bytes that are not UTF-8 were read")
	}
}

// leaves lists every place in a decoded JSON value that holds no object or list.
func leaves(v any, at []any, out *[][]any) {
	switch v := v.(type) {
	case map[string]any:
		for k, kid := range v {
			leaves(kid, append(at[:len(at):len(at)], k), out)
		}
	case []any:
		for i, kid := range v {
			leaves(kid, append(at[:len(at):len(at)], i), out)
		}
	default:
		*out = append(*out, at)
	}
}

func get(v any, at []any) any {
	for _, step := range at {
		switch parent := v.(type) {
		case map[string]any:
			v = parent[step.(string)]
		case []any:
			v = parent[step.(int)]
		}
	}
	return v
}

func set(v any, at []any, to any) any {
	if len(at) == 0 {
		return to
	}
	switch v := v.(type) {
	case map[string]any:
		v[at[0].(string)] = set(v[at[0].(string)], at[1:], to)
		return v
	case []any:
		v[at[0].(int)] = set(v[at[0].(int)], at[1:], to)
		return v
	}
	return v
}

func TestThreat_T13_NoLeafMutationPanics(t *testing.T) {
	t.Parallel()
	values := []any{
		nil, "", "x", "U0000000", strings.Repeat("y", 5000), 0, -1, 1e300, 1.5, true, false,
		[]any{},
		map[string]any{},
		[]any{nil},
		map[string]any{"id": 1},
		map[string]any{"id": "U2"},
		"\u0000", "'; DROP", "<@U1>", "\u202e",
	}
	n, refused := 0, 0
	for _, r := range recordings(t) {
		var places [][]any
		var probe any
		if err := json.Unmarshal(r.body, &probe); err != nil {
			continue
		}
		leaves(probe, nil, &places)
		class := classOf(r.body)
		rnd := rand.New(rand.NewPCG(1, uint64(len(places))))
		for _, at := range places {
			if len(places) > 60 && rnd.IntN(len(places)) > 60 {
				continue // a long message has thousands of leaves nobody reads
			}
			was := get(probe, at)
			for _, to := range values {
				probe = set(probe, at, to)
				raw, err := json.Marshal(probe)
				if err != nil {
					t.Fatal(err)
				}
				n++
				if _, err := slack.Decode(class, raw); err != nil {
					refused++
				}
			}
			probe = set(probe, at, was)
		}
	}
	if n < 10_000 || refused == 0 {
		t.Fatalf("%d mutations, %d refused: too few to mean anything", n, refused)
	}
	t.Logf("%d mutations, %d refused, none panicked", n, refused)
}

func TestFault_F24_AMissingDecisionFieldRefuses(t *testing.T) {
	t.Parallel()
	decisive := map[string][]string{
		slack.KindCommand:         {"command", "user_id", "api_app_id", "trigger_id"},
		slack.KindBlockActions:    {"user", "user.id", "api_app_id", "actions", "actions.0.action_id", "actions.0.block_id", "actions.0.action_ts", "actions.0.type"},
		slack.KindViewSubmission:  {"user", "user.id", "api_app_id", "view", "view.id", "view.hash"},
		slack.KindViewClosed:      {"user", "user.id", "api_app_id", "view", "view.id", "view.hash"},
		slack.KindShortcut:        {"user", "user.id", "callback_id", "trigger_id"},
		slack.KindMessageAction:   {"user", "user.id", "callback_id", "trigger_id", "message_ts"},
		slack.KindBlockSuggestion: {"user", "user.id", "api_app_id", "action_id", "block_id"},
		slack.KindEvent:           {"api_app_id", "event_id", "event.type"},
	}
	seen := map[string]bool{}
	for _, r := range decodable(t) {
		class := classOf(r.body)
		in, _ := slack.Decode(class, r.body)
		kind := strings.SplitAfter(in.Kind, ":")[0]
		seen[kind] = true
		for _, field := range decisive[kind] {
			for _, how := range []string{"strip", "retag"} {
				raw, there := without(t, r.body, strings.Split(field, "."), how)
				if !there || field == "message_ts" && bytes.Count(r.body, []byte(in.MessageTS)) > 1 {
					continue // told in a second place too
				}
				if _, err := slack.Decode(class, raw); err == nil {
					t.Errorf("%s: %s of %q was not noticed", r.name, how, field)
				}
			}
		}
		// What is new or unneeded changes nothing.
		var v map[string]any
		_ = json.Unmarshal(r.body, &v)
		v["a_field_of_next_year"] = map[string]any{"x": []any{1, "2"}}
		raw, _ := json.Marshal(v)
		if more, err := slack.Decode(class, raw); err != nil || more.UserID != in.UserID || more.Kind != in.Kind {
			t.Errorf("%s: a new field changed the reading: %v", r.name, err)
		}
	}
	for kind := range decisive {
		if !seen[kind] {
			t.Errorf("no recording of %q was tried", kind)
		}
	}
}

// without strips a field or gives it another type.
func without(t *testing.T, body []byte, path []string, how string) ([]byte, bool) {
	t.Helper()
	var root any
	if err := json.Unmarshal(body, &root); err != nil {
		t.Fatal(err)
	}
	v := root
	for i, name := range path {
		if list, ok := v.([]any); ok && len(list) > 0 {
			v = list[0]
			continue
		}
		m, ok := v.(map[string]any)
		if !ok || m[name] == nil {
			return nil, false
		}
		if i < len(path)-1 {
			v = m[name]
			continue
		}
		if how == "strip" {
			delete(m, name)
		} else {
			m[name] = 7
		}
	}
	raw, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return raw, true
}

func TestDecode_AStoredKindMustAgree(t *testing.T) {
	t.Parallel()
	raw := []byte(`{"type":"view_closed","api_app_id":"A1","team":{"id":"T1"},"user":{"id":"U1"},"view":{"id":"V1","hash":"h"}}`)
	if _, err := slack.Decode(slack.KindViewClosed, raw); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{slack.KindViewSubmission, slack.KindBlockActions, slack.KindCommand, slack.KindEvent + "x", "", "view"} {
		if in, err := slack.Decode(kind, raw); err == nil {
			t.Errorf("read as %q it gave %+v", kind, in)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, frame := range []string{command("e", "t"), click("e", "1.0"), submission("e", "V1", "x"), event("e", "Ev1", "user_change")} {
		var e struct {
			Payload json.RawMessage `json:"payload"`
		}
		if err := json.Unmarshal([]byte(frame), &e); err != nil {
			f.Fatal(err)
		}
		f.Add(classOf(e.Payload), []byte(e.Payload))
	}
	f.Add("interactive", []byte(`{"type":"view_submission","user":{"id":"U1"},"USER":{"id":"U2"}}`))
	f.Add("event", []byte(`{"type":"app_rate_limited","team_id":"T1","api_app_id":"A1","minute_rate_limited":1}`))
	f.Fuzz(func(t *testing.T, class string, raw []byte) {
		in, err := slack.Decode(class, raw)
		if err != nil {
			return
		}
		if !json.Valid(in.Raw) {
			t.Fatalf("read from %q, which is not JSON", in.Raw)
		}
		again, err := slack.Decode(in.Kind, in.Raw)
		if err != nil || again.Digest != in.Digest || again.UserID != in.UserID || again.TeamID != in.TeamID {
			t.Fatalf("the stored row decodes differently: %v", err)
		}
		if in.Kind == slack.KindCommand || strings.HasPrefix(in.Kind, slack.KindEvent) {
			return
		}
		// Whoever reads the same bytes with encoding/json must see the same actor.
		var other struct {
			User struct {
				ID string `json:"id"`
			} `json:"user"`
		}
		if json.Unmarshal(in.Raw, &other) == nil && other.User.ID != in.UserID {
			t.Fatalf("actor %q here and %q for encoding/json", in.UserID, other.User.ID)
		}
	})
}
