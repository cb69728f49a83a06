package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
	"github.com/countersign-bot/countersign/workflows/storytest"
)

// What a chain that is made up in a story is called.
const (
	inventedID          = "chain"
	inventedTarget      = "target"
	inventedEntitlement = "access"
)

// inventedPolicies makes a company out of a line such as "team(ann bob)x1 remind 30m escalate 1h(dave) timeout 4h > owner(olga)x1": everybody who
// is named in it or acts in the story is in the people file, and anybody may ask.
func inventedPolicies(s storytest.Story) (spec.Policies, error) {
	w := workflows.Workflow{
		ID: inventedID, Title: "A chain", Purpose: "For this story.", Kind: workflows.KindElevation, Owner: "p_olga",
		Ask: workflows.Selector{Anyone: true}, For: []string{workflows.ForSelf}, Longest: 8 * 3600, Usual: 3600, ReasonMin: 5, SeenBy: workflows.SeenByMembers,
		Entitlements: []workflows.Entitlement{{
			Target: inventedTarget, ID: inventedEntitlement, TargetTitle: "A target", Title: "Access", Owner: "p_olga", Connector: "command", Longest: 8 * 3600,
		}},
	}
	names := []string{"olga"}
	for text := range strings.SplitSeq(s.Setting, ">") {
		st, people, err := inventedStage(strings.TrimSpace(text))
		if err != nil {
			return spec.Policies{}, err
		}
		w.Stages, names = append(w.Stages, st), append(names, people...)
	}
	for _, step := range s.Steps {
		words, _ := storytest.Words(step)
		if len(words) > 1 && !slices.Contains([]string{"expect", "ticket"}, words[0]) && !strings.ContainsAny(words[0][:1], "@#0123456789") {
			names = append(names, words[0])
		}
	}
	p := spec.Policies{Workflows: map[workflows.WorkflowID]spec.Policy{}, Entitlements: w.Entitlements}
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		p.People = append(p.People, spec.Person{ID: keyedPerson(n), Key: n, Name: n, Zone: "UTC"})
	}
	text, err := json.Marshal(w)
	if err != nil {
		return p, err
	}
	hash := workflows.HashDocument(text)
	p.Workflows[w.ID] = spec.Policy{Workflow: w, Hash: hash, Canonical: text, Source: []byte(s.Setting), SourceHash: workflows.HashDocument([]byte(s.Setting))}
	return p, nil
}

func inventedStage(text string) (st workflows.Stage, people []string, err error) {
	bad := func(why string) (workflows.Stage, []string, error) {
		return st, nil, fmt.Errorf("stage %q: %s; want such as team(ann bob)x1 remind 30m escalate 1h(dave) timeout 4h repeat", text, why)
	}
	name, rest, ok1 := strings.Cut(text, "(")
	first, rest, ok2 := strings.Cut(rest, ")x")
	words := strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(rest))
	if !ok1 || !ok2 || len(words) == 0 || name == "" {
		return bad("it is not NAME(PEOPLE)xQUORUM")
	}
	st = workflows.Stage{Name: name, Timeout: 4 * 3600}
	people = strings.Fields(first)
	st.Approvers.People = keyedPeople(people)
	if st.Quorum, err = strconv.Atoi(words[0]); err != nil || st.Quorum < 1 {
		return bad("the quorum is no number")
	}
	for i := 1; i < len(words); i++ {
		if words[i] == "repeat" {
			st.Repeat = true
			continue
		}
		if i+1 == len(words) {
			return bad("something is missing behind " + words[i])
		}
		d, ok := storytest.Duration(words[i+1])
		if !ok {
			return bad(words[i+1] + " is no duration")
		}
		switch words[i] {
		case "remind":
			st.Remind = workflows.SpanOf(d)
		case "timeout":
			st.Timeout = workflows.SpanOf(d)
		case "escalate":
			end := slices.Index(words[i:], ")")
			if end < 3 || words[i+2] != "(" {
				return bad("escalate names nobody")
			}
			wider := words[i+3 : i+end]
			people = append(people, wider...)
			st.Escalate = &workflows.Escalation{After: workflows.SpanOf(d), Approvers: workflows.Selector{People: keyedPeople(wider)}}
			i += end - 1
		default:
			return bad(words[i] + " is not understood")
		}
		i++
	}
	return st, people, nil
}

func keyedPeople(keys []string) []workflows.PersonID {
	var out []workflows.PersonID
	for _, k := range keys {
		out = append(out, keyedPerson(k))
	}
	return out
}
