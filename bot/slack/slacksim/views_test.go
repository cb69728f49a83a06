package slacksim_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// clock is Slack's idea of now, moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 22, 14, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func form() object {
	return modal(
		"Ask",
		inputBlock("why", "text", false, object{"type": "plain_text_input", "multiline": true, "min_length": 3.0, "max_length": 20.0}),
		inputBlock("role", "pick", false, object{"type": "static_select", "options": []any{
			object{"text": plain("Reader"), "value": "ro"}, object{"text": plain("Writer"), "value": "rw"},
		}}),
		inputBlock("tags", "some", true, object{"type": "checkboxes", "options": []any{
			object{"text": plain("One"), "value": "1"}, object{"text": plain("Two"), "value": "2"},
		}}),
		inputBlock("when", "day", true, object{"type": "datepicker"}),
		inputBlock("mail", "addr", true, object{"type": "email_text_input"}),
		inputBlock("num", "n", true, object{"type": "number_input", "is_decimal_allowed": false, "min_value": "1", "max_value": "9"}),
	)
}

// opened is a workspace where ann has the form open; respond answers submissions.
func opened(t *testing.T, view object, respond func(envelope) any) (*fixture, *clock) {
	t.Helper()
	c := newClock()
	f := start(t, func(cfg *slacksim.Config) { cfg.Clock = c.Now })
	f.serve(func(e envelope) any {
		if e.Type == "slash_commands" {
			f.ok("views.open", "trigger_id", e.trigger(), "view", jsonText(view))
			return nil
		}
		return respond(e)
	})
	if d := f.Command(t.Context(), "ann", "general", "/help-me", ""); d.Err != nil {
		t.Fatal(d.Err)
	}
	return f, c
}

func enter(pairs ...any) map[string]map[string]any {
	out := map[string]map[string]any{}
	for i := 0; i+2 < len(pairs); i += 3 {
		out[pairs[i].(string)] = map[string]any{pairs[i+1].(string): pairs[i+2]}
	}
	return out
}

func TestAFilledFormArrivesAndCloses(t *testing.T) {
	t.Parallel()
	got := make(chan object, 1)
	f, _ := opened(t, form(), func(e envelope) any { got <- e.Payload; return nil })
	d := f.SubmitView(t.Context(), "ann", enter("why", "text", "because", "role", "pick", "ro", "tags", "some", []string{"1", "2"}))
	if d.Err != nil {
		t.Fatal(d.Err)
	}
	v := (<-got)["view"].(object)
	values := v["state"].(object)["values"].(object)
	want := object{"type": "plain_text_input", "value": "because"}
	if diff := cmp.Diff(want, values["why"].(object)["text"]); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	pick := values["role"].(object)["pick"].(object)["selected_option"].(object)
	if pick["value"] != "ro" {
		t.Errorf("option: %v", pick)
	}
	if tags := values["tags"].(object)["some"].(object)["selected_options"].([]any); len(tags) != 2 {
		t.Errorf("checkboxes: %v", tags)
	}
	if day, found := values["when"].(object)["day"].(object)["selected_date"]; !found || day != nil {
		t.Errorf("an empty date is sent as null: %v", values["when"])
	}
	if _, open := f.View("ann"); open {
		t.Error("the modal is still open")
	}
}

