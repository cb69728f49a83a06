package screens_test

import (
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

func knownItem() screens.SheetItem {
	return screens.SheetItem{
		Number: 1, Title: "deploy", Name: "svc-deploy", Wrong: []string{"no_purpose"}, Changed: []string{"business_owner is *me*, was nothing", "data reach is all, was nothing"},
		Facts: []screens.SheetFact{
			{Name: "owner", Who: &maya},
			{Name: "backup", Value: "the group ops_team"},
			{Name: "for", Value: "*bold* _it_ ~no~ `x` <!channel> <@U0EVIL> nobody"},
			{Name: "may", Value: "owner"},
			{Name: "on", Value: "pg_main as an account that is not on record"},
			{Name: "secret", Value: "nobody knows where , made not known"},
			{Name: "made by", Value: "the target does not say"},
			{Name: "used last", Value: "not known"},
		},
	}
}

// What somebody typed about an identity can neither call anybody nor be read as markup on a sheet, and stands letter by letter (a backtick as an apostrophe).
func TestWhatASheetSaysIsNoMarkup(t *testing.T) {
	said := strings.Join(textsOf(t, screens.Sheet{Title: "x", Items: []screens.SheetItem{knownItem()}, Of: 1, Left: 1}.Render()), "\n")
	for _, want := range []string{
		"owner: <@U0MAYA> (Maya Chen)", "for: `*bold* _it_ ~no~ 'x' &lt;!channel&gt; &lt;@U0EVIL&gt; nobody`", "backup: the group `ops_team`", "on: `pg_main` as an account",
		"changed since: `business_owner` is `*me*`, was nothing", "⚠️ no purpose",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the sheet does not say %q:\n%s", want, said)
		}
	}
}

// Its names, what is missing and its findings are words of the reader's language; what was typed stays as it is.
func TestASheetSpeaksItsReadersLanguage(t *testing.T) {
	for lang, words := range map[string][]string{
		"de": {"Besitzer: <@U0MAYA>", "Vertretung: die Gruppe `ops_team`", "darf: owner", "auf: `pg_main` als ein nicht verzeichnetes Konto", "Geheimnis: niemand weiß, wo, angelegt: unbekannt", "angelegt von: das Ziel sagt es nicht", "zuletzt benutzt: unbekannt", "Datenreichweite ist all, war nichts", "⚠️ ohne Zweck"},
		"es": {"responsable: <@U0MAYA>", "puede: owner", "en: `pg_main` como una cuenta que no consta", "creado por: el destino no lo dice", "alcance de datos es all, era nada", "⚠️ sin finalidad"},
	} {
		said := strings.Join(textsOf(t, screens.Sheet{In: screens.Locale{Lang: lang}, Title: "x", Items: []screens.SheetItem{knownItem()}, Of: 1, Left: 1}.Render()), "\n")
		for _, want := range words {
			if !strings.Contains(said, want) {
				t.Errorf("%s: the sheet does not say %q:\n%s", lang, want, said)
			}
		}
	}
}

// What an identity is and how it stands are words of the reader's language for each kind and state that there is.
func TestASheetSaysKindsAndStatesInItsReadersLanguage(t *testing.T) {
	kinds := append(identities.MachineKinds(), identities.KindHuman, identities.KindContractor)
	states := []string{workflows.IdentityUnclaimed, workflows.IdentityActive, workflows.IdentitySuspended, workflows.IdentityRetired}
	for _, lang := range screens.Languages()[1:] {
		for i, kind := range kinds {
			state := states[i%len(states)]
			item := screens.SheetItem{Number: 1, Title: "x", Name: "svc", Facts: []screens.SheetFact{{Name: "is", Value: strings.ReplaceAll(kind, "_", " ") + ", " + state}}}
			said := strings.Join(textsOf(t, screens.Sheet{In: screens.Locale{Lang: lang}, Title: "y", Items: []screens.SheetItem{item}, Of: 1, Left: 1}.Render()), "\n")
			if strings.Contains(said, strings.ReplaceAll(kind, "_", " ")+",") || strings.Contains(said, state) {
				t.Errorf("%s: %s, %s is said in English:\n%s", lang, kind, state, said)
			}
		}
	}
	item := screens.SheetItem{Number: 1, Title: "x", Name: "svc", Changed: []string{"kind is ai_agent, was nothing"}, Facts: []screens.SheetFact{{Name: "is", Value: "ai agent, unclaimed"}}}
	said := strings.Join(textsOf(t, screens.Sheet{In: screens.Locale{Lang: "de"}, Title: "y", Items: []screens.SheetItem{item}, Of: 1, Left: 1}.Render()), "\n")
	if !strings.Contains(said, "KI-Agent, noch ohne Zuständige") || !strings.Contains(said, "ist KI-Agent, war nichts") {
		t.Errorf("the sheet says:\n%s", said)
	}
}

// Why nobody can tell whether access should go on is said in the reader's language, names as they are.
func TestDoubtsSpeakTheirReadersLanguage(t *testing.T) {
	de, es := screens.Locale{Lang: "de"}, screens.Locale{Lang: "es"}
	for _, c := range []struct{ got, want string }{
		{de.Filled("The directory of people does not answer."), "Das Personenverzeichnis antwortet nicht."},
		{de.Filled("The source of ticket OPS-12 does not answer."), "Die Quelle des Tickets OPS-12 antwortet nicht."},
		{de.Filled("The source of disk-encrypted does not answer."), "Die Quelle für disk-encrypted antwortet nicht."},
		{es.Filled("Nobody has said lately whether disk-encrypted holds."), "Nadie ha dicho últimamente si se cumple disk-encrypted."},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
