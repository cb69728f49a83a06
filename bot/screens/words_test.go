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
)

// spokenFiles are the sources whose sentences go through a catalogue.
var spokenFiles = []string{"*.go", "../*.go", "../../workflows/explain.go", "../../workflows/why.go"}

// refusingFiles are the sources of the refusals that somebody who decides can meet.
var refusingFiles = []string{
	"../../workflows/vote.go", "../../workflows/roster.go", "../../workflows/offer.go", "../../workflows/change.go", "../../workflows/workflow.go",
	"../press.go", "../find.go", "../flood.go", "../extend.go", "../linking.go", "../about.go", "../forms.go",
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

// sentences are all texts that the sources hand to a catalogue, and where.
func sentences(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{screens.AskFirst: "card.go", screens.AskAgain: "card.go", screens.AskEscalated: "card.go"}
	calls(t, spokenFiles, func(file string, call *ast.CallExpr, pkg, name string) {
		at := 0
		switch {
		case pkg == "screens": // screens.Say takes a finished text
			return
		case name == "recorded":
			at = 3
		case name == "said" && pkg == "":
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

// refusals are the sentences of refusals, likewise.
func refusals(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	calls(t, refusingFiles, func(file string, call *ast.CallExpr, _, name string) {
		if name != "Refuse" && name != "Refusef" && name != "bad" && name != "awayProblem" {
			return
		}
		for _, a := range call.Args {
			if s, ok := literal(a); ok && strings.Contains(s, " ") {
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
