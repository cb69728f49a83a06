package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
	"github.com/countersign-bot/countersign/workflows/spec"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// simulateCommand plays policy tests and stories against a folder, or past requests against a new one. Nothing is decided and nobody is told.
func simulateCommand(ctx context.Context, p proc) error {
	flags := p.flags("simulate", "FILE|DIR [-in DIR] [-json]; or -history 90d [-data DIR] [-against NEWDIR] [-json]")
	in := flags.String("in", "", "folder whose chains the stories of FILE are about; default: the one that FILE is in, or COUNTERSIGN_CONFIG")
	history := flags.String("history", "", "play the requests of so many days or hours of a ledger again, such as 90d")
	against := flags.String("against", "", "with -history: the folder whose rules they are held against; default: COUNTERSIGN_CONFIG")
	data := flags.String("data", "", "with -history: data folder; default: COUNTERSIGN_DATA")
	asJSON := flags.Bool("json", false, "print what happened as JSON")
	words, err := p.parseMixed(flags, 0, 1)
	if err != nil {
		return err
	}
	if *history != "" {
		if len(words) > 0 {
			return usageError{fmt.Sprintf("%q is too much: -history plays a ledger", words[0])}
		}
		return p.simulateHistory(ctx, *history, *data, *against, *asJSON)
	}
	if len(words) == 0 {
		return usageError{"the file or folder to play is missing"}
	}
	list, err := playPath(ctx, p, words[0], *in)
	if err != nil {
		return err
	}
	return p.reportPlayed(list, *asJSON)
}

// playPath plays a folder with all its tests and stories, or one file.
func playPath(ctx context.Context, p proc, path, in string) ([]played, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, hint(fmt.Errorf("there is no file or folder %s", path), "countersign simulate DIR plays DIR/tests/*.yaml and DIR/tests/*.txt")
	}
	if info.IsDir() {
		policies, err := readPolicies(path, p.copies(""))
		if err != nil {
			return nil, err
		}
		return playFolder(ctx, policies)
	}
	if in == "" {
		in = folderOf(p, path)
	}
	if strings.HasSuffix(path, ".txt") {
		return playStoryFile(ctx, p, path, in)
	}
	policies, err := readPolicies(in, p.copies(""))
	if err != nil {
		return nil, err
	}
	name := "tests/" + filepath.Base(path)
	for _, f := range policies.Tests {
		if f.File == name {
			policies.Tests, policies.Stories = []spec.TestFile{f}, nil
			return playFolder(ctx, policies)
		}
	}
	return nil, hint(fmt.Errorf("%s is no file of policy tests of the folder %s", path, in), "policy tests stand in the folder's tests/*.yaml, stories in *.txt")
}

// folderOf guesses which folder a file belongs to: the one whose tests/ it stands in, or that of the environment.
func folderOf(p proc, path string) string {
	dir := filepath.Dir(filepath.Dir(filepath.Clean(path)))
	if _, err := os.Stat(filepath.Join(dir, "people.yaml")); err == nil {
		return dir
	}
	if c, err := loadConfig(p.env); err == nil && c.Config != "" {
		return c.Config
	}
	return ""
}

func playStoryFile(ctx context.Context, p proc, path, in string) ([]played, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	stories, err := readStories(path, text)
	if err != nil {
		return nil, err
	}
	var policies spec.Policies
	if in != "" {
		if policies, err = readPolicies(in, p.copies("")); err != nil {
			return nil, err
		}
	}
	return playStories(ctx, policies, stories), nil
}

func playStories(ctx context.Context, p spec.Policies, stories []storytest.Story) []played {
	var out []played
	for _, s := range stories {
		out = append(out, rehearseStory(ctx, p, s))
	}
	return out
}

// playFolder plays the tests and stories of a folder, in the order of their files.
func playFolder(ctx context.Context, p spec.Policies) ([]played, error) {
	var out []played
	for _, f := range p.Tests {
		for _, t := range f.Tests {
			out = append(out, rehearseTest(ctx, p, f.File, t))
		}
	}
	for _, f := range p.Stories {
		stories, err := readStories(f.File, f.Text)
		if err != nil {
			return nil, err
		}
		out = append(out, playStories(ctx, p, stories)...)
	}
	return out, nil
}

// playedInCheck plays the tests and stories of a folder that was found good.
func playedInCheck(ctx context.Context, p proc, folder *spec.Folder, quiet bool) error {
	policies, err := folder.Compile(keyedPerson)
	if err != nil {
		return err
	}
	list, err := playFolder(ctx, policies)
	if err != nil || len(list) == 0 {
		return err
	}
	w := p.out
	if quiet {
		w = p.err // what programs read is one object
	} else {
		fmt.Fprintln(w)
	}
	if failed := printPlayed(w, list, false); failed > 0 {
		return fmt.Errorf("%d of %d policy tests and stories did not come out as expected", failed, len(list))
	}
	return nil
}

// reportPlayed says what did not come out as expected, and how many did.
func (p proc) reportPlayed(list []played, asJSON bool) error {
	failed := printPlayed(p.out, list, asJSON)
	if asJSON {
		enc := json.NewEncoder(p.out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(map[string]any{"played": list, "failed": failed}); err != nil {
			return err
		}
	}
	switch {
	case len(list) == 0:
		return hint(errors.New("there is nothing to play"), "policy tests stand in tests/*.yaml, stories in tests/*.txt")
	case failed > 0:
		return fmt.Errorf("%d of %d did not come out as expected", failed, len(list))
	}
	return nil
}

func printPlayed(w io.Writer, list []played, quiet bool) (failed int) {
	for _, x := range list {
		if x.OK {
			continue
		}
		failed++
		if quiet {
			continue
		}
		fmt.Fprintf(w, "%s: %s\n", x.Where, printable(x.Name))
		for _, f := range x.Failures {
			fmt.Fprintf(w, "  %s\n", printable(f))
		}
	}
	if !quiet && failed == 0 && len(list) > 0 {
		fmt.Fprintf(w, "%s as expected.\n", came(len(list)))
	}
	return failed
}

func came(n int) string {
	if n == 1 {
		return "1 test or story came out"
	}
	return fmt.Sprintf("%d tests and stories came out", n)
}

// momentOf reads a date and time on the clock of a zone: "2026-11-22T03:00", "2026-11-22 03:00", a date alone for its beginning, or RFC 3339 with a
// zone of its own. A time that comes twice is the first of the two.
func momentOf(s string, zone *time.Location) (workflows.Stamp, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return workflows.StampOf(t), nil
	}
	day, clock, timed := strings.Cut(strings.Replace(s, " ", "T", 1), "T")
	if !timed {
		clock = "00:00"
	}
	d, err := calendar.ParseDate(day)
	if err != nil {
		return 0, fmt.Errorf("%q is no time such as 2026-11-22T03:00", s)
	}
	c, err := calendar.ParseClock(clock)
	if err != nil {
		return 0, fmt.Errorf("%q is no time such as 2026-11-22T03:00", s)
	}
	return calendar.First(d, c, zone), nil
}
