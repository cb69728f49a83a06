package slacksim

import (
	"maps"
	"slices"
)

// rules are Block Kit as tables: what fields a block or element has, which it must have, how long and how many. They are built
// once per workspace and never changed.
type rules struct {
	blocks, elements, rich map[string]objRule
	texts                  map[string]objRule
}

func (r *rules) blockTable() map[string]objRule   { return r.blocks }
func (r *rules) elementTable() map[string]objRule { return r.elements }
func (r *rules) richTable() map[string]objRule    { return r.rich }

func newRules() *rules {
	r := &rules{texts: map[string]objRule{}}
	r.elements = elementRules()
	r.rich = richRules()
	r.blocks = blockRules()
	return r
}

// textRule is a text object: plain, or plain and mrkdwn, with Slack's length.
type textRule struct {
	max       int
	plainOnly bool
	mrkOnly   bool
}

func (r textRule) check(c *checker, at string, v any) {
	m, ok := v.(Object)
	if !ok {
		c.fail(at, "must provide an object")
		return
	}
	kinds, extra := []string{"plain_text", "mrkdwn"}, "verbatim"
	if r.plainOnly {
		kinds = kinds[:1]
	}
	if r.mrkOnly {
		kinds = kinds[1:]
	}
	if m["type"] == "plain_text" {
		extra = "emoji"
	}
	most := r.max
	if most == 0 {
		most = maxTextObject
	}
	objRule{
		fields:   map[string]rule{"type": strRule{oneOf: kinds}, "text": strRule{min: 1, max: most}, extra: boolRule{}},
		required: []string{"type", "text"},
	}.check(c, at, m)
}

func plain(most int) rule { return textRule{max: most, plainOnly: true} }
func text(most int) rule  { return textRule{max: most} }

func mergeFields(parts ...map[string]rule) map[string]rule {
	out := map[string]rule{}
	for _, p := range parts {
		maps.Copy(out, p)
	}
	return out
}

func confirmRule() rule {
	return objRule{
		fields: map[string]rule{
			"title": plain(maxConfirmTitle), "text": text(maxConfirmText), "confirm": plain(maxConfirmButton),
			"deny": plain(maxConfirmButton), "style": strRule{oneOf: []string{"primary", "danger"}},
		},
		required: []string{"text"},
	}
}

func optionRule(mayFormat bool) rule {
	label := plain(maxOptionText)
	if mayFormat {
		label = text(maxOptionText)
	}
	return objRule{
		fields: map[string]rule{
			"text": label, "value": strRule{max: maxOptionText}, "description": plain(maxOptionText), "url": strRule{max: maxURL},
		},
		required: []string{"text", "value"},
	}
}

func options(most int, mayFormat bool) rule {
	return listRule{of: optionRule(mayFormat), min: 1, max: most}
}

// act is what every interactive element has.
func act(kind string, more map[string]rule) map[string]rule {
	return mergeFields(map[string]rule{
		"type": strRule{oneOf: []string{kind}}, "action_id": strRule{max: maxID},
	}, more)
}

func input(kind string, more map[string]rule) map[string]rule {
	return act(kind, mergeFields(map[string]rule{"focus_on_load": boolRule{}}, more))
}

// interactive adds the two things Slack checks across elements: unique action ids in a block, one focus in a view.
func interactive(c *checker, at string, m Object) {
	if id, _ := m["action_id"].(string); id != "" {
		if c.actions[id] {
			c.fail(at+"/action_id", "`action_id` \"%s\" already exists for another element in this block", id)
		}
		c.actions[id] = true
	}
	if m["focus_on_load"] == true {
		c.focused++
	}
}

func elem(fields map[string]rule, required ...string) objRule {
	return objRule{fields: fields, required: append(required, "type"), also: interactive}
}

