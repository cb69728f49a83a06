package screens_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/workflows/escalations"
)

// spokenFiles are the sources whose sentences go through a catalogue.
var spokenFiles = []string{"*.go", "../*.go", "../../cmd/countersign/*.go", "../../workflows/explain.go", "../../workflows/why.go", "../../workflows/targets/words.go", "../../workflows/manual/manual.go", "../../workflows/manual/words.go", "../../workflows/manual/details.go", "../../workflows/manual/condition.go"}

// refusingFiles are the sources of the refusals that somebody can meet in the chat, and of the conditions of a runbook. What only the command line
// says (the inventory's life, codes, sessions, the two owners who erase or disclose) is English, like the rest of it.
var refusingFiles = []string{
	"../*.go", "../../workflows/*.go", "../../workflows/incidents/*.go", "../../workflows/runs/*.go", "../../workflows/reviews/*.go",
	"../../workflows/campaigns/*.go", "../../workflows/escalations/*.go", "../../workflows/grants/*.go",
	"../../workflows/identities/quarantine.go", "../../workflows/identities/unlink.go", "../../workflows/identities/person.go", "../../workflows/identities/inventory.go",
	"../../workflows/desk/routine.go", "../../workflows/desk/proposal.go", "../../workflows/desk/submit.go", "../../workflows/desk/invoke.go",
	"../../workflows/desk/instead.go", "../../workflows/desk/incident.go", "../../workflows/desk/killswitch.go", "../../workflows/desk/leak.go", "../../workflows/desk/drills.go",
}

// words is a catalogue as it lies in its file.
type wordsFile struct {
	Words    map[string]string `json:"words"`
	Refusals map[string]string `json:"refusals"`
}

func wordsOf(t *testing.T, lang string) wordsFile {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("words", lang+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var w wordsFile
	if err := json.Unmarshal(raw, &w); err != nil {
		t.Fatalf("%s: %v", lang, err)
	}
	return w
}

// calls walks the calls of files that match the globs; tests are left out.
func calls(t *testing.T, globs []string, f func(file string, call *ast.CallExpr, pkg, name string)) {
	t.Helper()
	for _, g := range globs {
		files, err := filepath.Glob(g)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %d files", g, err, len(files))
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(tree, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				switch fun := call.Fun.(type) {
				case *ast.Ident:
					f(file, call, "", fun.Name)
				case *ast.SelectorExpr:
					pkg := "."
					if x, ok := fun.X.(*ast.Ident); ok {
						pkg = x.Name
					}
					f(file, call, pkg, fun.Sel.Name)
				}
				return true
			})
		}
	}
}

func literal(e ast.Expr) (string, bool) {
	switch x := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(x.Value)
		return s, err == nil && x.Kind == token.STRING
	case *ast.BinaryExpr:
		a, ok := literal(x.X)
		b, also := literal(x.Y)
		return a + b, ok && also
	}
	return "", false
}

// spelled is a literal, or what is put together of literals and others: these become %s.
func spelled(e ast.Expr) (string, bool) {
	if s, ok := literal(e); ok {
		return s, true
	}
	if x, ok := e.(*ast.BinaryExpr); ok {
		a, first := spelled(x.X)
		b, second := spelled(x.Y)
		if !first {
			a = "%s"
		}
		if !second {
			b = "%s"
		}
		return a + b, first || second
	}
	return "", false
}

