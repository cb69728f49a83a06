package slacksim

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// SubmitView fills the visible modal with values (block id, action id, what was entered: a string, a list of strings, nil to clear)
// and presses its submit button. What was entered before and is not named stays. A form that Slack's client would not send
// returns a *FormError; what the app answers is applied to the stack of modals.
func (w *Workspace) SubmitView(ctx context.Context, user string, entered map[string]map[string]any) Delivery {
	if err := w.prepareExternal(ctx, user, entered); err != nil {
		return Delivery{Err: fmt.Errorf("submitting: %w", err)}
	}
	w.mu.Lock()
	u, v, err := w.fill(user, entered)
	if err != nil {
		w.touch()
		w.mu.Unlock()
		return Delivery{Err: fmt.Errorf("submitting: %w", err)}
	}
	trigger := w.newTrigger(u.ID)
	env := w.interactive(w.viewSubmission(u, v, trigger), true)
	w.mu.Unlock()
	payload, err := w.deliver(ctx, env)
	d := Delivery{EnvelopeID: env.id, TriggerID: trigger, Acked: err == nil, AckPayload: nonEmpty(payload), Err: err}
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.touch()
	if err == nil {
		d.Errors, err = w.applyResponse(u.ID, v.id, d.AckPayload)
		d.Err = err
	}
	if err != nil {
		if cur := w.openView(u.ID, v.id); cur != nil {
			cur.notice = "We had some trouble connecting. Try again?"
		}
		w.notice(u.ID, fmt.Sprintf("%s could not take the form (%s).", w.cfg.App.Name, errWord(err)))
	}
	return d
}

// prepareExternal types queries into external menus whose values have not been suggested yet.
func (w *Workspace) prepareExternal(ctx context.Context, user string, entered map[string]map[string]any) error {
	v, open := w.View(user)
	if !open {
		return nil
	}
	for _, e := range elementsOf(v.Blocks) {
		if !strings.HasSuffix(e.kind, "external_select") {
			continue
		}
		list, err := pickedList(entered[e.blockID][e.actionID])
		if err != nil {
			return err
		}
		for _, value := range list {
			p := Press{User: user, BlockID: e.blockID, ActionID: e.actionID}
			if w.isOffered(p, value) {
				continue
			}
			if _, d := w.Suggest(ctx, p, value); d.Err != nil {
				return d.Err
			}
		}
	}
	return nil
}

func (w *Workspace) isOffered(p Press, value string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, s, e, err := w.find(p)
	return err == nil && slices.ContainsFunc(s.view.offered[e.key()], func(o Object) bool { return o["value"] == value })
}

// fill enters values into the visible modal and checks the form as Slack's client does.
func (w *Workspace) fill(user string, entered map[string]map[string]any) (*User, *view, error) {
	u, err := w.actor(user)
	if err != nil {
		return nil, nil, err
	}
	v := w.top(u.ID)
	switch {
	case v == nil:
		return nil, nil, fmt.Errorf("a modal of %s: %w", u.Name, ErrNotThere)
	case v.submit == nil:
		return nil, nil, fmt.Errorf("a submit button on %q: %w", textOf(v.title), ErrNotThere)
	}
	state := v.state.clone()
	known := elementsOf(v.blocks)
	for blockID, actions := range entered {
		for actionID, picked := range actions {
			i := slices.IndexFunc(known, func(e element) bool { return e.blockID == blockID && e.actionID == actionID })
			if i < 0 {
				return nil, nil, fmt.Errorf("field %q %q: %w", blockID, actionID, ErrNotThere)
			}
			val, err := w.choose(known[i], picked, v.offered)
			if err != nil {
				return nil, nil, err
			}
			state.set(blockID, actionID, val)
		}
	}
	v.state, v.errors, v.notice = state, nil, ""
	if fields := complaints(v.blocks, state); len(fields) > 0 {
		v.errors = fields
		return nil, nil, &FormError{Fields: fields}
	}
	return u, v, nil
}

func (w *Workspace) openView(user, id string) *view {
	for _, v := range w.stacks[user] {
		if v.id == id {
			return v
		}
	}
	return nil
}