func elementRules() map[string]objRule {
	place := map[string]rule{"placeholder": plain(maxPlaceholder)}
	confirm := map[string]rule{"confirm": confirmRule()}
	dispatch := map[string]rule{"dispatch_action_config": objRule{fields: map[string]rule{
		"trigger_actions_on": listRule{of: strRule{oneOf: []string{"on_enter_pressed", "on_character_entered"}}},
	}}}
	style := map[string]rule{
		"text": plain(maxButtonText), "style": strRule{oneOf: []string{"primary", "danger"}}, "accessibility_label": strRule{max: maxA11yLabel},
	}
	out := map[string]objRule{
		"button": elem(act("button", mergeFields(style, confirm, map[string]rule{
			"value": strRule{max: maxButtonValue}, "url": strRule{max: maxURL},
		})), "text"),
		"workflow_button": elem(act("workflow_button", mergeFields(style, confirm, map[string]rule{"workflow": anyRule{}})), "text", "workflow"),
		"overflow":        elem(act("overflow", mergeFields(confirm, map[string]rule{"options": options(maxOverflowOptions, false)})), "options"),
		"checkboxes": elem(input("checkboxes", mergeFields(confirm, map[string]rule{
			"options": options(maxChoiceOptions, true), "initial_options": options(maxChoiceOptions, true),
		})), "options"),
		"radio_buttons": elem(input("radio_buttons", mergeFields(confirm, map[string]rule{
			"options": options(maxChoiceOptions, true), "initial_option": optionRule(true),
		})), "options"),
		"datepicker":     elem(input("datepicker", mergeFields(place, confirm, map[string]rule{"initial_date": strRule{min: 10, max: 10}}))),
		"timepicker":     elem(input("timepicker", mergeFields(place, confirm, map[string]rule{"initial_time": strRule{min: 5, max: 5}, "timezone": strRule{}}))),
		"datetimepicker": elem(input("datetimepicker", mergeFields(confirm, map[string]rule{"initial_date_time": numRule{min: 1e9, max: 1e10}}))),
		"plain_text_input": elem(input("plain_text_input", mergeFields(place, dispatch, map[string]rule{
			"initial_value": strRule{max: maxInputLength}, "multiline": boolRule{},
			"min_length": numRule{max: maxInputLength}, "max_length": numRule{min: 1, max: maxInputLength},
		}))),
		"email_text_input": elem(input("email_text_input", mergeFields(place, dispatch, map[string]rule{"initial_value": strRule{}}))),
		"url_text_input":   elem(input("url_text_input", mergeFields(place, dispatch, map[string]rule{"initial_value": strRule{}}))),
		"number_input": elem(input("number_input", mergeFields(place, dispatch, map[string]rule{
			"initial_value": strRule{}, "is_decimal_allowed": boolRule{}, "min_value": strRule{}, "max_value": strRule{},
		})), "is_decimal_allowed"),
		"rich_text_input": elem(input("rich_text_input", mergeFields(place, dispatch, map[string]rule{"initial_value": anyRule{}, "min_lines": numRule{}, "max_lines": numRule{}}))),
		"file_input":      elem(act("file_input", map[string]rule{"filetypes": listRule{of: strRule{}}, "max_files": numRule{max: 10}})),
		"icon_button": elem(act("icon_button", mergeFields(confirm, map[string]rule{
			"icon": strRule{oneOf: []string{"trash"}}, "text": plain(0), "value": strRule{}, "visible_to_user_ids": listRule{of: strRule{}},
			"accessibility_label": strRule{max: maxA11yLabel},
		})), "icon", "text"),
		"feedback_buttons": elem(act("feedback_buttons", map[string]rule{"positive_button": anyRule{}, "negative_button": anyRule{}}), "positive_button", "negative_button"),
		"image":            imageRule(),
	}
	maps.Copy(out, selectRules(mergeFields(place, confirm)))
	return out
}

func imageRule() objRule {
	return objRule{
		fields: map[string]rule{
			"type": strRule{}, "alt_text": strRule{min: 1, max: maxAltText}, "image_url": strRule{min: 1, max: maxURL}, "slack_file": anyRule{},
		},
		required: []string{"type", "alt_text"},
		also:     needsOneOf("image_url", "slack_file"),
	}
}

// needsOneOf is what a JSON schema of single fields cannot say: at least one of these.
func needsOneOf(names ...string) func(*checker, string, Object) {
	return func(c *checker, at string, m Object) {
		for _, n := range names {
			if m[n] != nil {
				return
			}
		}
		c.fail(at, "missing required field: %s", names[0])
	}
}

