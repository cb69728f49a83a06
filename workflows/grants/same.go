package grants

import (
	"maps"
	"slices"
	"strings"
)

// isSame tells whether two grants of one stream give the very same access: an entitlement may take a word from the form, as
// "${fields.role}", and then it stands for as many memberships as there are words. Only the same one is shared.
func (e Approved) isSame(o Approved) bool {
	if !maps.EqualFunc(e.Params, o.Params, slices.Equal) {
		return true // the document was changed between them: what the target has cannot be told apart by their words
	}
	for _, values := range e.Params {
		for _, v := range values {
			name, ok := strings.CutPrefix(v, "${fields.")
			if name = strings.TrimSuffix(name, "}"); ok && e.Fields[name] != o.Fields[name] {
				return false
			}
		}
	}
	return true
}
