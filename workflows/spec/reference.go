package spec

import (
	"fmt"
	"strings"
)

// Reference is every key of every file as Markdown, for the manual and `countersign config -reference`. It is made from
// the tables that judge the files, so it cannot say anything else than they do.
func Reference() string {
	var b strings.Builder
	b.WriteString("# The configuration folder\n\nEvery file is YAML in UTF-8 with Unix line ends, at most 256 KiB. Anchors, aliases, merge keys, tags, tabs and second\n" +
		"documents are refused, and so is every key that is not in this list. Durations are one number from 1 to 9999 and m, h or\n" +
		"d: 30m, 4h, 2d.\n")
	for _, f := range fileKinds() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| key | | value | meaning |\n|---|---|---|---|\n", f.name, f.what)
		writeKeys(&b, "", f.shape)
	}
	b.WriteString(conditionsReference)
	return b.String()
}

// fileKind is one kind of file of the folder.
type fileKind struct {
	kind  string // what `countersign schema` calls it
	name  string // where it stands
	what  string
	shape shape
}

func fileKinds() []fileKind {
	return []fileKind{
		{"countersign", companyFile, "The bot itself.", companyShape()},
		{"people", peopleFile, "Who there is.", peopleShape()},
		{"roles", rolesFile, "Who may do what with the bot.", rolesShape()},
		{"identities", identitiesFile, "Holders of access that are not people. The file may be absent.", identitiesShape()},
		{"ledger", ledgerFile, "Where the ledger goes. The file may be absent.", ledgerShape()},
		{"calendars", calendarsFile, "Business hours, holidays and change freezes. The file may be absent.", calendarsShape()},
		{"rotations", rotationsFile, "Who is on shift. The file may be absent.", rotationsShape()},
		{"risk", riskFile, "The table of risks. The file may be absent.", riskShape()},
		{"conflicts", conflictsFile, "What nobody may hold together. The file may be absent.", conflictsShape()},
		{"watch", watchFile, "What is watched for in the ledger. The file may be absent: nothing is watched for then.", watchShape()},
		{"escalations", escalationsFile, "Who is told when something cannot wait, in what order and how. The file may be absent.", escalationsShape()},
		{"campaigns", campaignsFile, "Reviews of everything of a kind by those who answer for it. The file may be absent: none begins then.", campaignsShape()},
		{"target", targetsDir + "/*.yaml", "One system a file.", targetShape()},
		{"workflow", workflowsDir + "/*.yaml", "One chain a file.", workflowShape()},
		{"runbook", runbooksDir + "/*.md", "One runbook a file: Markdown, with these keys between two lines of ---.", runbookShape()},
		{"tests", testsDir + "/*.yaml", "Tests of the chains, played by `countersign simulate`. Story lines stand beside them in .txt files.", testsShape()},
	}
}

const conditionsReference = `
## Conditions

What stands under when is an expression of CEL that is true or false: ==, !=, <, <=, >, >=, &&, ||, !, in, a ? b : c, + and - of
times. Texts stand in double quotes, lists in brackets. Texts know startsWith, endsWith, contains and size. There are no loops,
no regular expressions and no clock but now. An expression has at most 500 characters.

| name | value |
|---|---|
| ` + "`requester.id`, `.groups`, `.zone`, `.manager`, `.kind`" + ` | who asks: id (only to compare with others), names of their groups, time zone, id of the manager, person |
| ` + "`subject.id`, `.kind`, `.owner`, `.environment`, `.self`" + ` | who is to hold the access: id, person or the kind of a non-human identity, its owner and environment, whether it is the requester |
| ` + "`target.id`, `.environment`, `.data_class`, `.owner`" + ` | the system |
| ` + "`entitlement.id`, `.action`, `.breadth`" + ` | what is asked for on it |
| ` + "`fields.NAME`" + ` | what the form says: text of a choice, ticket, target or identity; number, duration or moment. Free text is not seen. ` + "`has(fields.NAME)`" + ` when it may be empty |
| ` + "`duration`" + ` | for how long: ` + "`duration <= duration(\"4h\")`" + `, in the grammar of the files |
| ` + "`now`, `day`, `hour`" + ` | the moment: ` + "`now < timestamp(\"2027-01-01T00:00:00Z\")`" + `, "Monday", 0 to 23; on the clock of the calendar, or else the requester's |
| ` + "`business`, `freeze`" + ` | within the hours of the calendar; name of the change freeze in force, or "" |
| ` + "`tier`, `risk`" + ` | tier of the risk by its name, or by its place, 0 is the lowest |
| ` + "`severity`" + ` | answer of the choice field of that name |
| ` + "`channel`, `network`" + ` | slack, cli or api; label of the network. A rule that looks at the network only is refused: it can take away, never give |
| ` + "`renewals`" + ` | how often this access was extended before |

A condition that cannot be worked out refuses the ask; it never counts as no.
`

// writeKeys writes one row for each key and, below it, the keys inside.
func writeKeys(b *strings.Builder, prefix string, s shape) {
	for _, k := range s.keys {
		must := ""
		if k.need {
			must = "required"
		}
		fmt.Fprintf(b, "| `%s%s` | %s | %s | %s |\n", prefix, k.name, must, wanted(k.is), strings.ReplaceAll(k.what, "|", `\|`))
		switch {
		case k.is.kind == kindList && len(k.is.of.keys) > 0:
			writeKeys(b, prefix+k.name+"[].", *k.is.of)
		case len(k.is.keys) > 0:
			writeKeys(b, prefix+k.name+".", k.is)
		}
	}
}

// wanted is a shape in words.
func wanted(s shape) string {
	switch {
	case s.kind == kindList && s.one:
		return fmt.Sprintf("%s, or a list of up to %d", s.of.want, s.max)
	case s.kind == kindList && len(s.of.keys) > 0:
		return fmt.Sprintf("list, up to %d", s.max)
	case s.kind == kindList:
		return fmt.Sprintf("list, up to %d: %s", s.max, s.of.want)
	case s.kind == kindMap && s.keys == nil:
		return fmt.Sprintf("up to %d of %s: %s", s.max, s.names.want, s.of.want)
	}
	return s.want
}