func TestTheClientRefusesAnIncompleteForm(t *testing.T) {
	t.Parallel()
	f, _ := opened(t, form(), func(e envelope) any { t.Errorf("sent: %s", e.raw); return nil })
	for name, c := range map[string]struct {
		entered map[string]map[string]any
		want    map[string]string
	}{
		"empty":  {nil, map[string]string{"why": "Please complete this required field.", "role": "Please complete this required field."}},
		"short":  {enter("why", "text", "ab", "role", "pick", "ro"), map[string]string{"why": "Must be at least 3 characters."}},
		"long":   {enter("why", "text", strings.Repeat("x", 21)), map[string]string{"why": "Must be at most 20 characters."}},
		"mail":   {enter("why", "text", "because", "mail", "addr", "not mail"), map[string]string{"mail": "This isn't a valid email address."}},
		"number": {enter("mail", "addr", nil, "num", "n", "12"), map[string]string{"num": "Must be at most 9."}},
		"whole":  {enter("num", "n", "1.5"), map[string]string{"num": "Must be a whole number."}},
		"word":   {enter("num", "n", "few"), map[string]string{"num": "This isn't a valid number."}},
		"date":   {enter("num", "n", "5", "when", "day", "22.11."), map[string]string{"when": "This isn't a valid date."}},
	} {
		// Each case starts from a fresh modal, so that the cases do not lean on each other.
		if d := f.Command(t.Context(), "ann", "general", "/help-me", ""); d.Err != nil {
			t.Fatal(d.Err)
		}
		base := enter("why", "text", "because", "role", "pick", "ro")
		if c.entered == nil {
			base = nil
		}
		for k, v := range c.entered {
			base[k] = v
		}
		d := f.SubmitView(t.Context(), "ann", base)
		var bad *slacksim.FormError
		if !errors.As(d.Err, &bad) || !errors.Is(d.Err, slacksim.ErrInvalidForm) {
			t.Errorf("%s: %v", name, d.Err)
			continue
		}
		if diff := cmp.Diff(c.want, bad.Fields); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, entered := range []map[string]map[string]any{
		enter("role", "pick", "admin"), enter("nowhere", "x", "y"), enter("role", "pick", []string{"ro", "rw"}), enter("why", "text", true),
	} {
		if d := f.SubmitView(t.Context(), "ann", entered); d.Err == nil {
			t.Errorf("%v was accepted", entered)
		}
	}
}

func TestResponseActions(t *testing.T) {
	t.Parallel()
	small := modal("Next", section("more"))
	broken := modal(strings.Repeat("t", 25), section("more"))
	good := enter("why", "text", "because", "role", "pick", "ro")
	for name, c := range map[string]struct {
		answer any
		titles []string
		errs   map[string]string
		bad    bool
	}{
		"empty":               {nil, nil, nil, false},
		"errors":              {object{"response_action": "errors", "errors": object{"why": "too vague"}}, []string{"Ask"}, map[string]string{"why": "too vague"}, false},
		"errors elsewhere":    {object{"response_action": "errors", "errors": object{"nowhere": "x"}}, []string{"Ask"}, map[string]string{"nowhere": "x"}, true},
		"errors without text": {object{"response_action": "errors", "errors": object{}}, []string{"Ask"}, map[string]string{}, true},
		"clear":               {object{"response_action": "clear"}, nil, nil, false},
		"update":              {object{"response_action": "update", "view": small}, []string{"Next"}, nil, false},
		"push":                {object{"response_action": "push", "view": small}, []string{"Ask", "Next"}, nil, false},
		"broken view":         {object{"response_action": "update", "view": broken}, []string{"Ask"}, nil, true},
		"unknown":             {object{"response_action": "explode"}, []string{"Ask"}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := opened(t, form(), func(envelope) any { return c.answer })
			d := f.SubmitView(t.Context(), "ann", good)
			if errors.Is(d.Err, slacksim.ErrBadResponse) != c.bad {
				t.Errorf("error %v", d.Err)
			}
			if diff := cmp.Diff(c.errs, d.Errors); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			var titles []string
			for _, v := range f.Views("ann") {
				titles = append(titles, v.Title)
			}
			if diff := cmp.Diff(c.titles, titles); diff != "" {
				t.Errorf("stack (-want +got):\n%s", diff)
			}
			if v, open := f.View("ann"); open && c.bad && v.Notice == "" {
				t.Error("the person is not told")
			}
			if v, open := f.View("ann"); open && name == "errors" && (v.Errors["why"] != "too vague" || v.State["why"]["text"]["value"] != "because") {
				t.Errorf("what was typed is lost or the error is not shown: %+v", v)
			}
		})
	}
}

