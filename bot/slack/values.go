package slack

// valueField names, per type of element, the one field that holds what was entered or chosen. Reading only this one means that a
// payload cannot carry a second, different answer beside it.
func valueField(typ string) string {
	switch typ {
	case "button", "plain_text_input", "email_text_input", "url_text_input", "number_input", "icon_button", "feedback_buttons":
		return "value"
	case "static_select", "external_select", "radio_buttons", "overflow":
		return "selected_option"
	case "multi_static_select", "multi_external_select", "checkboxes":
		return "selected_options"
	case "users_select":
		return "selected_user"
	case "multi_users_select":
		return "selected_users"
	case "channels_select":
		return "selected_channel"
	case "multi_channels_select":
		return "selected_channels"
	case "conversations_select":
		return "selected_conversation"
	case "multi_conversations_select":
		return "selected_conversations"
	case "datepicker":
		return "selected_date"
	case "timepicker":
		return "selected_time"
	case "datetimepicker":
		return "selected_date_time"
	case "rich_text_input":
		return "rich_text_value"
	}
	return ""
}

// readInput reads the value of one element; block and action id are the caller's, who knows where they stand.
func readInput(r *reader, n *node) Input {
	in := Input{Type: r.required(n, "type")}
	field := valueField(in.Type)
	v := r.get(n, field)
	if field == "" || v == nil {
		return in
	}
	switch v.kind {
	case '"':
		in.Value = r.text(n, field, maxText)
	case '0':
		in.Value = string(v.raw)
	case '[':
		in.Selected = readSelected(r, v)
	case '{':
		if in.Type == "rich_text_input" {
			in.Rich = v.raw
			break
		}
		in.Value = r.text(v, "value", maxText)
	default:
		r.fail("%q has a value of an unknown shape", field)
	}
	return in
}

func readSelected(r *reader, list *node) []string {
	if len(list.kids) > maxSelected {
		r.fail("more than %d choices", maxSelected)
		return nil
	}
	out := make([]string, 0, len(list.kids))
	for _, k := range list.kids {
		switch k.kind {
		case '"':
			if len(k.str) > maxText {
				r.fail("a choice is longer than %d bytes", maxText)
				return nil
			}
			out = append(out, k.str)
		case '{':
			out = append(out, r.text(k, "value", maxText))
		default:
			r.fail("a choice is neither a string nor an object")
			return nil
		}
	}
	return out
}

// readValues reads state.values: block id, then action id, then the element. Its keys are data, so they are taken as they stand.
func readValues(r *reader, state *node) []Input {
	values := r.object(state, "values")
	if values == nil {
		return nil
	}
	var out []Input
	for i, block := range values.kids {
		if block.kind != '{' {
			r.fail("the values of a block are not an object")
			return nil
		}
		for j, el := range block.kids {
			if el.kind != '{' || len(out) >= maxInputs {
				r.fail("the values of a view have an unknown shape or are more than %d", maxInputs)
				return nil
			}
			in := readInput(r, el)
			in.BlockID, in.ActionID = values.keys[i], block.keys[j]
			if len(in.BlockID) > maxID || len(in.ActionID) > maxID {
				r.fail("a block or action id is longer than %d bytes", maxID)
			}
			out = append(out, in)
		}
	}
	return out
}
