package workflows

import "strings"

// How whoever acts proved who they are. Every decision records it.
const (
	AuthnClick = "slack-click"   // a click in the chat proves the chat's account, and nothing more
	AuthnHost  = "unix-peer"     // the kernel of the bot's host said which user called
	AuthnLogin = "oidc"          // a login at the company's identity provider, minutes ago
	AuthnCode  = "one-time-code" // of the sheet that was printed for this person
	AuthnOffer = "counter-offer" // the approval that lies in an accepted counter-offer: as the offer was, which stands behind a slash where it proves more than a click
)

// StepsUp tells whether this proves more than a click, as tiers of risk with StepUp want of everybody who approves. What is not known here
// does not.
func StepsUp(authn string) bool {
	switch strings.TrimPrefix(authn, AuthnOffer+"/") {
	case AuthnHost, AuthnLogin, AuthnCode:
		return true
	}
	return false
}

// offered is how the approval was authenticated that lies in an offer.
func offered(authn string) string {
	if StepsUp(authn) {
		return AuthnOffer + "/" + authn
	}
	return AuthnOffer
}

// lacksStepUp tells whether an approval is less than the risk of the request wants.
func (s *State) lacksStepUp(v Verdict, authn string) bool {
	return s.Asked.StepUp && v == Approve && !StepsUp(authn)
}

// refuseClick says what to do instead of a click.
func (s *State) refuseClick() *Refusal {
	return Refusef(CodeStepUp, "Approve on the page of this request after logging in there, or on the bot's host: countersign approve "+string(s.ID)+".",
		"The risk of this is %s, so a click is not enough to approve it.", s.Asked.Risk)
}
