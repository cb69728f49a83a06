package identities

import (
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// KindApp is something of somebody else's that works for the company: an installed app, an integration between two services.
const KindApp = "integration"

// Findings of apps and of what else a target hands out scopes to.
const (
	FindApp   = "app_incomplete" // an app without a vendor, its scopes or what data it reaches
	FindGrown = "scopes_grew"    // it may do more than when somebody looked at it last
)

// isApp tells whether the scopes of an entry are what somebody agreed to once, and its vendor may ask for more of: of these growth is watched.
func (e Entry) isApp() bool { return e.Class == KindApp || e.Class == "oauth_token" }

// isAppBare tells whether the record of an app lacks what a review of it needs (R88).
func (e Entry) isAppBare() bool {
	return e.Class == KindApp && (e.Vendor == "" || e.DataReach == "" || len(e.Scope) == 0)
}

// sees takes a new word about the identity into what reviewers know of its scopes: what it could do when it came, and what a request let it do since.
// Anything beyond waits for the next review.
func (s *IdentityState) sees(source string, says Entry) {
	switch {
	case len(s.Life.Scopes) == 0:
		s.Life.Scopes = slices.Clone(s.Entry().Scope)
	case strings.HasPrefix(source, workflows.KindRequest+"/"):
		s.Life.Scopes = append(slices.Clip(s.Life.Scopes), says.Scope...)
	}
}

// Grown is what an app may do that it could not when somebody looked at it last; empty for what is no app.
func (s IdentityState) Grown() []string {
	e := s.Entry()
	if !e.isApp() {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(e.Scope), func(x string) bool { return slices.Contains(s.Life.Scopes, x) })
}

// killItem is what closing the account of an identity means for its kind.
func (e Entry) killItem() string {
	switch e.Class {
	case KindApp:
		return "the app is uninstalled, and its target lists it no more"
	case "oauth_token", "api_key":
		return "the token is revoked, and refused when it is tried"
	case "ssh_key", "certificate":
		return "the key is taken from where it is believed, and refused when it is tried"
	}
	return "its account is closed, and refused when it is tried"
}

// Kill takes an app or a credential off at once: everything that it holds ends, and its target is asked to uninstall or to revoke it, and read back. Unlike
// other endings it wants a reason, which its vendor will ask for.
func Kill(f workflows.Facts, d Do, id workflows.IdentityID) (workflows.Outcome, error) {
	if len([]rune(strings.TrimSpace(d.Reason))) < MinPurpose {
		return d.on(f, id, d.Owns, func(IdentityState, *workflows.Outcome) *workflows.Refusal {
			return workflows.Refusef(workflows.CodeReasonNeeded, "", "Say why, in at least %d characters.", MinPurpose)
		})
	}
	return Retire(f, d, id)
}

// IsKilled tells whether an identity of a kind is one thing on its target that is uninstalled or revoked.
func IsKilled(kind string) bool {
	switch kind {
	case KindApp, "oauth_token", "api_key", "ssh_key", "certificate":
		return true
	}
	return false
}

// AccountOn is the name by which a target knows the identity. Of an app, a token or a key that is what the target itself says, whatever a file calls it.
func (s IdentityState) AccountOn(t workflows.TargetID) string {
	account, _, _ := s.Texts()
	for _, c := range s.Claims {
		if IsKilled(s.Entry().Class) && c.Source == DiscoverySource(t) && !c.Gone && c.Account != "" {
			return c.Account
		}
	}
	return account
}