func TestTriggersAreSpentExpireAndAreNotInvented(t *testing.T) {
	t.Parallel()
	c := newClock()
	f := start(t, func(cfg *slacksim.Config) { cfg.Clock = c.Now })
	triggers := make(chan string, 4)
	f.serve(func(e envelope) any { triggers <- e.trigger(); return nil })
	view := jsonText(form())
	f.Command(t.Context(), "ann", "general", "/help-me", "")
	first := <-triggers
	f.ok("views.open", "trigger_id", first, "view", view)
	f.refused("exchanged_trigger_id", "views.open", "trigger_id", first, "view", view)
	f.refused("invalid_trigger_id", "views.open", "trigger_id", "1.2.3", "view", view)
	f.Command(t.Context(), "ann", "general", "/help-me", "")
	late := <-triggers
	c.jump(3*time.Second + time.Millisecond)
	f.refused("expired_trigger_id", "views.open", "trigger_id", late, "view", view)
	f.refused("invalid_arguments", "views.open", "trigger_id", late, "view", "not json")
	o := f.refused("invalid_arguments", "views.open", "trigger_id", late, "view", jsonText(modal(strings.Repeat("t", 25), section("x"))))
	if m := o["response_metadata"].(object)["messages"].([]any); !strings.Contains(m[0].(string), "/view/title/text") {
		t.Errorf("messages: %v", m)
	}
	f.refused("view_too_large", "views.open", "trigger_id", late, "view", jsonText(modal("t", section(strings.Repeat("x", 260<<10)))))
}

func TestTheStackHoldsThree(t *testing.T) {
	t.Parallel()
	pushed := make(chan object, 8)
	var f *fixture
	page := modal("Page", actions("act", button("more", "More", "1")))
	f, _ = opened(t, page, func(e envelope) any {
		pushed <- f.call("views.push", "trigger_id", e.trigger(), "view", jsonText(page))
		return nil
	})
	for want := 2; want <= 4; want++ {
		f.Click(t.Context(), slacksim.Press{User: "ann", ActionID: "more"})
		o := <-pushed
		if want <= 3 && o["ok"] != true {
			t.Fatalf("push %d: %v", want, o)
		}
		if want == 4 && o["error"] != "push_limit_reached" {
			t.Errorf("fourth view: %v", o)
		}
	}
	views := f.Views("ann")
	if len(views) != 3 {
		t.Fatalf("%d views", len(views))
	}
	if d := f.CloseView(t.Context(), "ann"); d.Err != nil || len(f.Views("ann")) != 2 {
		t.Errorf("closing: %v, %d left", d.Err, len(f.Views("ann")))
	}
}

func TestUpdatesKeepWhatWasTypedAndCheckTheHash(t *testing.T) {
	t.Parallel()
	view := modal("Ask", inputBlock("why", "text", false, object{"type": "plain_text_input"}), actions("act", button("more", "More", "1")))
	f, _ := opened(t, view, func(envelope) any { return nil })
	v, _ := f.View("ann")
	if d := f.Click(t.Context(), slacksim.Press{User: "ann", BlockID: "why", ActionID: "text", Values: []string{"half a"}}); d.Err != nil || !d.Local {
		t.Fatalf("typing: %+v", d)
	}
	f.refused("hash_conflict", "views.update", "view_id", v.ID, "hash", "1.old", "view", jsonText(view))
	f.refused("not_found", "views.update", "view_id", "V0NONE", "view", jsonText(view))
	f.ok("views.update", "view_id", v.ID, "hash", v.Hash, "view", jsonText(view))
	after, _ := f.View("ann")
	if after.ID != v.ID || after.Hash == v.Hash || after.State["why"]["text"]["value"] != "half a" {
		t.Errorf("after the update: %+v", after)
	}
}

