package bot

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
)

// suggest answers what somebody types into a menu that is too long to be sent whole. It is asked at every keystroke, changes nothing and is kept
// nowhere; what it offers is checked again when the form comes.
func (b *Bot) suggest(ctx context.Context, c *call) (answer, error) {
	if len(c.Actions) != 1 || c.View == nil {
		return answer{}, nil
	}
	typed := c.Actions[0]
	var found []screens.Choice
	switch {
	case typed.ActionID == screens.ActPick:
		offers, err := b.c.Desk.Catalogue(ctx, c.by.Person)
		if err != nil {
			return answer{}, err
		}
		found = chains(offers)
	default:
		var meta formMeta
		if json.Unmarshal([]byte(c.View.PrivateMetadata), &meta) != nil {
			return answer{}, nil
		}
		o, ok, err := b.offer(ctx, c.by.Person, meta.Workflow)
		if err != nil || !ok {
			return answer{}, err
		}
		found = b.choicesOf(ctx, o.Version.Workflow, typed.BlockID)
	}
	menu := screens.Suggestions(matching(found, typed.Value))
	return answer{options: &menu}, nil
}

// choicesOf are all entries of one menu of a form.
func (b *Bot) choicesOf(ctx context.Context, w *workflows.Workflow, block string) []screens.Choice {
	if block == screens.BlockEntitlement {
		return entitlementChoices(w)
	}
	name, _ := strings.CutPrefix(block, screens.FieldBlock)
	i := slices.IndexFunc(w.Fields, func(f workflows.Field) bool { return f.Name == name })
	switch {
	case i < 0:
		return nil
	case w.Fields[i].Type == workflows.FieldTarget:
		return b.targetChoices(w)
	case w.Fields[i].Type == workflows.FieldIdentity:
		return b.identityChoices(w)
	case w.Fields[i].Type == workflows.FieldOffer:
		return b.offerChoices(ctx, w, w.Fields[i])
	}
	return nil
}

// offerChoices are what the targets of a chain have to give for one field. A target that does not answer in time offers nothing: the next
// keystroke asks again.
func (b *Bot) offerChoices(ctx context.Context, w *workflows.Workflow, f workflows.Field) []screens.Choice {
	var out []screens.Choice
	for _, e := range w.Entitlements {
		offers, err := b.c.Desk.Offers(ctx, w, e, f)
		if err != nil {
			b.log.WarnContext(ctx, "what a target can grant is not known", "target", e.Target, "err", err)
		}
		for _, o := range offers {
			out = append(out, screens.Choice{Value: o.Key(), Text: o.Value, More: o.Text, Group: e.TargetTitle})
		}
	}
	return out
}

func entitlementChoices(w *workflows.Workflow) []screens.Choice {
	var out []screens.Choice
	for i, e := range w.Entitlements {
		out = append(out, screens.Choice{Value: strconv.Itoa(i), Text: title(e.TargetTitle, e.Title), More: e.BusinessTask, Group: e.TargetTitle})
	}
	return out
}

// matching are the entries that hold every word that was typed, those that begin with it first.
func matching(list []screens.Choice, typed string) []screens.Choice {
	want := words(strings.ToLower(typed))
	var first, rest []screens.Choice
	for _, x := range list {
		text := strings.ToLower(x.Text)
		all := text + " " + strings.ToLower(x.More+" "+x.Value)
		if slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(all, w) }) {
			continue
		}
		if len(want) > 0 && strings.HasPrefix(text, want[0]) {
			first = append(first, x)
		} else {
			rest = append(rest, x)
		}
	}
	return append(first, rest...)
}
