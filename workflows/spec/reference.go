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
	for _, f := range []struct {
		name, what string
		shape      shape
	}{
		{companyFile, "The bot itself.", companyShape()},
		{peopleFile, "Who there is.", peopleShape()},
		{rolesFile, "Who may do what with the bot.", rolesShape()},
		{identitiesFile, "Holders of access that are not people. The file may be absent.", identitiesShape()},
		{ledgerFile, "Where the ledger goes. The file may be absent.", ledgerShape()},
		{targetsDir + "/*.yaml", "One system a file.", targetShape()},
		{workflowsDir + "/*.yaml", "One chain a file.", workflowShape()},
		{runbooksDir + "/*.md", "One runbook a file: Markdown, with these keys between two lines of ---.", runbookShape()},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| key | | value | meaning |\n|---|---|---|---|\n", f.name, f.what)
		writeKeys(&b, "", f.shape)
	}
	return b.String()
}

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
