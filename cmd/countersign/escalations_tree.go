package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/escalations"
)

// The escalation tree with telephone numbers: what people work with when nothing can be delivered. The bot keeps it beside the ledger, in
// clear and readable by its own user only, so that it is there when the folder, the chat and the network are not. The numbers are in no entry.

const treeFile = "escalation-tree.json"

// callTree is whom to call, path by path.
type callTree struct {
	Kept  string     `json:"kept_at"` // UTC
	Paths []callPath `json:"paths"`
}

type callPath struct {
	Name  string     `json:"name"`
	Kinds []string   `json:"kinds"`
	Steps []callStep `json:"steps"`
}

type callStep struct {
	Step   int          `json:"step"`
	By     []string     `json:"by"`
	Wait   string       `json:"wait"`
	Where  string       `json:"where,omitempty"` // channel or pager
	People []callPerson `json:"people,omitempty"`
}

type callPerson struct {
	Name  string `json:"name"`
	Phone string `json:"phone,omitempty"`
	Mail  string `json:"email,omitempty"`
	On    string `json:"on,omitempty"` // the rotation in which they are on shift
}

// treeOf is the tree of a policy at a moment.
func treeOf(p *desk.Policy, now workflows.Stamp) callTree {
	t := callTree{Kept: day(now)}
	for _, path := range p.Escalations.Paths {
		out := callPath{Name: path.Name, Kinds: path.Kinds}
		for i, s := range path.Steps {
			out.Steps = append(out.Steps, callStep{Step: i + 1, By: s.By, Wait: s.Wait.String(), Where: strings.TrimSpace(s.Channel + " " + s.Pager), People: callees(p, s.To, now)})
		}
		t.Paths = append(t.Paths, out)
	}
	return t
}

// callees are the people of a step as the documents alone say: nothing is asked of the chat, which may be down.
func callees(p *desk.Policy, sel *workflows.Selector, now workflows.Stamp) (out []callPerson) {
	if sel == nil {
		return nil
	}
	seen := map[workflows.PersonID]bool{}
	for _, x := range sel.Exclude {
		seen[x] = true
	}
	add := func(on string, people ...workflows.PersonID) {
		for _, id := range people {
			if x, ok := p.People[id]; ok && !seen[id] {
				seen[id] = true
				out = append(out, callPerson{Name: x.Name, Phone: x.Phone, Mail: x.Email, On: on})
			}
		}
	}
	add("", sel.People...)
	for _, g := range sel.Groups {
		add("", p.Groups[g.Name]...)
	}
	for _, name := range sel.Rotations {
		if r, ok := p.Rotations[name]; ok {
			add(name, r.On(now)...)
		}
	}
	return out
}

func (t callTree) write(w io.Writer) {
	if len(t.Paths) == 0 {
		fmt.Fprintln(w, "There is no path of escalation: escalations.yaml is not there, or empty.")
	}
	for _, p := range t.Paths {
		fmt.Fprintf(w, "%s  (%s)\n", printable(p.Name), strings.Join(p.Kinds, ", "))
		for _, s := range p.Steps {
			fmt.Fprintf(w, "  %d. wait %s, by %s %s\n", s.Step, s.Wait, strings.Join(s.By, ", "), printable(s.Where))
			for _, x := range s.People {
				fmt.Fprintf(w, "       %-28s %-20s %s%s\n", printable(x.Name), phoneWords(x.Phone), printable(x.Mail), onShiftWords(x.On))
			}
		}
	}
	fmt.Fprintf(w, "As of %s.\n", t.Kept)
}

func onShiftWords(rotation string) string {
	if rotation == "" {
		return ""
	}
	return "  (on shift: " + printable(rotation) + ")"
}

func phoneWords(s string) string {
	if s == "" {
		return "no number on file"
	}
	return printable(s)
}

// keepTreeOf keeps the tree of a policy that came into force.
func (s *serving) keepTreeOf(p *desk.Policy) {
	if err := keepTree(s.cfg, treeOf(p, workflows.StampOf(s.clock.Now().Wall))); err != nil {
		s.log.Warn("the escalation tree cannot be kept", "err", err)
	}
}

// treeText is the tree for the page that people open when the chat is down; empty where there is no path.
func (s *serving) treeText() string {
	t := treeOf(s.desk.Policy(), workflows.StampOf(s.clock.Now().Wall))
	if len(t.Paths) == 0 {
		return ""
	}
	var b strings.Builder
	t.write(&b)
	return b.String()
}

// keepTree writes the tree beside the ledger. Not being able to is no reason not to run.
func keepTree(c Config, t callTree) error {
	if len(t.Paths) == 0 {
		if err := os.Remove(filepath.Join(c.Data, treeFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing the escalation tree: %w", err)
		}
		return nil
	}
	b, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(c.Data, treeFile)
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("keeping the escalation tree: %w", err)
	}
	return os.Rename(path+".new", path)
}

const maxTree = 4 << 20 // bytes: twenty paths of ten steps of a hundred people are less

func readTree(c Config) (t callTree, err error) {
	if c.Data == "" {
		return t, fmt.Errorf("%s_DATA is not set", prefix)
	}
	f, err := os.Open(filepath.Join(c.Data, treeFile))
	if err != nil {
		return t, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxTree))
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal(b, &t)
}

// callThem says in the log whom to call, since nothing could be delivered: one line a person, so that whoever reads it at three in the morning
// reads numbers and not JSON.
func (s *serving) callThem(e escalations.State) {
	t := treeOf(s.desk.Policy(), workflows.StampOf(s.clock.Now().Wall))
	i := slices.IndexFunc(t.Paths, func(p callPath) bool { return p.Name == e.Opened.Path })
	s.log.Error("NOBODY COULD BE TOLD of what cannot wait: call them", "escalation", e.ID, "about", e.Opened.About, "incident", e.Opened.Incident, "path", e.Opened.Path)
	if i < 0 {
		return
	}
	for _, st := range t.Paths[i].Steps {
		for _, p := range st.People {
			s.log.Error("call", "step", st.Step, "name", p.Name, "phone", p.Phone)
		}
	}
}
