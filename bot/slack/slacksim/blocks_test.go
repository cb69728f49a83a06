package slacksim_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

func x(n int) string { return strings.Repeat("x", n) }

func many(n int, f func(int) any) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = f(i)
	}
	return out
}

func opt(i int) any { return object{"text": plain("o"), "value": fmt.Sprint(i)} }

// broken are samples Slack refuses, with the place it complains about. schemaToo says that the published schema can say it as well.
func broken() map[string]struct {
	block     object
	at        string
	schemaToo bool
} {
	type row = struct {
		block     object
		at        string
		schemaToo bool
	}
	with := func(o object, k string, v any) object {
		out := object{k: v}
		for key, val := range o {
			if key != k {
				out[key] = val
			}
		}
		return out
	}
	confirm := func(title, text, yes string) object {
		return object{"title": plain(title), "text": mrk(text), "confirm": plain(yes), "deny": plain("No")}
	}
	b := button("a", "Go", "1")
	act := func(e ...any) object { return object{"type": "actions", "elements": e} }
	menu := func(kind string, n int) object {
		return object{"type": kind, "action_id": "m", "options": many(n, opt)}
	}
	in := func(e object) object { return object{"type": "input", "label": plain("l"), "element": e} }
	return map[string]row{
		"unknown block":         {object{"type": "hologram"}, "/blocks/0/type", true},
		"section without text":  {object{"type": "section"}, "/blocks/0", false},
		"section text":          {section(x(3001)), "/blocks/0/text/text", true},
		"empty text":            {section(""), "/blocks/0/text/text", false},
		"eleven fields":         {object{"type": "section", "fields": many(11, func(int) any { return mrk("f") })}, "/blocks/0/fields", true},
		"long field":            {object{"type": "section", "fields": []any{mrk(x(2001))}}, "/blocks/0/fields/0/text", true},
		"extra property":        {with(section("x"), "colour", "red"), "/blocks/0", true},
		"header":                {object{"type": "header", "text": plain(x(151))}, "/blocks/0/text/text", true},
		"header in mrkdwn":      {object{"type": "header", "text": mrk("x")}, "/blocks/0/text/type", true},
		"header without text":   {object{"type": "header"}, "/blocks/0", true},
		"context":               {object{"type": "context", "elements": many(11, func(int) any { return mrk("c") })}, "/blocks/0/elements", true},
		"26 elements":           {act(many(26, func(i int) any { return button(fmt.Sprint(i), "b", "") })...), "/blocks/0/elements", true},
		"same action id":        {act(b, b), "/blocks/0/elements/1/action_id", false},
		"button text":           {act(button("a", x(76), "1")), "/blocks/0/elements/0/text/text", true},
		"button value":          {act(button("a", "b", x(2001))), "/blocks/0/elements/0/value", true},
		"button style":          {act(with(b, "style", "gold")), "/blocks/0/elements/0/style", true},
		"button label":          {act(with(b, "accessibility_label", x(76))), "/blocks/0/elements/0/accessibility_label", true},
		"button url":            {act(with(b, "url", x(3001))), "/blocks/0/elements/0/url", true},
		"action id":             {act(with(b, "action_id", x(256))), "/blocks/0/elements/0/action_id", true},
		"block id":              {with(section("x"), "block_id", x(256)), "/blocks/0/block_id", true},
		"confirm title":         {act(with(b, "confirm", confirm(x(101), "t", "y"))), "/blocks/0/elements/0/confirm/title/text", true},
		"confirm text":          {act(with(b, "confirm", confirm("t", x(301), "y"))), "/blocks/0/elements/0/confirm/text/text", true},
		"confirm button":        {act(with(b, "confirm", confirm("t", "t", x(31)))), "/blocks/0/elements/0/confirm/confirm/text", true},
		"101 options":           {act(menu("static_select", 101)), "/blocks/0/elements/0/options", true},
		"no options":            {act(object{"type": "static_select", "action_id": "m"}), "/blocks/0/elements/0", false},
		"six in overflow":       {act(menu("overflow", 6)), "/blocks/0/elements/0/options", true},
		"eleven checkboxes":     {act(menu("checkboxes", 11)), "/blocks/0/elements/0/options", true},
		"eleven radio buttons":  {act(menu("radio_buttons", 11)), "/blocks/0/elements/0/options", true},
		"option text":           {act(object{"type": "overflow", "options": []any{object{"text": plain(x(76)), "value": "1"}}}), "/blocks/0/elements/0/options/0/text/text", true},
		"option value":          {act(object{"type": "overflow", "options": []any{object{"text": plain("x"), "value": x(76)}}}), "/blocks/0/elements/0/options/0/value", true},
		"option without value":  {act(object{"type": "overflow", "options": []any{object{"text": plain("x")}}}), "/blocks/0/elements/0/options/0", false},
		"placeholder":           {act(with(menu("static_select", 1), "placeholder", plain(x(151)))), "/blocks/0/elements/0/placeholder/text", true},
		"text input in actions": {act(object{"type": "plain_text_input"}), "/blocks/0/elements/0/type", true},
		"label":                 {with(in(object{"type": "plain_text_input"}), "label", plain(x(2001))), "/blocks/0/label/text", true},
		"hint":                  {with(in(object{"type": "plain_text_input"}), "hint", plain(x(2001))), "/blocks/0/hint/text", true},
		"label missing":         {object{"type": "input", "element": object{"type": "plain_text_input"}}, "/blocks/0", true},
		"button as input":       {in(b), "/blocks/0/element/type", true},
		"max length":            {in(object{"type": "plain_text_input", "max_length": 3001.0}), "/blocks/0/element/max_length", false},
		"number input":          {in(object{"type": "number_input"}), "/blocks/0/element", true},
		"image":                 {object{"type": "image", "alt_text": "x"}, "/blocks/0", true},
		"markdown":              {object{"type": "markdown", "text": x(12001)}, "/blocks/0/text", true},
		"table":                 {object{"type": "table", "rows": many(101, func(int) any { return []any{object{"type": "raw_text", "text": "x"}} })}, "/blocks/0/rows", true},
		"rich text":             {object{"type": "rich_text", "elements": []any{object{"type": "rich_text_poem", "elements": []any{}}}}, "/blocks/0/elements/0/type", true},
		"rich list style":       {object{"type": "rich_text", "elements": []any{object{"type": "rich_text_list", "elements": []any{}}}}, "/blocks/0/elements/0", true},
		"context actions":       {object{"type": "context_actions", "elements": many(6, func(int) any { return object{"type": "icon_button", "icon": "trash", "text": plain("x")} })}, "/blocks/0/elements", true},
	}
}

