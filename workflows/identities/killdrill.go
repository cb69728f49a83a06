package identities

import (
	"fmt"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// KillTestEvery is how old the last test of an AI agent's kill switch may be: as long as it may go unattested (R40), since its tools and its reach
// change at least as often.
const KillTestEvery = reviewUsual

// KillDrilled is what came of a drill of an identity's kill switch: it was quarantined for real. A drill that went well lifts its own quarantine
// with this entry; after any other it stays, and two people lift it.
type KillDrilled struct {
	OK        bool               `json:"ok"`
	For       int64              `json:"for"`              // the entry of the stream that quarantined it
	Grants    int                `json:"grants"`           // that it held, and that were taken back
	RefusedMS int64              `json:"refused_ms"`       // until the desk was seen to refuse it
	EmptyMS   int64              `json:"empty_ms"`         // until it held nothing, each grant read back from its target
	Locked    workflows.TargetID `json:"locked,omitempty"` // where its account was kept from logging in, read back
	Step      string             `json:"step,omitempty"`   // the one that failed: KillStep…
	Text      string             `json:"text,omitempty"`
	Authn     string             `json:"authn"`
	Channel   string             `json:"channel"`
}

// The steps of a drill that may fail.
const (
	KillStepRefuse = "refuse" // the desk did not refuse what it asked
	KillStepRevoke = "revoke" // something was not taken back in time
	KillStepLift   = "lift"   // the quarantine was not the drill's any more
)

// Kind is its name in the ledger.
func (KillDrilled) Kind() string { return "identity.kill_drilled" }

// KillDrill is the last drill of an identity's kill switch that went well.
type KillDrill struct {
	KillDrilled
	At workflows.Instant
	By workflows.PersonID
}

// EndDrill records what came of a drill. One that went well lifts no quarantine but its own.
func EndDrill(f workflows.Facts, id workflows.IdentityID, by workflows.Acting, e KillDrilled) (workflows.Outcome, error) {
	var out workflows.Outcome
	stream := workflows.IdentityStream(id)
	s, err := FoldIdentity(f.Histories[stream])
	if err != nil {
		return out, err
	}
	if e.OK && !s.Quarantine.isDrill(e.For) {
		e.OK, e.Step, e.Text = false, KillStepLift, "somebody else quarantined it, or lifted the quarantine of the drill, meanwhile"
	}
	out.Add(stream, by, "", e)
	return out, nil
}

// DrillRefused is how a drill is refused of what is locked anyway.
func DrillRefused() *workflows.Refusal {
	return workflows.Refuse(workflows.CodeNotActive, "Everything was taken away from this identity already, so that a drill would prove nothing.", "Drill it when it is free again.")
}

func (q Quarantine) isDrill(seq int64) bool { return q.On && q.Drill && q.Seq == seq }

// drilled takes the outcome of a drill into the state: the day of the test is what people decided about the identity.
func (s *IdentityState) drilled(r workflows.Record, e KillDrilled) error {
	mine := s.Quarantine.isDrill(e.For)
	s.Life.Lively = true
	if !e.OK {
		if mine {
			s.Quarantine.Drill = false
		}
		return nil
	}
	if !mine || r.Person == "" {
		return fmt.Errorf("a drill lifts a quarantine that is not its own")
	}
	s.Quarantine = Quarantine{}
	s.Life.KillDrill = &KillDrill{e, r.At, r.Person}
	s.decide(r, func(says *Entry) { says.KillTested = r.At.UTC })
	return nil
}

// killTested is when the kill switch of an AI agent was tested last; zero: never, or it is none.
func killTested(e Entry) workflows.Stamp {
	if e.Class != KindAgent {
		return 0
	}
	return e.KillTested
}

// killOverdue tells whether the last test is too long ago. One that was never tested has FindAgent.
func killOverdue(r workflows.InventoryRow, now workflows.Stamp) bool {
	return r.KillTested != 0 && now.After(r.KillTested.Add(KillTestEvery))
}

// DrillLasts is how long a drill waits for everything to be taken back before it has failed.
const DrillLasts = 3 * time.Minute