// sentences are all texts that the sources hand to a catalogue, and where.
func sentences(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{screens.AskFirst: "card.go", screens.AskAgain: "card.go", screens.AskEscalated: "card.go"}
	for _, kind := range []string{escalations.KindBreakGlass, escalations.KindLeak, escalations.KindRevocation, escalations.KindDrill, escalations.KindHandover} {
		m := escalations.Plan{}.Says(kind)
		out[m.Subject], out[m.Text] = "escalations", "escalations"
	}
	for name := range factNames(t) { // labels of what a reviewer looks at
		out[name+": %s"] = sheetFacts
	}
	each(t, "../../workflows/manual/condition.go", func(n ast.Node) { // phrases: a shape, its words, what is filled in
		if row, ok := n.(*ast.CompositeLit); ok && row.Type == nil && len(row.Elts) == 3 {
			if s, ok := literal(row.Elts[1]); ok {
				out[s] = "manual/condition.go"
			}
		}
	})
	calls(t, spokenFiles, func(file string, call *ast.CallExpr, pkg, name string) {
		at := 0
		switch {
		case name == "Sentencef":
		case strings.Contains(file, "cmd/countersign/"):
			if name != "say" || pkg != "" || !strings.HasSuffix(file, "runbook_watch.go") { // there, say makes sentences; elsewhere it prints
				return
			}
			at = 1
		case pkg == "screens": // screens.Say takes a finished text
			return
		case name == "count" && len(call.Args) > 2:
			for _, a := range call.Args[1:3] {
				if s, ok := literal(a); ok {
					out[s] = file
				}
			}
			return
		case name == "recorded":
			at = 3
		case name == "said" && pkg == "":
		case name == "say" && strings.Contains(file, "/manual/"):
		case pkg != "" && slices.Contains([]string{"Say", "Of", "say", "headline"}, name):
		default:
			return
		}
		if at < len(call.Args) {
			if s, ok := literal(call.Args[at]); ok {
				out[s] = file
			}
		}
	})
	return out
}

// sheetFacts is where the evidence of a campaign's items is put together.
const sheetFacts = "../../workflows/desk/campaign_items.go"

// factNames are the names of the facts there.
func factNames(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	each(t, sheetFacts, func(n ast.Node) {
		var name ast.Expr
		switch x := n.(type) {
		case *ast.CallExpr:
			if fun, ok := x.Fun.(*ast.SelectorExpr); ok && (fun.Sel.Name == "add" || fun.Sel.Name == "person") && len(x.Args) == 2 {
				name = x.Args[0]
			}
		case *ast.KeyValueExpr:
			if key, ok := x.Key.(*ast.Ident); ok && key.Name == "Name" {
				name = x.Value
			}
		}
		if s, ok := literal(name); ok {
			out[s] = true
		}
	})
	if len(out) < 20 {
		t.Fatalf("only %d names of facts were found: the test does not look where they are", len(out))
	}
	return out
}

// codes are the constants of a file whose names begin so, as people read them.
func codes(t *testing.T, file, prefix string) []string {
	t.Helper()
	var out []string
	each(t, file, func(n ast.Node) {
		v, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(v.Names[0].Name, prefix) || len(v.Values) != 1 {
			return
		}
		if s, ok := literal(v.Values[0]); ok {
			out = append(out, strings.ReplaceAll(s, "_", " "))
		}
	})
	if len(out) < 8 {
		t.Fatalf("only %d constants of %s begin with %q", len(out), file, prefix)
	}
	return out
}

// reasons are the sentences that a file gives as a fact's Why.
func reasons(t *testing.T, file string) []string {
	t.Helper()
	var out []string
	keep := func(e ast.Expr) {
		if s, ok := spelled(e); ok && strings.HasSuffix(s, ".") {
			out = append(out, s)
		}
	}
	each(t, file, func(n ast.Node) {
		switch x := n.(type) {
		case *ast.KeyValueExpr:
			if key, ok := x.Key.(*ast.Ident); ok && key.Name == "Why" {
				keep(x.Value)
			}
		case *ast.AssignStmt:
			for i, to := range x.Lhs {
				if field, ok := to.(*ast.SelectorExpr); ok && field.Sel.Name == "Why" && i < len(x.Rhs) {
					keep(x.Rhs[i])
				}
			}
		}
	})
	if len(out) < 8 {
		t.Fatalf("only %d reasons were found in %s", len(out), file)
	}
	return out
}