func TestBrokenBlocksAreRefusedWhereTheyAreBroken(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.invite()
	for name, c := range broken() {
		o := f.call("chat.postMessage", "channel", f.ChannelID("general"), "text", "x", "blocks", blocks(c.block))
		if o["error"] != "invalid_blocks" {
			t.Errorf("%s: %v", name, o)
			continue
		}
		found := false
		for _, m := range o["response_metadata"].(object)["messages"].([]any) {
			found = found || strings.HasSuffix(m.(string), "[json-pointer:"+c.at+"]")
		}
		if !found {
			t.Errorf("%s: %v, want a message at %s", name, o["response_metadata"], c.at)
		}
	}
}

func TestTheSchemaRefusesWhatTheTablesRefuse(t *testing.T) {
	t.Parallel()
	s := schema(t, "blockkit.schema.json", "#/definitions/MessageBlocks")
	for name, c := range broken() {
		if err := validate(s, []any{c.block}); (err != nil) != c.schemaToo {
			t.Errorf("%s: the schema says %v, want an error: %v", name, err, c.schemaToo)
		}
	}
}

func TestCountsAndUniqueness(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.invite()
	post := func(list ...object) object {
		return f.call("chat.postMessage", "channel", f.ChannelID("general"), "text", "x", "blocks", blocks(list...))
	}
	fifty := make([]object, 51)
	for i := range fifty {
		fifty[i] = section("x")
	}
	if o := post(fifty[:50]...); o["ok"] != true {
		t.Errorf("50 blocks: %v", o)
	}
	if o := post(fifty...); o["error"] != "invalid_blocks" {
		t.Errorf("51 blocks: %v", o)
	}
	twin := section("x")
	twin["block_id"] = "same"
	if o := post(twin, twin); o["error"] != "invalid_blocks" || !strings.Contains(jsonText(o), "already exists") {
		t.Errorf("same block id twice: %v", o)
	}
	md := object{"type": "markdown", "text": x(7000)}
	if o := post(md, md); o["error"] != "invalid_blocks" {
		t.Errorf("14,000 characters of markdown: %v", o)
	}
}

