package workflows

import "strings"

// Typing the target's name is what the highest risk can want of whoever asks (T39): nobody, and no program that repeats itself, asks for it by habit or by
// mistake. It proves nothing about them, and decides nothing about what they ask.

// Untyped is what is wrong with what was typed as the target's name: nothing where the risk does not want it.
func (w *Workflow) Untyped(a Ask) []FieldProblem {
	e, ok := w.Entitlement(a.Form.Target, a.Form.Entitlement)
	if !ok || !w.wantsTyped(a) || e.Called(a.Form.Typed) {
		return nil
	}
	return []FieldProblem{{FormConfirm, "The risk of this is high: type the name of the target, " + e.TargetTitle + "."}}
}

// wantsTyped tells whether an ask needs the target's name typed. What the clock asks for, and what somebody else offered, nobody types.
func (w *Workflow) wantsTyped(a Ask) bool {
	e, ok := w.Entitlement(a.Form.Target, a.Form.Entitlement)
	if !ok || w.Kind.OfRunbook() || !a.byHand() {
		return false
	}
	tier, _, ok := w.TierOf(e, a.Principal)
	return ok && tier.TypeTarget
}

// byHand tells whether somebody filled in a form for an ask, or a program did.
func (a Ask) byHand() bool { return a.By.Actor != SystemActor && a.Offer == OfferRef{} }

// Called tells whether a text is the name of the entitlement's target, or its id; how it is spaced and in which case does not count.
func (e Entitlement) Called(text string) bool {
	text = strings.Join(strings.Fields(text), " ")
	return text != "" && (strings.EqualFold(text, strings.Join(strings.Fields(e.TargetTitle), " ")) || strings.EqualFold(text, string(e.Target)))
}

// MayWantTyped tells whether an ask for an entitlement can need the target's name typed, for whichever kind of holder.
func (w *Workflow) MayWantTyped(e Entitlement) bool {
	if w.Risk == nil || w.Kind.OfRunbook() {
		return false
	}
	kinds := []string{"person", ""}
	for _, r := range w.Risk.Rows {
		kinds = append(kinds, r.Principal...)
	}
	for _, k := range kinds {
		if t, _, ok := w.TierOf(e, k); ok && t.TypeTarget {
			return true
		}
	}
	return false
}