// applyResponse does what the acknowledgement of a submission says to the stack. It returns the messages for fields.
func (w *Workspace) applyResponse(user, id string, payload json.RawMessage) (map[string]string, error) {
	var r struct {
		Action string            `json:"response_action"`
		Errors map[string]string `json:"errors"`
		View   Object            `json:"view"`
	}
	if payload != nil {
		if err := json.Unmarshal(payload, &r); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBadResponse, err)
		}
	}
	v := w.openView(user, id)
	if v == nil {
		return nil, nil // closed in the meantime: nothing to do, as in Slack
	}
	switch r.Action {
	case "":
		w.stacks[user] = slices.DeleteFunc(w.stacks[user], func(o *view) bool { return o.id == id })
	case "clear":
		delete(w.stacks, user)
	case "errors":
		return r.Errors, w.showErrors(v, r.Errors)
	case "update", "push":
		if problems := w.rules.checkView("modal", r.View); len(problems) > 0 {
			return nil, fmt.Errorf("%w: %s", ErrBadResponse, strings.Join(problems, "; "))
		}
		if r.Action == "update" {
			w.replace(w.makeView(user, r.View, v))
			return nil, nil
		}
		if len(w.stacks[user]) >= maxViewStack {
			return nil, fmt.Errorf("%w: push_limit_reached", ErrBadResponse)
		}
		w.push(user, w.makeView(user, r.View, nil))
	default:
		return nil, fmt.Errorf("%w: response_action %q", ErrBadResponse, r.Action)
	}
	return nil, nil
}

// showErrors puts messages under fields. Slack takes ids of input blocks only.
func (w *Workspace) showErrors(v *view, errors map[string]string) error {
	inputs := inputBlockIDs(v.blocks)
	if len(errors) == 0 {
		return fmt.Errorf("%w: response_action errors without errors", ErrBadResponse)
	}
	for id, text := range errors {
		if !slices.Contains(inputs, id) {
			return fmt.Errorf("%w: errors for %q, which is no input block of the view", ErrBadResponse, id)
		}
		if text == "" {
			return fmt.Errorf("%w: an empty error for %q", ErrBadResponse, id)
		}
	}
	v.errors = errors
	return nil
}

// CloseView dismisses the visible modal, or the whole stack when the view says so; the app hears of it when it asked to.
func (w *Workspace) CloseView(ctx context.Context, user string) Delivery {
	w.mu.Lock()
	u, err := w.actor(user)
	var v *view
	if err == nil {
		if v = w.top(u.ID); v == nil {
			err = fmt.Errorf("a modal of %s: %w", u.Name, ErrNotThere)
		}
	}
	if err != nil {
		w.mu.Unlock()
		return Delivery{Err: fmt.Errorf("closing: %w", err)}
	}
	w.pop(u.ID)
	if v.clearOnClose {
		delete(w.stacks, u.ID)
	}
	w.touch()
	if !v.notifyOnClose {
		w.mu.Unlock()
		return Delivery{Local: true}
	}
	env := w.interactive(w.viewClosed(u, v, v.clearOnClose), false)
	w.mu.Unlock()
	return w.carry(ctx, u.ID, env, "")
}

// Suggest types a query into an external menu and returns the options the app offers.
func (w *Workspace) Suggest(ctx context.Context, p Press, query string) ([]Object, Delivery) {
	w.mu.Lock()
	u, s, e, err := w.find(p)
	if err == nil && !strings.HasSuffix(e.kind, "external_select") {
		err = fmt.Errorf("element %q is a %s: %w", e.actionID, e.kind, ErrNotThere)
	}
	if err != nil {
		w.mu.Unlock()
		return nil, Delivery{Err: fmt.Errorf("asking for options: %w", err)}
	}
	env := w.interactive(w.suggestion(u, s, e, query), true)
	w.mu.Unlock()
	d := w.carry(ctx, u.ID, env, "")
	if d.Err != nil {
		return nil, d
	}
	var answer Object
	if err := json.Unmarshal(d.AckPayload, &answer); err != nil {
		d.Err = fmt.Errorf("asking for options: %w: no options in the answer", ErrBadResponse)
		return nil, d
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	found := optionsOf(answer)
	check := &checker{rules: w.rules}
	options(maxSuggestions, false).check(check, "/options", anyList(found))
	if len(found) > 0 && len(check.messages) > 0 {
		d.Err = fmt.Errorf("asking for options: %w: %s", ErrBadResponse, strings.Join(check.messages, "; "))
		return nil, d
	}
	if v := s.view; v != nil {
		v.offered[e.key()] = found
	}
	return found, d
}
