package identities

import (
	"fmt"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// IsProof tells whether a way of linking makes an account its person's although the people file does not name it.
func IsProof(how string) bool { return how == ByCode || how == BySCIM }

// LinksOf are the links of an account that a person's history has and nobody has ended, oldest first.
func LinksOf(h []workflows.Record, account workflows.ActorID) []Linked {
	var out []Linked
	for _, r := range h {
		switch e := r.Event.(type) {
		case Linked:
			if e.Account == account {
				out = append(out, e)
			}
		case Unlinked:
			if e.Account == account {
				out = nil
			}
		}
	}
	return out
}

func (s *PersonState) unlink(e Unlinked) error {
	kept := slices.DeleteFunc(slices.Clone(s.Links), func(l Linked) bool { return l.Account == e.Account })
	if len(kept) == len(s.Links) {
		return fmt.Errorf("person.unlinked from %q, which is not linked", e.Account)
	}
	s.Links = kept
	return nil
}

// Unlinking is somebody who says that an account belongs to a person no more.
type Unlinking struct {
	By      workflows.Acting
	May     bool // of security, an owner of Countersign, or the identity provider itself
	Person  workflows.PersonID
	Account workflows.ActorID
	How     string
	Why     string
	Authn   string
	Channel string
}

// Unlink ends the link of an account that was proved to be a person's. Nobody does it for an account of their own: two accounts that stop
// counting as one could decide what the other asked for (T07).
func Unlink(f workflows.Facts, u Unlinking) (workflows.Outcome, error) {
	stream := workflows.PersonStream(u.Person)
	links := LinksOf(f.Histories[stream], u.Account)
	proved := slices.IndexFunc(links, func(l Linked) bool { return IsProof(l.How) })
	var no *workflows.Refusal
	switch {
	case !u.May:
		no = workflows.Refuse(workflows.CodeNotEligible, "Security and owners of Countersign say that an account belongs to somebody no more.", "Ask them.")
	case u.By.Person != "" && u.By.Person == u.Person:
		no = workflows.Refuse(workflows.CodeNotYours, "Nobody unlinks an account of their own: the two could decide what the other asks for.", "Somebody else of security or an owner can.")
	case proved < 0:
		no = workflows.Refuse(workflows.CodeUnknown, "No link by code or by the identity provider holds this account.", "What people.yaml says is changed there.")
	case u.How == ByHand && strings.TrimSpace(u.Why) == "":
		no = workflows.Refuse(workflows.CodeReasonNeeded, "This needs a reason.", "")
	}
	if no != nil {
		return workflows.RefuseOn(workflows.SystemStream, u.By, "unlink", u.Channel, string(u.Account), no), nil
	}
	var out workflows.Outcome
	out.Add(stream, u.By, "", Unlinked{
		Account: u.Account, Medium: links[proved].Medium, How: u.How, Why: strings.TrimSpace(u.Why), Authn: u.Authn, Channel: u.Channel,
	})
	return out, nil
}
