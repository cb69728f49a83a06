package screens

import (
	"unicode/utf8"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// ActSecret is the button that says where to take the secret of an access.
const ActSecret = "grant.secret"

// SecretNote is what a card says of a secret: nothing of it.
type SecretNote struct {
	Waits  bool
	Key    string // fingerprint of the holder's key that it is sealed to; empty: it is shown once
	Until  workflows.Stamp
	Taken  workflows.Stamp // zero: nobody took it
	Gone   string          // why it was destroyed
	Button string          // value; empty: no button
}

func (n SecretNote) blocks(l Locale) []slackgo.Block {
	switch {
	case n.Taken != 0:
		return []slackgo.Block{note(l.Say("🔑 Its secret was shown once, at %s, and is gone. If that was not you, revoke the access and tell security now.", l.When(n.Taken)))}
	case n.Gone != "":
		return []slackgo.Block{note(l.Say("🔑 Its secret was destroyed: %s.", Escape(n.Gone)))}
	case !n.Waits:
		return nil
	}
	text := l.Say("🔑 *A secret came with it.* It is shown to you once, when you prove who you are, until %s.", l.When(n.Until))
	if n.Key != "" {
		text = l.Say("🔑 *A secret came with it*, sealed to your key %s.", code(n.Key))
	}
	return []slackgo.Block{section(text)}
}

func (l Locale) secretButton(value string) slackgo.BlockElement {
	return button(ActSecret, value, l.Of("Get the secret"), l.Of("Say where to take the secret that came with this access"))
}

// SecretGone says why there is nothing to take.
func SecretGone(taken workflows.Stamp, why string) string {
	switch {
	case taken != 0:
		return "This secret was shown once already, at " + When(taken) + ", and is gone. If that was not you, revoke the access now and tell security."
	case why != "":
		return "This secret was destroyed: " + Escape(why) + ". Give the access back and ask again."
	}
	return "No secret came with this access."
}

// SecretLink tells the holder where the secret can be taken.
func SecretLink(what, link string, g workflows.GrantID) Message {
	if link == "" {
		text := "The secret of " + Escape(what) + " waits for you on the bot's host: " + code("countersign take "+string(g)) + ". There is no page for it here."
		return Message{Text: text, Blocks: []slackgo.Block{section(text)}}
	}
	text := "🔑 *The secret of " + Escape(what) + "*\n<" + link + "|Open its page>: the link lives for five minutes. There you prove that you are you, and it is shown once."
	return Message{Text: "Where to take the secret of " + what, Blocks: []slackgo.Block{section(text), note("The link alone opens nothing. On the bot's host: " + code("countersign take "+string(g)))}}
}

// SealedSecret gives the holder a secret that only their own key opens.
func SealedSecret(what, key, sealed string, g workflows.GrantID) Message {
	head := section("🔑 *The secret of " + Escape(what) + "*, sealed to your key " + code(key) + ". Save it as " + code("secret.age") + " and open it with " + code("age -d -i KEYFILE secret.age") + ".")
	if utf8.RuneCountInString(sealed) > maxSection-20 {
		return Message{Text: "Where to take the secret of " + what, Blocks: []slackgo.Block{head, section("It is too long for a message: " + code("countersign take "+string(g)) + " on the bot's host.")}}
	}
	return Message{Text: "The sealed secret of " + what, Blocks: []slackgo.Block{head, pre(sealed)}}
}
