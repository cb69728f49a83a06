package spec_test

import (
	"bytes"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/goccy/go-yaml"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/countersign-bot/countersign/workflows/library"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// schemas compiles the schema of every kind of file with an implementation of the standard that is not ours.
func schemas(t *testing.T) map[string]*jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	out := map[string]*jsonschema.Schema{}
	for _, k := range spec.SchemaKinds() {
		b, err := spec.JSONSchema(k)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource("mem:///"+k, doc); err != nil {
			t.Fatal(err)
		}
		s, err := c.Compile("mem:///" + k)
		if err != nil {
			t.Fatalf("the schema of %s: %v", k, err)
		}
		out[spec.SchemaFile(k)] = s
	}
	return out
}

// plain is the YAML of a file as an editor hands it to a schema, nil when it is none. Runbooks are cut to their front matter.
func plain(t *testing.T, name string, text []byte) any {
	t.Helper()
	if path.Ext(name) == ".md" {
		parts := bytes.SplitN(text, []byte("---\n"), 3)
		if len(parts) < 3 {
			return nil
		}
		text = parts[1]
	}
	b, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	return doc
}

// kindOf is the pattern of the reference that a file belongs to.
func kindOf(all map[string]*jsonschema.Schema, name string) string {
	for pattern := range all {
		if ok, err := path.Match(pattern, name); err == nil && ok {
			return pattern
		}
	}
	return ""
}

func TestSchemasTakeEveryGoodFile(t *testing.T) {
	t.Parallel()
	all := schemas(t)
	n := 0
	for folder, fsys := range map[string]fs.FS{"start": library.FS(), "company": library.Company(), "org": org(t)} {
		for name, f := range inMemory(t, fsys) {
			kind := kindOf(all, name)
			if kind == "" {
				continue
			}
			n++
			doc := plain(t, name, f.Data)
			if doc == nil {
				t.Errorf("%s/%s is no YAML", folder, name)
				continue
			}
			if err := all[kind].Validate(doc); err != nil {
				t.Errorf("%s/%s does not fit its schema: %v", folder, name, err)
			}
		}
	}
	if n < 50 {
		t.Errorf("%d files were tried, want 50 at least", n)
	}
}

// What the schema of one file can know, it knows: of the broken folders that the shapes refuse, nearly all are refused by the schemas as well. What
// hangs on other files, on conditions or on sums is found by Load only.
func TestSchemasRefuseWhatTheShapesRefuse(t *testing.T) {
	t.Parallel()
	all := schemas(t)
	names, err := filepath.Glob(filepath.Join(brokenDir, "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	var passed []string
	tried := 0
	for _, n := range names {
		a, err := txtar.ParseFile(n)
		if err != nil {
			t.Fatal(err)
		}
		if !shapeProblem(string(a.Files[len(a.Files)-1].Data)) {
			continue
		}
		tried++
		if !anyRefused(t, all, broken(t, a)) {
			passed = append(passed, strings.TrimSuffix(filepath.Base(n), ".txtar"))
		}
	}
	slices.Sort(passed)
	if tried < 130 || len(passed) > tried/5 {
		t.Errorf("%d of %d folders pass the schemas, want a fifth at most: %s", len(passed), tried, strings.Join(passed, " "))
	}
	t.Logf("%d of %d broken folders pass the schemas: %s", len(passed), tried, strings.Join(passed, " "))
}

// shapeProblem tells whether a folder was refused for something that one value of one file is.
func shapeProblem(want string) bool {
	for _, words := range []string{"unknown key", " is missing", ": want ", "has no value", "bad duration", "bad id", "bad date", "entries, at most", "longer than 3"} {
		if strings.Contains(want, words) {
			return true
		}
	}
	return false
}

func anyRefused(t *testing.T, all map[string]*jsonschema.Schema, files fstest.MapFS) bool {
	t.Helper()
	for name, f := range files {
		kind := kindOf(all, name)
		if kind == "" {
			continue
		}
		doc := plain(t, name, f.Data)
		if doc == nil || all[kind].Validate(doc) != nil {
			return true
		}
	}
	return false
}

func TestSchemasOfNoKind(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{
		"workflo": `there is no kind of file "workflo"; did you mean "workflow"?`,
		"":        `there is no kind of file ""`,
	} {
		if _, err := spec.JSONSchema(kind); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("kind %q: %v, want %s", kind, err, want)
		}
	}
	if spec.SchemaFile("workflow") != "workflows/*.yaml" || spec.SchemaFile("nothing") != "" {
		t.Error("kinds do not name their files")
	}
}

// Every key that the reference explains stands in the schema with the same words.
func TestSchemasExplainTheKeys(t *testing.T) {
	t.Parallel()
	b, err := spec.JSONSchema("workflow")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"description": "Id of the workflow; never reused for another purpose."`,
		`"description": "How many different people have to approve; of a consent: how many must have been told. Default 1."`,
		`"enum": [`, `"additionalProperties": false`, `"pattern": "^\\s*([1-9][0-9]{0,3}(m|h|d|wh))\\s*$"`,
	} {
		if !bytes.Contains(b, []byte(want)) {
			t.Errorf("the schema does not say %s", want)
		}
	}
}
