package runbooks_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/runbooks"
)

const listed = `---
id: x
title: "a --- b"
---
# The title

Prose with *emphasis*.

## Before

1. Not a step: there is a heading for them.

## Steps

Some words.

1. First **thing** with ` + "`code`" + ` and a [link](https://example.com/a).

   Its second paragraph
   goes on.

   ` + "```sh\n   run <this> && that\n     indented\n   ```" + `
2. Second thing
   - with
   - parts
     1. nested

<!-- not shown -->

5. Third <b>thing</b> <https://example.com> ![picture](x.png)

## After

1. Not a step either.
`

func TestParseDocument(t *testing.T) {
	t.Parallel()
	d, err := runbooks.ParseDocument("x.md", []byte(listed))
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(listed))); string(d.Hash) != want {
		t.Errorf("hash %s, want %s", d.Hash, want)
	}
	if string(d.FrontMatter) != "id: x\ntitle: \"a --- b\"\n" || d.FrontLine != 2 || d.BodyLine != 5 || d.Title != "The title" {
		t.Errorf("front matter %q on line %d, body on %d, title %q", d.FrontMatter, d.FrontLine, d.BodyLine, d.Title)
	}
	steps := []runbooks.Step{
		{1, "First thing with code and a link (https://example.com/a).", "First thing with code and a link (https://example.com/a).\n" +
			"Its second paragraph goes on.\n    run <this> && that\n      indented", 17},
		{2, "Second thing", "Second thing\n- with\n- parts\n  1. nested", 26},
		{3, "Third thing https://example.com picture", "Third thing https://example.com picture", 33},
	}
	if diff := cmp.Diff(steps, d.Steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	sections := []runbooks.Section{
		{"The title", 1, 5, "Prose with emphasis."},
		{"Before", 2, 9, "1. Not a step: there is a heading for them."},
		{"After", 2, 35, "1. Not a step either."},
	}
	got := append(d.Sections[:2:2], d.Sections[3])
	if diff := cmp.Diff(sections, got); diff != "" {
		t.Errorf("sections (-want +got):\n%s", diff)
	}
}

func TestParseDocumentFindsSteps(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		body string
		want []string
	}{
		"prose":                 {"# T\n\nwords\n\n- bullet\n", nil},
		"all lists":             {"1. a\n2. b\n\nwords\n\n1. c\n", []string{"a", "b", "c"}},
		"only under the word":   {"1. a\n\n## STEPS\n\n1. b\n", []string{"b"}},
		"headings":              {"## Step 1: look\n\n1. a\n2. b\n\n### Detail\n\nmore\n\n## Step 2\n\n## After\n\n1. c\n", []string{"Step 1: look", "Step 2"}},
		"stepping is no step":   {"## Stepping stones\n\n1. a\n", []string{"a"}},
		"inside a quote":        {"> 1. a\n", nil},
		"headings of level 3":   {"### Step one\nx\n### Step two\ny\n", []string{"Step one", "Step two"}},
		"windows line ends":     {"1. a\r\n2. b\r\n", []string{"a", "b"}},
		"no body":               {"", nil},
		"markup in a title":     {"## Step *1*: `x`\n", []string{"Step 1: x"}},
		"heading inside a list": {"1. # Step 9\n", []string{"Step 9"}},
	} {
		d, err := runbooks.ParseDocument("x.md", []byte("---\n---\n"+x.body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, s := range d.Steps {
			got = append(got, s.Title)
		}
		if diff := cmp.Diff(x.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	d, err := runbooks.ParseDocument("x.md", []byte("---\r\nid: x\r\n---\r\n## Step 1: look\r\n\r\n### Detail\r\n\r\nmore\r\n\r\n## After\r\n\r\nend\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if string(d.FrontMatter) != "id: x\r\n" || d.Steps[0].Text != "Step 1: look\nDetail\nmore" || d.Steps[0].Line != 4 || d.Sections[2].Line != 10 {
		t.Errorf("%+v", d)
	}
}

func TestParseDocumentRefuses(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct{ raw, words string }{
		"empty":           {"", "first line"},
		"no front matter": {"# Title\n", "first line"},
		"blank first":     {"\n---\n---\n", "first line"},
		"byte order mark": {"\ufeff---\n---\n", "first line"},
		"four dashes":     {"----\n---\n", "first line"},
		"no end":          {"---\nid: x\n", "no end"},
		"no end, dots":    {"---\nid: x\n...\n", "no end"},
		"indented end":    {"---\nid: x\n ---\n", "no end"},
		"not UTF-8":       {"---\n---\n\xff", "UTF-8"},
		"NUL":             {"---\n---\na\x00", "NUL"},
		"too long":        {"---\n---\n" + strings.Repeat("x\n", 40_000), "more than"},
		"long line":       {"---\n---\nx\n" + strings.Repeat("> ", 2000) + "\n", "x.md:4: the line has"},
		"many steps":      {"---\n---\n" + strings.Repeat("1. x\n", 201), "x.md:203: more than 200 steps"},
		"long step":       {"---\nid: x\n---\n\n1. " + strings.Repeat("long words\n   ", 300) + "\n", "x.md:5: step 1 has"},
		"empty step":      {"---\n---\n1. a\n2.\n", "step 2 has no words"},
	} {
		if _, err := runbooks.ParseDocument("x.md", []byte(x.raw)); err == nil || !strings.Contains(err.Error(), x.words) || !strings.HasPrefix(err.Error(), "x.md:") {
			t.Errorf("%s: %v, want %q", name, err, x.words)
		}
	}
}

// One changed byte is another document: approval is for exact bytes.
func TestDocumentHashIsOfExactBytes(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, raw := range []string{"---\n---\nx", "---\n---\nx\n", "---\r\n---\nx", "---\n---\r\nx", "---\n---\nx ", "---\n\n---\nx"} {
		d, err := runbooks.ParseDocument("x.md", []byte(raw))
		if err != nil || seen[string(d.Hash)] {
			t.Errorf("%q: %v, hash seen %v", raw, err, seen[string(d.Hash)])
		}
		seen[string(d.Hash)] = true
	}
}

func FuzzParseDocument(f *testing.F) {
	f.Add([]byte(listed))
	f.Add([]byte("---\n---\n## Step 1\n> 1. [a](b \"c\") <x> `y`\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := runbooks.ParseDocument("x.md", raw)
		if err != nil {
			return
		}
		if !bytes.Contains(raw, d.FrontMatter) {
			t.Fatal("the front matter is not from the file")
		}
		lines := bytes.Count(raw, []byte("\n")) + 1
		for i, s := range d.Steps {
			if s.Number != i+1 || s.Line < d.BodyLine || s.Line > lines || !strings.HasPrefix(s.Text, s.Title) {
				t.Fatalf("step %+v in %d lines", s, lines)
			}
		}
	})
}