// changedFields are the names of what can change of an identity.
func changedFields(t *testing.T, file string) []string {
	t.Helper()
	var out []string
	each(t, file, func(n ast.Node) {
		switch x := n.(type) {
		case *ast.CallExpr:
			if fun, ok := x.Fun.(*ast.Ident); ok && (fun.Name == "word" || fun.Name == "fact") {
				if s, ok := literal(x.Args[0]); ok {
					out = append(out, strings.ReplaceAll(s, "_", " "))
				}
			}
		case *ast.KeyValueExpr:
			if key, ok := x.Key.(*ast.Ident); ok && key.Name == "name" {
				if s, ok := literal(x.Value); ok {
					out = append(out, strings.ReplaceAll(s, "_", " "))
				}
			}
		}
	})
	if len(out) < 20 {
		t.Fatalf("only %d fields were found in %s", len(out), file)
	}
	return out
}

// each walks a file.
func each(t *testing.T, file string, f func(ast.Node)) {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		f(n)
		return true
	})
}

// refusals are the sentences of refusals, likewise.
func refusals(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, s := range []string{"not begun", "step %d of %d", "step %d of %d, round %d"} { // where an escalation stands, put together of these
		out[s] = "../../workflows/escalations/state.go"
	}
	for file, list := range map[string][]string{
		"row.go":       append(codes(t, "../../workflows/identities/row.go", "Find"), "unexplained"),
		"exception.go": codes(t, "../../workflows/exception.go", "Control"),
		"facts.go":     reasons(t, "../../workflows/desk/facts.go"),
		"entry.go":     changedFields(t, "../../workflows/identities/entry.go"),
	} {
		for _, s := range list {
			out[s] = file
		}
	}
	calls(t, refusingFiles, func(file string, call *ast.CallExpr, _, name string) {
		if !slices.Contains([]string{"Refuse", "Refusef", "bad", "awayProblem"}, name) && (name != "say" && name != "Sprintf" || !strings.HasSuffix(file, "incidents/conditions.go")) {
			return
		}
		for _, a := range call.Args {
			if f, ok := a.(*ast.CallExpr); ok && len(f.Args) > 0 { // fmt.Sprintf
				a = f.Args[0]
			}
			if s, ok := spelled(a); ok && strings.Contains(s, " ") && (strings.HasSuffix(s, ".") || strings.Contains(s, ". ")) {
				out[s] = file
			}
		}
	})
	return out
}

var verb = regexp.MustCompile(`%(?:\[(\d+)\])?([sdq])`)

// filled are the verbs of a format by the argument that they take.
func filled(format string) map[int]string {
	out, next := map[int]string{}, 1
	for _, m := range verb.FindAllStringSubmatch(format, -1) {
		n := next
		if m[1] != "" {
			n, _ = strconv.Atoi(m[1])
		}
		out[n], next = m[2], n+1
	}
	return out
}

// TestWordsAreWhole holds the catalogues against the sources: no sentence is missing, none is left over, and a translation fills in what the
// English one fills in.
func TestWordsAreWhole(t *testing.T) {
	for _, lang := range screens.Languages()[1:] {
		have := wordsOf(t, lang)
		for what, pair := range map[string]struct{ want, have map[string]string }{
			"words": {sentences(t), have.Words}, "refusals": {refusals(t), have.Refusals},
		} {
			if len(pair.want) < 40 {
				t.Fatalf("only %d sentences were found: the test does not look where they are", len(pair.want))
			}
			for _, s := range slices.Sorted(maps.Keys(pair.want)) {
				if pair.have[s] == "" {
					t.Errorf("%s.json, %s: nothing for %q of %s", lang, what, s, pair.want[s])
				}
			}
			for _, s := range slices.Sorted(maps.Keys(pair.have)) {
				if pair.want[s] == "" {
					t.Errorf("%s.json, %s: no source says %q any more", lang, what, s)
				}
				if !maps.Equal(filled(s), filled(pair.have[s])) {
					t.Errorf("%s.json, %s: %q fills in %v, %q %v", lang, what, s, filled(s), pair.have[s], filled(pair.have[s]))
				}
				if strings.Count(s, "*")%2 != strings.Count(pair.have[s], "*")%2 || strings.Count(s, "`") != strings.Count(pair.have[s], "`") {
					t.Errorf("%s.json, %s: %q has other markup than %q", lang, what, pair.have[s], s)
				}
			}
		}
	}
}
