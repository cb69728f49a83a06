package bot_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/bot"
	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// tongues lets jonas read German and sofia Spanish; maya reads English.
func tongues(language string) func(*slacksim.Config, *desk.Policy, *world) {
	return func(c *slacksim.Config, p *desk.Policy, _ *world) {
		for i := range c.Users {
			switch c.Users[i].Name {
			case "jonas":
				c.Users[i].Locale = "de-DE"
			case "sofia":
				c.Users[i].Locale = "es-ES"
			}
		}
		p.Settings.Language = language
	}
}

func wantOut(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if strings.Contains(text, p) {
			t.Errorf("%q is in:\n%s", p, text)
		}
	}
}

// Everybody reads what is meant for them in their own language; a channel has many readers and one language.
func TestEverybodyReadsTheirOwnLanguage(t *testing.T) {
	w := start(t, tongues(""))
	w.ask("maya", "deploy hotfix now")
	card := w.card("access")
	wantIn(t, card.Visible(), "asks for", "Approve", "Why")

	german := w.dm("jonas")
	wantIn(t, german.Visible(), "bittet um", "für 1 Stunde", "Genehmigen", "Ablehnen…", "Warum", "Du bist in Stufe 1 von 2 (owner) gefragt, weil du bist: Besitzer des Ziels", "Besitzer", "hat in den letzten 90 Tagen sonst nichts beantragt")
	wantIn(t, german.Text, "Genehmigen? Maya Chen bittet um")
	wantOut(t, german.Visible(), "Approve", "Deny", "asks for", "Waiting for", "Owner", "Chain that binds")

	w.click("jonas", german, "request.deny")
	form, _ := w.sim.View("jonas")
	wantIn(t, form.Visible(), "Antrag ablehnen", "Wer beantragt hat, liest ihn.", "Grund")
	wantIn(t, w.home("jonas").Visible(), "Wartet auf dich", "Zu entscheiden bis", "Übertragen…", "Du hast keine offenen Anträge.", "Stand ")
	wantIn(t, w.home("sofia").Visible(), "Nada espera tu decisión.", "Tus solicitudes")
	wantIn(t, w.home("maya").Visible(), "Nothing waits for your decision.", "Your requests")

	w.click("sofia", card, "request.approve")
	wantIn(t, w.heard("sofia"), "No se hizo.", "No estás entre quienes deben decidir la etapa 1 (owner).", "La tarjeta dice quién puede.")
	w.click("maya", card, "request.approve")
	wantIn(t, w.heard("maya"), "Not done.", "You stand behind this request yourself")

	w.click("jonas", card, "request.approve")
	wantIn(t, w.heard("jonas"), "Aufgezeichnet: Du hast diesen Antrag genehmigt", "Wartet auf 1 weitere in Stufe 2 von 2 (security)")
	w.run()
	wantIn(t, w.dm("sofia").Visible(), "pide", "Aprobar", "Denegar…")
	w.click("sofia", w.card("access"), "request.approve")
	w.run()
	wantIn(t, w.dm("maya").Visible(), "Ready:", "Access is on")
	wantIn(t, w.dm("jonas").Visible(), "Genehmigt von", "Genehmigt um")
	wantOut(t, w.dm("jonas").Visible(), "Approved", "Access")
	wantIn(t, w.card("access").Visible(), "Approved by")
	w.command("jonas", "/access", "list")
	wantIn(t, w.heard("jonas"), "Wartet auf dich", "Nichts wartet auf deine Entscheidung.")
}

// The language of channels is the operator's choice, and nobody's own language changes because of it.
func TestChannelsSpeakTheLanguageOfTheWorkspace(t *testing.T) {
	w := start(t, tongues("es"))
	w.ask("maya", "deploy hotfix now")
	wantIn(t, w.card("access").Visible(), "pide", "Aprobar", "Faltan 1 en la etapa 1 de 2 (owner)")
	wantIn(t, w.dm("jonas").Visible(), "bittet um")
	w.click("jonas", w.card("access"), "request.approve")
	w.run()
	var thread string
	for _, m := range w.sim.Thread("access", w.card("access").TS) {
		thread += m.Visible()
	}
	wantIn(t, thread, "aprobó la etapa 1 a las")
	w.command("maya", "/access", "status "+string(w.newest("maya").State.ID))
	wantIn(t, w.home("maya").Visible(), "Your requests")
}

// A Slack that does not say who somebody is costs the decision nothing: the answer comes in the language of the workspace, without another wait.
func TestASilentSlackSpeaksTheLanguageOfTheWorkspace(t *testing.T) {
	w := start(t, tongues(""))
	w.ask("maya", "deploy hotfix now")
	card := w.card("access")
	w.identity.Forget(w.sim.UserID("jonas"))
	w.sim.Inject(slacksim.Fault{Kind: slacksim.FaultError, Match: "users.info", Count: -1, Code: "internal_error"})
	w.click("jonas", card, "request.approve")
	wantIn(t, w.heard("jonas"), "could not check who you are")
}

