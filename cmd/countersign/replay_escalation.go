package main

import (
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/escalations"
)

// escalation judges an escalation: that who acknowledged or closed it was the person of their account, and not whose doing it is about; and
// that no step was taken before the last one's time was over, unless nobody of it could be told.
func (j *judge) escalation(h []workflows.Record) {
	for i, r := range h {
		before, err := escalations.Fold(h[:i])
		if i == 0 || err != nil {
			if r.Person != "" {
				j.linked(r)
			}
			continue
		}
		switch r.Event.(type) {
		case escalations.Acknowledged, escalations.Closed:
			if r.Person == "" {
				continue // what it was about has ended
			}
			j.out.Decisions++
			j.linked(r)
			if slices.Contains(before.Opened.Whose, r.Person) {
				j.wrong(r, "answers what is about their own doing, by %s", r.Person)
			}
		case escalations.StepTaken, escalations.Exhausted:
			if wake := escalations.NextWake(before); len(before.Taken) > 0 && r.At.UTC < wake {
				j.wrong(r, "goes on before %s, until when the step before waited", day(wake))
			}
		}
	}
}