func TestViewsAreChecked(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	ann := f.UserID("ann")
	text := object{"type": "plain_text_input"}
	focus := object{"type": "plain_text_input", "focus_on_load": true}
	set := func(k string, v any, base object) object { base[k] = v; return base }
	for name, c := range map[string]struct {
		view object
		at   string
	}{
		"title":            {modal(x(25), section("x")), "/view/title/text"},
		"submit":           {set("submit", plain(x(25)), modal("t", section("x"))), "/view/submit/text"},
		"close":            {set("close", plain(x(25)), modal("t", section("x"))), "/view/close/text"},
		"private_metadata": {set("private_metadata", x(3001), modal("t", section("x"))), "/view/private_metadata"},
		"callback_id":      {set("callback_id", x(256), modal("t", section("x"))), "/view/callback_id"},
		"external_id":      {set("external_id", x(256), modal("t", section("x"))), "/view/external_id"},
		"no submit":        {set("submit", nil, modal("t", inputBlock("a", "b", false, text))), "/view"},
		"two focused":      {modal("t", inputBlock("a", "b", false, focus), inputBlock("c", "b", false, focus)), "/view/blocks"},
		"home as modal":    {object{"type": "home", "blocks": []any{}}, "/view/type"},
		"no title":         {object{"type": "modal", "blocks": []any{}}, "/view"},
		"101 blocks":       {object{"type": "modal", "title": plain("t"), "blocks": many(101, func(int) any { return section("x") })}, "/view/blocks"},
		"blocks no list":   {object{"type": "modal", "title": plain("t"), "blocks": "x"}, "/view/blocks"},
		"unknown property": {set("colour", "red", modal("t", section("x"))), "/view"},
	} {
		o := f.refused("invalid_arguments", "views.open", "trigger_id", "x", "view", jsonText(c.view))
		if !strings.Contains(jsonText(o), "[json-pointer:"+c.at+"]") {
			t.Errorf("%s: %v, want a message at %s", name, o, c.at)
		}
	}
	home := object{"type": "home", "blocks": many(100, func(int) any { return section("x") })}
	f.ok("views.publish", "user_id", ann, "view", jsonText(home))
	home["title"] = plain("t")
	f.refused("invalid_arguments", "views.publish", "user_id", ann, "view", jsonText(home))
}

// genText draws a text object that is right, long ones included.
func genText(t *rapid.T, most int, plainOnly bool) object {
	n := rapid.OneOf(rapid.IntRange(1, 12), rapid.Just(most), rapid.IntRange(1, most)).Draw(t, "length")
	if !plainOnly && rapid.Bool().Draw(t, "mrkdwn") {
		return object{"type": "mrkdwn", "text": x(n), "verbatim": rapid.Bool().Draw(t, "verbatim")}
	}
	return object{"type": "plain_text", "text": x(n)}
}

func genOptions(t *rapid.T, most int) []any {
	return many(rapid.IntRange(1, most).Draw(t, "options"), func(i int) any {
		return object{"text": plain(x(1 + i%75)), "value": fmt.Sprint(i)}
	})
}

func genElement(t *rapid.T, i int, forInput bool) object {
	kinds := []string{"checkboxes", "radio_buttons", "datepicker", "timepicker", "datetimepicker", "static_select", "multi_static_select", "users_select", "external_select", "conversations_select", "channels_select", "multi_users_select"}
	if forInput {
		kinds = append(kinds, "plain_text_input", "email_text_input", "url_text_input", "number_input")
	} else {
		kinds = append(kinds, "button", "overflow")
	}
	kind := rapid.SampledFrom(kinds).Draw(t, "kind")
	e := object{"type": kind, "action_id": fmt.Sprintf("a%d", i)}
	switch kind {
	case "button":
		e["text"], e["value"] = genText(t, 75, true), x(rapid.IntRange(0, 2000).Draw(t, "value"))
		if rapid.Bool().Draw(t, "confirm") {
			e["confirm"] = object{"title": genText(t, 100, true), "text": genText(t, 300, false), "confirm": genText(t, 30, true), "deny": genText(t, 30, true)}
		}
	case "overflow":
		e["options"] = genOptions(t, 5)
	case "checkboxes", "radio_buttons":
		e["options"] = genOptions(t, 10)
	case "static_select", "multi_static_select":
		e["options"], e["placeholder"] = genOptions(t, 100), genText(t, 150, true)
	case "number_input":
		e["is_decimal_allowed"] = true
	case "plain_text_input":
		e["multiline"], e["max_length"] = true, float64(rapid.IntRange(1, 3000).Draw(t, "max"))
	}
	return e
}