// selectRules lists the ten menus: five sources, each single and multiple.
func selectRules(common map[string]rule) map[string]objRule {
	groups := listRule{max: maxOptionGroups, min: 1, of: objRule{
		fields: map[string]rule{"label": plain(maxOptionText), "options": options(maxOptions, false)}, required: []string{"label", "options"},
	}}
	conv := map[string]rule{
		"default_to_current_conversation": boolRule{},
		"filter": objRule{fields: map[string]rule{
			"exclude_bot_users": boolRule{}, "exclude_external_shared_channels": boolRule{},
			"include": listRule{of: strRule{oneOf: []string{"im", "mpim", "private", "public"}}},
		}},
	}
	urls := map[string]rule{"response_url_enabled": boolRule{}}
	ids := listRule{of: strRule{}}
	most := map[string]rule{"max_selected_items": numRule{min: 1, max: 1000}}
	static := map[string]rule{"options": options(maxOptions, false), "option_groups": groups}
	external := map[string]rule{"min_query_length": numRule{}}
	single := map[string]map[string]rule{
		"static_select":        mergeFields(static, map[string]rule{"initial_option": optionRule(false)}),
		"external_select":      mergeFields(external, map[string]rule{"initial_option": optionRule(false)}),
		"users_select":         {"initial_user": strRule{}},
		"channels_select":      mergeFields(urls, map[string]rule{"initial_channel": strRule{}}),
		"conversations_select": mergeFields(conv, urls, map[string]rule{"initial_conversation": strRule{}}),
	}
	multi := map[string]map[string]rule{
		"multi_static_select":        mergeFields(static, map[string]rule{"initial_options": options(maxOptions, false)}),
		"multi_external_select":      mergeFields(external, map[string]rule{"initial_options": options(maxOptions, false)}),
		"multi_users_select":         {"initial_users": ids},
		"multi_channels_select":      {"initial_channels": ids},
		"multi_conversations_select": mergeFields(conv, map[string]rule{"initial_conversations": ids}),
	}
	out := map[string]objRule{}
	for kind, f := range single {
		out[kind] = elem(input(kind, mergeFields(common, f)))
	}
	for kind, f := range multi {
		out[kind] = elem(input(kind, mergeFields(common, most, f)))
	}
	for _, kind := range []string{"static_select", "multi_static_select"} {
		o := out[kind]
		o.also = func(c *checker, at string, m Object) {
			interactive(c, at, m)
			needsOneOf("options", "option_groups")(c, at, m)
		}
		out[kind] = o
	}
	return out
}

func block(kind string, fields map[string]rule, required ...string) objRule {
	return objRule{
		fields:   mergeFields(map[string]rule{"type": strRule{oneOf: []string{kind}}, "block_id": strRule{max: maxID}}, fields),
		required: append(required, "type"),
		also:     uniqueBlock,
	}
}

func uniqueBlock(c *checker, at string, m Object) {
	if id, _ := m["block_id"].(string); id != "" {
		if c.blockIDs[id] {
			c.fail(at+"/block_id", "`block_id` \"%s\" already exists", id)
		}
		c.blockIDs[id] = true
	}
	switch m["type"] {
	case "section":
		needsOneOf("text", "fields")(c, at, m)
	case "image":
		needsOneOf("image_url", "slack_file")(c, at, m)
	case "input":
		c.inputs++
	case "markdown":
		s, _ := m["text"].(string)
		c.markdown += len([]rune(s))
	}
}

func accessories() []string {
	return slices.Concat([]string{
		"button", "checkboxes", "datepicker", "image", "overflow", "radio_buttons", "timepicker", "workflow_button",
	}, selectKinds())
}

func selectKinds() []string {
	return []string{
		"static_select", "external_select", "users_select", "channels_select", "conversations_select",
		"multi_static_select", "multi_external_select", "multi_users_select", "multi_channels_select", "multi_conversations_select",
	}
}

func inputKinds() []string {
	return slices.Concat([]string{
		"checkboxes", "radio_buttons", "datepicker", "timepicker", "datetimepicker", "plain_text_input", "email_text_input",
		"url_text_input", "number_input", "rich_text_input", "file_input",
	}, selectKinds())
}

func actionKinds() []string {
	return slices.Concat([]string{
		"button", "checkboxes", "datepicker", "datetimepicker", "overflow", "radio_buttons", "timepicker", "workflow_button", "rich_text_input",
	}, selectKinds())
}

