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
func (l Locale) SecretGone(taken workflows.Stamp, why string) string {
	switch {
	case taken != 0:
		return l.Say("This secret was shown once already, at %s, and is gone. If that was not you, revoke the access now and tell security.", l.When(taken))
	case why != "":
		return l.Say("This secret was destroyed: %s. Give the access back and ask again.", Escape(l.Filled(why)))
	}
	return l.Of("No secret came with this access.")
}

// SecretLink tells the holder where the secret can be taken.
func (l Locale) SecretLink(what, link string, g workflows.GrantID) Message {
	take := code("countersign take " + string(g))
	if link == "" {
		text := l.Say("The secret of %s waits for you on the bot's host: %s. There is no page for it here.", Escape(what), take)
		return Message{Text: text, Blocks: []slackgo.Block{section(text)}}
	}
	text := l.Say("🔑 *The secret of %s*\n<%s|Open its page>: the link lives for five minutes. There you prove that you are you, and it is shown once.", Escape(what), link)
	return Message{Text: l.Say("Where to take the secret of %s", what), Blocks: []slackgo.Block{section(text), note(l.Say("The link alone opens nothing. On the bot's host: %s", take))}}
}

// SealedSecret gives the holder a secret that only their own key opens.
func (l Locale) SealedSecret(what, key, sealed string, g workflows.GrantID) Message {
	head := section(l.Say("🔑 *The secret of %s*, sealed to your key %s. Save it as %s and open it with %s.", Escape(what), code(key), code("secret.age"), code("age -d -i KEYFILE secret.age")))
	if utf8.RuneCountInString(sealed) > maxSection-20 {
		return Message{
			Text:   l.Say("Where to take the secret of %s", what),
			Blocks: []slackgo.Block{head, section(l.Say("It is too long for a message: %s on the bot's host.", code("countersign take "+string(g))))},
		}
	}
	return Message{Text: l.Say("The sealed secret of %s", what), Blocks: []slackgo.Block{head, pre(sealed)}}
}

// PageCode is the message with the code for a page that its reader opened. The notification on a locked phone shows no code.
func (l Locale) PageCode(code string) Message {
	m := Say(l.Say("Your code is *%s*. Type it on the page that you opened to see the secret of your access; it is good there for five minutes.", Escape(code)) + "\n" +
		l.Of("If you did not open such a page, tell security: somebody has your link. Give the code to nobody, also not to somebody from support."))
	m.Text = l.Of("Your code for the page that you opened")
	return m
}
