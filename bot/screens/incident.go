package screens

import (
	"fmt"
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// Incident is an incident for its channel, its new commander or whoever asks.
type Incident struct {
	ID, Title string
	Severity  int
	Commander Person
	Executors []Person
	Scribes   []Person
	Since     workflows.Stamp
	Closed    workflows.Stamp // zero: it is open
	News      string          // what happened just now, as markup that is safe already; empty: somebody only asked
	In        Locale
}

// Render draws it.
func (i Incident) Render() Message {
	l := i.In
	head := l.Say("*%s* SEV-%d, open since %s: %s", label(i.ID), i.Severity, l.When(i.Since), Escape(i.Title))
	if i.Closed != 0 {
		head = l.Say("*%s* SEV-%d, closed %s: %s", label(i.ID), i.Severity, l.When(i.Closed), Escape(i.Title))
	}
	crew := l.Say("Commander %s", i.Commander.Mention())
	if i.Commander.Name == "" {
		crew = l.Say("Commander *nobody yet*: one of those who may command takes it over with `/incident handover %s @KEY SUMMARY`", i.ID)
	}
	if len(i.Executors) > 0 {
		crew += l.Say(", executors %s", mentions(i.Executors))
	}
	if len(i.Scribes) > 0 {
		crew += l.Say(", scribes %s", mentions(i.Scribes))
	}
	blocks := []slackgo.Block{section("🚨 " + head)}
	if i.News != "" {
		blocks = append(blocks, section(short(i.News, maxNotify)))
	}
	if i.Closed == 0 {
		crew += l.Say(". `/incident join %s executor` joins, `/incident close %s HOW` ends it and all that was granted for it.", i.ID, i.ID)
	}
	blocks = append(blocks, note(crew))
	return Message{Text: short(fmt.Sprintf("%s SEV-%d: %s", label(i.ID), i.Severity, Escape(i.Title)), maxNotify), Blocks: blocks}
}

func mentions(list []Person) string {
	out := make([]string, 0, len(list))
	for _, p := range list {
		out = append(out, p.Mention())
	}
	return strings.Join(out, ", ")
}

// IncidentHelp says what can be typed behind /incident.
func (l Locale) IncidentHelp() Message {
	text := strings.Join([]string{
		l.Of("*What you can type*"),
		l.Of("`/incident list` – the open ones; `/incident show INC-7`"),
		l.Of("`/incident open 2 what is wrong #channel` – open one of severity 2 (1 is the worst, 5 the mildest); you command it"),
		l.Of("`/incident join INC-7 executor` or `scribe` – take a role; the commander gives one to somebody with `@key` behind it"),
		l.Of("`/incident severity INC-7 1 why` – say how bad it is"),
		l.Of("`/incident handover INC-7 @key where it stands` – somebody else commands it"),
		l.Of("`/incident close INC-7 how it ended` – end it, and everything that was granted for it"),
	}, "\n")
	return Message{Text: l.Of("What you can type behind /incident"), Blocks: []slackgo.Block{section(text)}}
}