func TestHomeIsPublishedPerUser(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	got := make(chan envelope, 4)
	f.serve(func(e envelope) any { got <- e; return nil })
	home := object{"type": "home", "blocks": []any{section("hello"), actions("act", button("go", "Go", "1"))}}
	ann := f.UserID("ann")
	f.refused("user_not_found", "views.publish", "user_id", "U0NOBODY", "view", jsonText(home))
	f.refused("user_not_found", "views.publish", "user_id", f.UserID("lea"), "view", jsonText(home))
	f.refused("hash_conflict", "views.publish", "user_id", ann, "hash", "1.old", "view", jsonText(home))
	first := f.ok("views.publish", "user_id", ann, "view", jsonText(home))["view"].(object)
	f.ok("views.publish", "user_id", ann, "hash", first["hash"].(string), "view", jsonText(home))
	f.refused("hash_conflict", "views.publish", "user_id", ann, "hash", first["hash"].(string), "view", jsonText(home))
	if _, found := f.Home("bob"); found {
		t.Error("bob has ann's Home")
	}
	if d := f.OpenHome(t.Context(), "ann"); d.Err != nil {
		t.Fatal(d.Err)
	}
	if ev := (<-got).event(); ev["type"] != "app_home_opened" || ev["tab"] != "home" || ev["view"] == nil {
		t.Errorf("event: %v", ev)
	}
	if d := f.ClickHome(t.Context(), "ann", "go"); d.Err != nil {
		t.Fatal(d.Err)
	}
	p := (<-got).Payload
	if c := p["container"].(object); c["type"] != "view" || c["view_id"] != first["id"] {
		t.Errorf("container: %v", c)
	}
}

func TestExternalIDsAreUnique(t *testing.T) {
	t.Parallel()
	view := form()
	view["external_id"] = "one"
	f, _ := opened(t, view, func(envelope) any { return nil })
	home := object{"type": "home", "external_id": "one", "blocks": []any{section("x")}}
	f.refused("duplicate_external_id", "views.publish", "user_id", f.UserID("bob"), "view", jsonText(home))
	f.ok("views.update", "external_id", "one", "view", jsonText(view))
}

func TestClosingTellsTheAppWhenItAskedTo(t *testing.T) {
	t.Parallel()
	view := form()
	view["notify_on_close"], view["clear_on_close"] = true, true
	got := make(chan object, 1)
	f, _ := opened(t, view, func(e envelope) any { got <- e.Payload; return nil })
	if d := f.CloseView(t.Context(), "ann"); d.Err != nil || !d.Acked {
		t.Fatalf("delivery: %+v", d)
	}
	if p := <-got; p["type"] != "view_closed" || p["is_cleared"] != true {
		t.Errorf("payload: %v", p)
	}
	if d := f.CloseView(t.Context(), "ann"); !errors.Is(d.Err, slacksim.ErrNotThere) {
		t.Errorf("closing nothing: %v", d.Err)
	}
}

func TestExternalMenusAskTheApp(t *testing.T) {
	t.Parallel()
	view := modal("Ask", inputBlock("who", "pick", false, object{"type": "external_select", "min_query_length": 0.0}))
	queries := make(chan string, 4)
	f, _ := opened(t, view, func(e envelope) any {
		if e.Payload["type"] == "block_suggestion" {
			queries <- e.Payload["value"].(string)
			return object{"options": []any{object{"text": plain("Orders"), "value": "orders"}}}
		}
		return nil
	})
	if d := f.SubmitView(t.Context(), "ann", enter("who", "pick", "invented")); d.Err == nil {
		t.Error("a value that was never offered was accepted")
	}
	if q := <-queries; q != "invented" {
		t.Errorf("query %q", q)
	}
	if d := f.SubmitView(t.Context(), "ann", enter("who", "pick", "orders")); d.Err != nil {
		t.Errorf("an offered value: %v", d.Err)
	}
}

func TestASubmissionThatIsNotAcknowledgedKeepsTheForm(t *testing.T) {
	t.Parallel()
	f, _ := opened(t, form(), func(envelope) any { return nil })
	f.Inject(slacksim.Fault{Kind: slacksim.FaultCutBefore, Match: "view_submission"})
	ctx := t.Context()
	done := make(chan slacksim.Delivery, 1)
	go func() {
		done <- f.SubmitView(ctx, "ann", enter("why", "text", "because", "role", "pick", "ro"))
	}()
	d := <-done
	if !errors.Is(d.Err, slacksim.ErrOperationTimeout) {
		t.Fatalf("delivery: %+v", d)
	}
	v, open := f.View("ann")
	if !open || v.Notice == "" || v.State["why"]["text"]["value"] != "because" {
		t.Errorf("view: %v %+v", open, v)
	}
}
