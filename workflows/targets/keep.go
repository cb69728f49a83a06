package targets

import "github.com/countersign-bot/countersign/workflows"

// Keep records that a reviewer of a campaign answers for access that no grant explains. What is answered for already, or over, stays as it is.
func Keep(f workflows.Facts, stream workflows.StreamID, finding string, by workflows.PersonID, why string) (out workflows.Outcome, err error) {
	s, err := Fold(f.Histories[stream])
	x, open := s.Open[finding]
	if err != nil || !open || x.Accepted || by == "" {
		return out, err
	}
	out.Add(stream, workflows.Acting{Actor: workflows.SystemActor, Person: by}, "", Accepted{Finding: finding, Reason: why, Channel: "campaign", Authn: "campaign"})
	return out, nil
}
