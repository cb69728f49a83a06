package webhook

import (
	"cmp"

	"github.com/countersign-bot/countersign/runbooks"
)

// MakeSecret makes the password of a grant, where the target's settings say so. The receiver finds it in secret.password of every order that
// asks for the grant, beside the login name; it keeps a hash of it.
func (c *Connector) MakeSecret(g runbooks.Grant) (runbooks.Handover, error) {
	if !c.password {
		return runbooks.Handover{}, nil
	}
	return runbooks.Handover{Title: "Password of " + cmp.Or(g.Account, string(g.ID)) + " on " + string(g.Target), Parts: []runbooks.Part{
		{Name: "Login", Value: runbooks.NewSecret(cmp.Or(g.Account, string(g.ID))), Public: true},
		{Name: "Password", Value: runbooks.NewPassword()},
	}}, nil
}
