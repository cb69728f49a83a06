package grants

import (
	"slices"

	"github.com/countersign-bot/countersign/workflows"
)

// CameFor tells whether the access is, or was, for who holds the private half of a key with that fingerprint. What was never made was for nobody.
func (h Hold) CameFor(print string) bool {
	return print != "" && h.Status != StatusFailed && slices.Contains(h.keyPrints(), print)
}

func (h Hold) keyPrints() (out []string) {
	for _, v := range h.Approved.Fields {
		if print := workflows.KeyPrint(v); print != "" {
			out = append(out, print)
		}
	}
	return out
}

// keyListings are the lists by which a public key leads to the access that was made for it, also after its end: a key is one identity's for good.
func (s State) keyListings() []workflows.Listing {
	var out []workflows.Listing
	for _, h := range s.Holds {
		if h.Status == StatusFailed {
			continue
		}
		for _, print := range h.keyPrints() {
			if !slices.ContainsFunc(out, func(l workflows.Listing) bool { return l.Member == print }) {
				out = append(out, workflows.Listing{List: workflows.ListKey, Member: print, Sort: int64(h.At.UTC)})
			}
		}
	}
	return out
}