// Also what is not about a card: the emergency's commands, help, who somebody is, and what is refused there.
func TestCommandsAnswerInTheirReadersLanguage(t *testing.T) {
	w := start(t, tongues(""))
	for _, c := range []struct {
		who, command, text string
		in, out            []string
	}{
		{"jonas", "/breakglass", "", []string{"Runbooks für Vorfälle"}, []string{"Runbooks for incidents", "not ready", "ready:"}},
		{"sofia", "/breakglass", "", []string{"Runbooks para incidentes"}, []string{"Runbooks for incidents", "not ready"}},
		{"jonas", "/breakglass", "no-such-book INC-7", []string{"Nicht ausgeführt.", "Es gibt kein solches Runbook."}, []string{"There is no such"}},
		{"sofia", "/incident", "", []string{"Incidentes abiertos", "No hay ninguno abierto."}, []string{"Open incidents"}},
		{"jonas", "/incident", "what", []string{"Was du tippen kannst", "die offenen"}, []string{"What you can type"}},
		{"jonas", "/incident", "show INC-99", []string{"Es gibt hier keinen solchen Vorfall.", "zeigt die offenen"}, []string{"There is no"}},
		{"sofia", "/access", "help", []string{"Lo que puedes escribir", "cómo está el bot"}, []string{"What you can type", "how the bot is"}},
		{"jonas", "/access", "whoami", []string{"Du hier", "in der Personendatei", "Du kannst entscheiden"}, []string{"people file", "You can"}},
		{"jonas", "/access", "secret", []string{"Kein Geheimnis wartet auf dich."}, nil},
		{"sofia", "/access", "review", []string{"Ninguna revisión te espera."}, nil},
		{"jonas", "/access", "drift no-such-target", []string{"Es gibt kein solches Ziel, oder du darfst es nicht ansehen."}, nil},
		{"jonas", "/access", "leak-nothing", []string{"Was du tippen kannst"}, nil},
		{"jonas", "/access", "how bastion-shell", []string{"Wer entscheidet", "Wer fragen darf: ", "Die Frist ist ", "Niemand entscheidet über den eigenen Antrag", "Besitzer: "}, []string{"Who ", "times out", " hours", "one yes", "The "}},
		{"sofia", "/access", "how bastion-shell", []string{"Quién decide", "Quién puede pedirlo: ", "El plazo es ", "Nadie decide sobre su propia solicitud", "Responsable: "}, []string{"Who ", "times out", " hours", "one yes", "The "}},
		{"maya", "/access", "how bastion-shell", []string{"Who decides", "Who may ask: ", "the request times out"}, nil},
		{"maya", "/access", "whoami", []string{"You here", "You can decide"}, nil},
	} {
		before := len(w.sim.Ephemerals(c.who, "access"))
		w.command(c.who, c.command, c.text)
		for end := time.Now().Add(time.Minute); len(w.sim.Ephemerals(c.who, "access")) == before && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond) // what takes longer is answered after the acknowledgement
		}
		heard := w.heard(c.who)
		wantIn(t, heard, c.in...)
		wantOut(t, heard, c.out...)
	}
}

// How the bot is, and what is announced, are read in the reader's language, too; an error's own words stay as they are, and inert.
func TestHealthAndAlarmsAreSaidInTheReadersLanguage(t *testing.T) {
	w := start(t, func(c *slacksim.Config, p *desk.Policy, w *world) {
		tongues("es")(c, p, w)
		w.health = func(context.Context) []bot.Condition {
			return []bot.Condition{
				{Part: screens.Sentencef("messages and deadlines"), OK: true, Say: screens.Sentencef("nothing waits longer than it should")},
				{Part: screens.Sentencef("on-call feeds"), Say: screens.Sentencef("OLD OR BROKEN: %s", screens.Joined(
					"; ", screens.Sentencef("%s: the feed at %s was read %s ago", "rotation dba", "example.com", screens.Sentencef("less than a minute")), screens.Plain("<!channel> said 410")))},
			}
		}
	})
	for who, want := range map[string][]string{
		"jonas": {"Nachrichten und Fristen", "nichts wartet länger", "nicht in Ordnung", "ALT ODER DEFEKT: rotation dba: Die Quelle bei example.com wurde vor weniger als einer Minute gelesen; &lt;!channel&gt; said 410"},
		"sofia": {"mensajes y plazos", "nada espera más", "VIEJA O ROTA: rotation dba: la fuente en example.com se leyó hace menos de un minuto"},
		"maya":  {"messages and deadlines", "nothing waits longer", "OLD OR BROKEN: rotation dba: the feed at example.com was read less than a minute ago"},
	} {
		before := len(w.sim.Ephemerals(who, "access"))
		w.command(who, "/access", "health")
		for end := time.Now().Add(time.Minute); len(w.sim.Ephemerals(who, "access")) == before && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
		}
		heard := w.heard(who)
		wantIn(t, heard, want...)
		wantOut(t, heard, "<!channel>")
		if who != "maya" {
			wantOut(t, heard, "nothing waits", "OLD OR BROKEN", "ago")
		}
	}
	alarm := screens.Sentencef("Target %s cannot be opened. Nothing is granted there; what is due to end is tried again until it works. The log says why.", "<!here>")
	if _, err := w.bot.Announce(w.ctx, "#general", "⚠️ ", alarm); err != nil {
		t.Fatal(err)
	}
	list := w.sim.Messages("general")
	if got := list[len(list)-1]; !strings.Contains(got.Text, "No se puede abrir el destino &lt;!here&gt;.") {
		t.Errorf("a channel of a Spanish workspace reads %q", got.Text)
	}
	place, err := w.bot.Tell(w.ctx, w.people["jonas"], "", bot.DrillWords(desk.Drill{Path: "security"}))
	if err != nil {
		t.Fatal(err)
	}
	list = w.sim.DM(w.sim.UserID("jonas"))
	if got := list[len(list)-1]; got.Text != "Pfad security wurde nie geübt. Das macht `countersign escalations drill security`." {
		t.Errorf("jonas reads %q (%s)", got.Text, place)
	}
}