func genBlock(t *rapid.T, i int, inModal bool) object {
	kinds := []string{"section", "fields", "header", "context", "divider", "actions", "image", "rich_text", "markdown"}
	if inModal {
		kinds = append(kinds, "input")
	}
	b := object{"block_id": fmt.Sprintf("b%d", i)}
	kind := rapid.SampledFrom(kinds).Draw(t, "block")
	b["type"] = kind
	switch kind {
	case "section":
		b["text"] = genText(t, 3000, false)
		if rapid.Bool().Draw(t, "accessory") {
			b["accessory"] = button("acc", "Go", "1")
		}
	case "fields":
		b["type"] = "section"
		b["fields"] = many(rapid.IntRange(1, 10).Draw(t, "fields"), func(int) any { return genText(t, 2000, false) })
	case "header":
		b["text"] = genText(t, 150, true)
	case "context":
		b["elements"] = many(rapid.IntRange(1, 10).Draw(t, "elements"), func(int) any { return genText(t, 100, false) })
	case "actions":
		b["elements"] = many(rapid.IntRange(1, 25).Draw(t, "elements"), func(i int) any { return genElement(t, i, false) })
	case "image":
		b["image_url"], b["alt_text"] = "https://example.com/a.png", "a picture"
	case "markdown":
		b["text"] = x(rapid.IntRange(1, 200).Draw(t, "markdown"))
	case "rich_text":
		b["elements"] = []any{object{"type": "rich_text_section", "elements": []any{object{"type": "text", "text": x(5), "style": object{"bold": true}}}}}
	case "input":
		b["label"], b["element"], b["optional"] = genText(t, 2000, true), genElement(t, 0, true), rapid.Bool().Draw(t, "optional")
	}
	return b
}

func TestWhatTheTablesAcceptTheSchemaAcceptsToo(t *testing.T) {
	t.Parallel()
	messages := schema(t, "blockkit.schema.json", "#/definitions/MessageBlocks")
	modals := schema(t, "blockkit.schema.json", "#/definitions/ModalView")
	homes := schema(t, "blockkit.schema.json", "#/definitions/HomeView")
	f := start(t, nil)
	f.invite()
	general, ann := f.ChannelID("general"), f.UserID("ann")
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(rt, "blocks")
		kind := rapid.SampledFrom([]string{"message", "modal", "home"}).Draw(rt, "surface")
		list := make([]any, n)
		for i := range list {
			list[i] = genBlock(rt, i, kind == "modal")
		}
		var o object
		var err error
		switch kind {
		case "message":
			o = f.call("chat.postMessage", "channel", general, "text", "x", "blocks", jsonText(list))
			err = validate(messages, list)
		case "modal":
			view := object{"type": "modal", "title": genText(rt, 24, true), "submit": plain("ok"), "blocks": list}
			o = f.call("views.open", "trigger_id", "none", "view", jsonText(view))
			if o["error"] == "invalid_trigger_id" {
				o["ok"] = true // the view was accepted, only the trigger was not
			}
			err = validate(modals, view)
		case "home":
			view := object{"type": "home", "blocks": list}
			o = f.call("views.publish", "user_id", ann, "view", jsonText(view))
			err = validate(homes, view)
		}
		if o["ok"] != true || err != nil {
			rt.Fatalf("%s: the tables say %v, the schema %v\n%s", kind, o, err, jsonText(list))
		}
	})
}

func TestAcceptedBlocksGetTheirIDs(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.invite()
	f.ok("chat.postMessage", "channel", f.ChannelID("general"), "text", "x", "blocks",
		blocks(section("x"), object{"type": "actions", "elements": []any{object{"type": "button", "text": plain("Go")}}}))
	m := f.Messages("general")[0]
	if len(m.ActionIDs()) != 1 || m.ActionIDs()[0] == "" {
		t.Errorf("action ids %q", m.ActionIDs())
	}
	for _, b := range m.Blocks {
		if b["block_id"] == nil {
			t.Errorf("a block without id: %v", b)
		}
	}
	if got := m.Visible(); got != "x\nGo" {
		t.Errorf("visible: %q", got)
	}
	var _ slacksim.Object = m.Blocks[0]
}
