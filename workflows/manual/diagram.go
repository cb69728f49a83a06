package manual

import (
	"fmt"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// Diagram draws the chain as a Mermaid flowchart: from asking, through the steps, to having the access.
func Diagram(w *workflows.Workflow) string {
	d := &drawing{w: w}
	d.line("flowchart TD")
	d.line(`  ask(["Somebody asks"])`)
	if len(w.Rules) == 0 {
		d.chain("s", "ask", "", w.Stages)
	} else {
		d.line(`  which{"Which rule fits?"}`)
		d.line(`  ask --> which`)
		for i, r := range w.Rules {
			d.rule(i, r)
		}
		if !slices.ContainsFunc(w.Rules, always) {
			d.arrow("which", "none of them", "no")
		}
	}
	d.line("  yes([%s])", text(outcome(w)))
	if d.no {
		d.line(`  no(["Denied or refused, with the reason"])`)
	}
	if d.late {
		d.line(`  late(["Timed out: ask again"])`)
	}
	return strings.TrimRight(d.b.String(), "\n")
}

// always tells whether a rule fits whatever is asked.
func always(r workflows.Rule) bool { return r.When == "" && r.UpTo == 0 }

func outcome(w *workflows.Workflow) string {
	switch w.Kind {
	case workflows.KindPreapprove:
		return "The text may be used in incidents for up to " + Span(w.Longest)
	case workflows.KindRoutine:
		return "The runbook is open to be carried out for up to " + Span(w.Longest)
	case workflows.KindWindow:
		return "The robot has its window for up to " + Span(w.Longest)
	}
	if w.Kind == workflows.KindException {
		return "The exception stands for up to " + Span(w.Longest) + ", while what makes up for it holds"
	}
	return "Access for up to " + Span(w.Longest) + ", then it is taken back"
}

type drawing struct {
	w        *workflows.Workflow
	b        strings.Builder
	no, late bool
}

func (d *drawing) line(format string, args ...any) { fmt.Fprintf(&d.b, format+"\n", args...) }

func (d *drawing) arrow(from, label, to string) {
	d.no, d.late = d.no || to == "no", d.late || to == "late"
	if label == "" {
		d.line("  %s --> %s", from, to)
		return
	}
	d.line("  %s -->|%s| %s", from, text(label), to)
}

// rule draws what becomes of an ask that a rule fits.
func (d *drawing) rule(i int, r workflows.Rule) {
	label := r.Name + ": " + Book{}.ruleWhen(d.w, r)
	switch {
	case r.Refuse != "":
		d.arrow("which", label, "no")
	case r.Auto != nil:
		d.arrow("which", label, "yes")
	default:
		stages := d.w.Stages
		if len(r.Stages) > 0 {
			stages = slices.DeleteFunc(slices.Clone(stages), func(s workflows.Stage) bool { return !slices.Contains(r.Stages, s.Name) })
		}
		d.chain(fmt.Sprintf("r%ds", i+1), "which", label, stages)
	}
}

// chain draws stages one after the other.
func (d *drawing) chain(prefix, from, label string, stages []workflows.Stage) {
	for i, st := range stages {
		node := fmt.Sprintf("%s%d", prefix, i+1)
		d.line("  %s[%s]", node, text(stageLabel(i, st)))
		d.arrow(from, label, node)
		from, label = node, "yes"
		d.arrow(node, "no", "no")
		if st.Kind == workflows.StageConsent {
			label = "no objection"
		} else {
			d.arrow(node, "nobody in "+Span(st.Timeout), "late")
		}
	}
	d.arrow(from, label, "yes")
}

func stageLabel(i int, st workflows.Stage) string {
	switch {
	case st.Kind == workflows.StageConsent:
		return fmt.Sprintf("%d. %s: told, %s to object", i+1, st.Name, Span(st.Timeout))
	case len(st.Parts) > 0:
		var parts []string
		for _, p := range st.Parts {
			parts = append(parts, fmt.Sprintf("%d %s", p.Quorum, p.Name))
		}
		word := " and "
		if st.AnyPart {
			word = " or "
		}
		return fmt.Sprintf("%d. %s: %s", i+1, st.Name, strings.Join(parts, word))
	}
	return fmt.Sprintf("%d. %s: %s", i+1, st.Name, count(st.Quorum, "approval"))
}

// text is a label in quotation marks. Everything that could end it, or that Mermaid or a browser would read as markup, is written as a number;
// so are the brackets and signs of its own grammar, which older versions look for even within quotation marks.
func text(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > maxLabel {
		s = string(r[:maxLabel-1]) + "…"
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case strings.ContainsRune("\"`#&<>{}[]()|;\\%*_~", r):
			fmt.Fprintf(&b, "#%d;", r)
		case r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029:
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return `"` + b.String() + `"`
}
