package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/manual"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// docsCommand writes the manual of all chains of a folder, for people who have never seen a configuration file.
func docsCommand(ctx context.Context, p proc) error {
	flags := p.flags("docs", "[DIR] [-out FILE|DIR]")
	out := flags.String("out", "", "a file for the whole manual, or a folder for one file per chain; default: standard output")
	words, err := p.parseMixed(flags, 0, 1)
	if err != nil {
		return err
	}
	dir, err := p.folderNamed(words)
	if err != nil {
		return err
	}
	policies, err := readPolicies(dir, p.copies(""))
	if err != nil {
		return err
	}
	book := manualOf(ctx, dir, policies)
	info, statErr := os.Stat(*out)
	switch {
	case *out == "":
		_, err = fmt.Fprint(p.out, book.Markdown())
	case statErr == nil && info.IsDir(), os.IsPathSeparator((*out)[len(*out)-1]):
		err = writeManualFolder(p, *out, book)
	default:
		err = os.WriteFile(*out, []byte(book.Markdown()), 0o644)
	}
	if err != nil {
		return fmt.Errorf("writing the manual: %w", err)
	}
	return nil
}

func writeManualFolder(p proc, dir string, book manual.Book) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "README.md"), []byte(book.Markdown()), 0o644); err != nil {
		return err
	}
	for _, c := range book.Chapters {
		if err := os.WriteFile(filepath.Join(dir, string(c.Workflow.ID)+".md"), []byte(book.File(c)), 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(p.err, "Wrote %s: README.md for all chains, and one file for each.\n", dir)
	return nil
}

// folderNamed is the configuration folder that the words name, or else the environment.
func (p proc) folderNamed(words []string) (string, error) {
	if len(words) > 0 && words[0] != "" {
		return words[0], nil
	}
	c, err := loadConfig(p.env)
	if err != nil {
		return "", err
	}
	if c.Config == "" {
		return "", hint(errors.New("no folder is named"), "name it, or set %s_CONFIG", prefix)
	}
	return c.Config, nil
}

// readPolicies compiles a folder without a ledger. People's ids are made of their keys; hashes of compiled chains are those of this folder alone,
// since a ledger has pseudonyms of its own.
func readPolicies(dir string, copies feedStore) (spec.Policies, error) {
	folder, err := readFolderFed(dir, copies)
	if err != nil {
		return spec.Policies{}, err
	}
	return folder.Compile(keyedPerson)
}

func keyedPerson(key string) workflows.PersonID { return workflows.PersonID("p_" + key) }

// nameOf gives the names of the people of a compiled folder.
func nameOf(p spec.Policies) manual.Names {
	names := make(map[workflows.PersonID]string, len(p.People))
	for _, x := range p.People {
		names[x.ID] = x.Name
	}
	return func(id workflows.PersonID) string {
		if n, ok := names[id]; ok {
			return n
		}
		return string(id)
	}
}

// manualOf gathers what the manual says of a folder.
func manualOf(ctx context.Context, dir string, p spec.Policies) manual.Book {
	b := manual.Book{
		Organisation: p.Settings.Organisation, Person: nameOf(p),
		Rotations: map[string][]workflows.PersonID{}, Calendars: map[string]*calendar.Business{},
	}
	for _, r := range p.Rotations {
		b.Rotations[r.Name] = r.People
	}
	for _, c := range p.Calendars {
		b.Calendars[c.Name] = c.Business
	}
	files := workflowFiles(dir)
	for _, w := range p.Workflows {
		c := manual.Chapter{Workflow: &w.Workflow, Source: w.SourceHash, File: files[w.SourceHash]}
		c.Changed = lastChange(ctx, dir, c.File)
		b.Chapters = append(b.Chapters, c)
	}
	for id, r := range p.Runbooks {
		b.Runbooks = append(b.Runbooks, manual.Runbook{Runbook: r.Runbook, Text: r.Raw, File: "runbooks/" + string(id) + ".md"})
	}
	sort.Slice(b.Chapters, func(i, j int) bool { return b.Chapters[i].Workflow.ID < b.Chapters[j].Workflow.ID })
	return b
}

// workflowFiles finds the file of each text by its digest: what was compiled is what was read, whatever the file is called.
func workflowFiles(dir string) map[workflows.DocHash]string {
	out := map[workflows.DocHash]string{}
	list, err := fs.Glob(os.DirFS(dir), "workflows/*.yaml")
	if err != nil {
		return out
	}
	for _, name := range list {
		if b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name))); err == nil {
			out[workflows.HashDocument(b)] = name
		}
	}
	return out
}

const docsPatience = 10 * time.Second // a manual without dates is better than none

// lastChange says who changed a file last, if the folder is kept in git and the file is as committed.
func lastChange(ctx context.Context, dir, file string) string {
	if file == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, docsPatience)
	defer cancel()
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	line, err := git("log", "-1", "--date=short", "--format=on %ad by %an (commit %h)", "--", file)
	if err != nil || line == "" {
		return ""
	}
	if changed, err := git("status", "--porcelain", "--", file); err != nil || changed != "" {
		return line + ", and since then without being committed"
	}
	return line
}
