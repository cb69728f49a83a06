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
}

// Render draws it.
func (i Incident) Render() Message {
	state := "open since " + When(i.Since)
	if i.Closed != 0 {
		state = "closed " + When(i.Closed)
	}
	head := fmt.Sprintf("*%s* SEV-%d, %s: %s", label(i.ID), i.Severity, state, Escape(i.Title))
	commander := "*nobody yet*: one of those who may command takes it over with `/incident handover " + i.ID + " @KEY SUMMARY`"
	if i.Commander.Name != "" {
		commander = i.Commander.Mention()
	}
	crew := "Commander " + commander + mentions(", executors ", i.Executors) + mentions(", scribes ", i.Scribes)
	blocks := []slackgo.Block{section("🚨 " + head)}
	if i.News != "" {
		blocks = append(blocks, section(short(i.News, maxNotify)))
	}
	if i.Closed == 0 {
		crew += ". `/incident join " + i.ID + " executor` joins, `/incident close " + i.ID + " HOW` ends it and all that was granted for it."
	}
	blocks = append(blocks, note(crew))
	return Message{Text: short(fmt.Sprintf("%s SEV-%d: %s", label(i.ID), i.Severity, Escape(i.Title)), maxNotify), Blocks: blocks}
}

func mentions(before string, list []Person) string {
	var out []string
	for _, p := range list {
		out = append(out, p.Mention())
	}
	if len(out) == 0 {
		return ""
	}
	return before + strings.Join(out, ", ")
}

// IncidentHelp says what can be typed behind /incident.
func IncidentHelp() Message {
	text := strings.Join([]string{
		"*What you can type*",
		"`/incident list` – the open ones; `/incident show INC-7`",
		"`/incident open 2 what is wrong #channel` – open one of severity 2 (1 is the worst, 5 the mildest); you command it",
		"`/incident join INC-7 executor` or `scribe` – take a role; the commander gives one to somebody with `@key` behind it",
		"`/incident severity INC-7 1 why` – say how bad it is",
		"`/incident handover INC-7 @key where it stands` – somebody else commands it",
		"`/incident close INC-7 how it ended` – end it, and everything that was granted for it",
	}, "\n")
	return Message{Text: "What you can type behind /incident", Blocks: []slackgo.Block{section(text)}}
}
