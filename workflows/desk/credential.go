package desk

import (
	"github.com/countersign-bot/countersign/workflows"
)

// heldCredential is a credential in a field of a form.
type heldCredential struct{ field, kind string }

// credentials finds the texts of a form that hold what looks like a credential (R87). Choices come from the document and are not looked at.
func credentials(w *workflows.Workflow, f workflows.Form) []heldCredential {
	var out []heldCredential
	for _, x := range w.Fields {
		if x.Type == workflows.FieldChoice {
			continue
		}
		if _, kind := workflows.WithoutCredentials(f.Values[x.Name]); kind != "" {
			out = append(out, heldCredential{x.Name, kind})
		}
	}
	if _, kind := workflows.WithoutCredentials(f.Reason); kind != "" {
		out = append(out, heldCredential{workflows.FormReason, kind})
	}
	return out
}

// cleaned is a reason without credentials. A denial, a revocation and a broken glass are not held up by what somebody pasted into them.
func cleaned(text string) string {
	clean, _ := workflows.WithoutCredentials(text)
	return clean
}