func blockRules() map[string]objRule {
	el := func(only ...string) rule { return typeRule{of: (*rules).elementTable, only: only} }
	cell := anyRule{}
	return map[string]objRule{
		"section": block("section", map[string]rule{
			"text": text(maxTextObject), "fields": listRule{of: text(maxFieldText), min: 1, max: maxFields},
			"accessory": el(accessories()...), "expand": boolRule{},
		}),
		"header":  block("header", map[string]rule{"text": plain(maxHeaderText)}, "text"),
		"divider": block("divider", nil),
		"context": block("context", map[string]rule{"elements": listRule{of: contextElement{}, min: 1, max: maxContextElements}}, "elements"),
		"actions": block("actions", map[string]rule{"elements": listRule{of: el(actionKinds()...), min: 1, max: maxActionElements}}, "elements"),
		"context_actions": block("context_actions", map[string]rule{
			"elements": listRule{of: el("icon_button", "feedback_buttons"), min: 1, max: maxContextActions},
		}, "elements"),
		"input": block("input", map[string]rule{
			"label": plain(maxLabel), "hint": plain(maxLabel), "optional": boolRule{}, "dispatch_action": boolRule{}, "element": el(inputKinds()...),
		}, "label", "element"),
		"image": block("image", map[string]rule{
			"image_url": strRule{min: 1, max: maxURL}, "slack_file": anyRule{}, "alt_text": strRule{min: 1, max: maxAltText}, "title": plain(maxAltText),
		}, "alt_text"),
		"markdown": block("markdown", map[string]rule{"text": strRule{min: 1, max: maxMarkdownText}}, "text"),
		"rich_text": block("rich_text", map[string]rule{
			"elements": listRule{of: typeRule{of: (*rules).richTable, only: richParts()}},
		}, "elements"),
		"table": block("table", map[string]rule{
			"rows":            listRule{of: listRule{of: cell, max: maxTableCells}, min: 1, max: maxTableRows},
			"column_settings": listRule{of: anyRule{}, max: maxTableCells},
		}, "rows"),
		"file":  block("file", map[string]rule{"external_id": strRule{}, "source": strRule{}}, "external_id", "source"),
		"alert": block("alert", map[string]rule{"text": text(0), "level": strRule{oneOf: []string{"default", "info", "warning", "error", "success"}}}, "text"),
		"video": block("video", map[string]rule{
			"alt_text": strRule{}, "author_name": strRule{max: maxVideoAuthor}, "description": plain(maxFieldText), "provider_icon_url": strRule{},
			"provider_name": strRule{}, "thumbnail_url": strRule{}, "title": plain(maxVideoTitle), "title_url": strRule{}, "video_url": strRule{},
		}, "alt_text", "thumbnail_url", "title", "video_url"),
	}
}

// contextElement is an image or a text.
type contextElement struct{}

func (contextElement) check(c *checker, at string, v any) {
	if m, ok := v.(Object); ok && m["type"] == "image" {
		c.rules.elements["image"].check(c, at, m)
		return
	}
	text(maxTextObject).check(c, at, v)
}

func richParts() []string {
	return []string{"rich_text_section", "rich_text_list", "rich_text_quote", "rich_text_preformatted"}
}

func richLeaves() []string {
	return []string{"broadcast", "color", "channel", "date", "emoji", "link", "team", "text", "user", "usergroup"}
}

func richRules() map[string]objRule {
	style := objRule{fields: map[string]rule{
		"bold": boolRule{}, "italic": boolRule{}, "strike": boolRule{}, "code": boolRule{}, "underline": boolRule{},
	}}
	leaf := func(required []string, more map[string]rule) objRule {
		return objRule{fields: mergeFields(map[string]rule{"type": strRule{}, "style": style}, more), required: required}
	}
	rich := func(only ...string) rule { return listRule{of: typeRule{of: (*rules).richTable, only: only}} }
	part := func(elements rule, more map[string]rule, required ...string) objRule {
		return objRule{
			fields: mergeFields(map[string]rule{"type": strRule{}, "elements": elements}, more), required: append(required, "elements"),
		}
	}
	one := func(name string) objRule { return leaf([]string{name}, map[string]rule{name: strRule{}}) }
	border := map[string]rule{"border": numRule{max: 1}}
	return map[string]objRule{
		"rich_text_section":      part(rich(richLeaves()...), nil),
		"rich_text_quote":        part(rich(richLeaves()...), border),
		"rich_text_preformatted": part(rich("text", "link"), border),
		"rich_text_list": part(rich("rich_text_section"), mergeFields(border, map[string]rule{
			"style": strRule{oneOf: []string{"bullet", "ordered"}}, "indent": numRule{max: 8},
		}), "style"),
		"text": one("text"), "user": one("user_id"), "channel": one("channel_id"), "usergroup": one("usergroup_id"), "team": one("team_id"),
		"color":     one("value"),
		"broadcast": leaf([]string{"range"}, map[string]rule{"range": strRule{oneOf: []string{"here", "channel", "everyone"}}}),
		"emoji":     leaf([]string{"name"}, map[string]rule{"name": strRule{}, "unicode": strRule{}, "url": strRule{}}),
		"link":      leaf([]string{"url"}, map[string]rule{"url": strRule{max: maxURL}, "text": strRule{}, "unsafe": boolRule{}}),
		"date": leaf([]string{"timestamp", "format"}, map[string]rule{
			"timestamp": numRule{}, "format": strRule{}, "url": strRule{}, "fallback": strRule{},
		}),
	}
}
