package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows/incidents"
)

const incidentUsage = "open SEVERITY TITLE | join ID ROLE [KEY] | severity ID N WHY | handover ID KEY SUMMARY | close ID WHY | list [-all] | show ID"

// incidentCommand runs an incident from the bot's host, with or without Slack.
func incidentCommand(ctx context.Context, p proc) error {
	x := newPerson(p, "incident", incidentUsage+"\nSEVERITY is 1 (worst) to 5; ROLE is executor or scribe; KEY is a key or e-mail address of the people file.")
	all := x.flags.Bool("all", false, "with list: closed ones, too")
	id := x.flags.String("id", "", "with open: its name, such as INC-7; default: the next number")
	room := x.flags.String("channel", "", "with open: the channel that is told, such as #incidents; default: the one of alarms")
	words, err := x.parse(1, maxIncidentWords)
	if err != nil {
		return err
	}
	o, err := incidentOrder(words)
	if err != nil {
		return err
	}
	switch o.Incident.Act {
	case incidents.ActOpen:
		o.ID, o.Incident.Room = *id, *room
	case actList:
		o.Incident.All = *all
	}
	return x.doData(ctx, o)
}

// incidentOrder reads the words behind countersign incident.
func incidentOrder(words []string) (order, error) {
	verb, rest := words[0], words[1:]
	at := func(i int) string {
		if i < len(rest) {
			return rest[i]
		}
		return ""
	}
	tail := func(i int) string { return strings.Join(rest[min(i, len(rest)):], " ") }
	in := &incidentOrderPart{Act: verb}
	o := order{Do: doIncident, Incident: in, ID: at(0)}
	var err error
	need := 1
	switch verb {
	case incidents.ActOpen:
		need, o.ID, o.Reason = 2, "", tail(1)
		in.Severity, err = severityWord(at(0))
	case incidents.ActJoin:
		need, in.Role, in.Person = 2, at(1), at(2)
		if len(rest) > 3 {
			return o, usageError{strconv.Quote(rest[3]) + " is too much"}
		}
	case incidents.ActSeverity:
		need, o.Reason = 3, tail(2)
		in.Severity, err = severityWord(at(1))
	case incidents.ActHandOver:
		need, in.Person, o.Reason = 3, at(1), tail(2)
	case incidents.ActClose:
		need, o.Reason = 2, tail(1)
	case actShow:
	case actList:
		need = 0
	default:
		return o, usageError{"there is no incident " + printable(verb) + ": open, join, severity, handover, close, list, show"}
	}
	if len(rest) < need {
		for how := range strings.SplitSeq(incidentUsage, " | ") {
			if strings.HasPrefix(how, verb+" ") {
				return o, usageError{"something is missing, of countersign incident " + how}
			}
		}
	}
	return o, err
}

// severityWord reads "2", "SEV2" or "sev-2".
func severityWord(w string) (int, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(strings.TrimPrefix(strings.ToUpper(w), "SEV"), "-"))
	if err != nil || n < 1 || n > 5 {
		return 0, usageError{strconv.Quote(w) + " is no severity: want 1 (the worst) to 5"}
	}
	return n, nil
}
