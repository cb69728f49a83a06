package desk

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
	"github.com/countersign-bot/countersign/workflows/incidents"
	"github.com/countersign-bot/countersign/workflows/reviews"
)

// Review is a verdict as it came from a person.
type Review struct {
	Cause   Cause
	By      workflows.Acting
	Review  workflows.ReviewID
	Verdict reviews.Verdict
	Note    string
	Authn   string
	Channel string
}

// Close gives a review its verdict. Misuse takes the privilege away at once: what the review is about ends, and who invoked it invokes it no
// more until its text is approved anew.
func (d *Desk) Close(ctx context.Context, c Review) (Answer, error) {
	stream := workflows.ReviewStream(c.Review)
	closing := reviews.Closing{By: c.By, Standing: d.standing(ctx, c.By), Verdict: c.Verdict, Note: c.Note, Authn: c.Authn, Channel: c.Channel}
	streams := []workflows.StreamID{stream}
	if c.Verdict == reviews.Misuse {
		more, err := d.concerned(ctx, c.Review)
		if err != nil {
			return Answer{}, err
		}
		streams = append(streams, more...)
	}
	res, err := d.update(ctx, c.Cause, streams, func(f workflows.Facts) (workflows.Outcome, error) {
		out, err := reviews.Close(f, c.Review, closing)
		if err != nil || out.Refusal != nil || c.Verdict != reviews.Misuse {
			return out, err
		}
		return out, misused(f, &out, stream, c.By)
	})
	return Answer{Refusal: res.Refusal, Records: res.Records}, err
}

// concerned are the streams of the runbooks and the live grants that a review is about.
func (d *Desk) concerned(ctx context.Context, id workflows.ReviewID) ([]workflows.StreamID, error) {
	s, err := d.Review(ctx, id)
	if errors.Is(err, workflows.ErrNoStream) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := booksOf(s)
	for _, g := range s.Grants() {
		stream, err := d.grantStream(ctx, g)
		if err != nil {
			return nil, err
		}
		if stream != "" && !slices.Contains(out, stream) {
			out = append(out, stream)
		}
	}
	return out, nil
}

// booksOf are the streams of the runbooks that a review is about.
func booksOf(s reviews.State) []workflows.StreamID {
	var out []workflows.StreamID
	for _, about := range append([]string{s.Opened.About}, abouts(s)...) {
		if b := workflows.StreamID(about); b.Kind() == workflows.KindRunbook && !slices.Contains(out, b) {
			out = append(out, b)
		}
	}
	return out
}

func abouts(s reviews.State) []string {
	var out []string
	for _, u := range s.Joined {
		out = append(out, u.About)
	}
	return out
}

func misused(f workflows.Facts, out *workflows.Outcome, stream workflows.StreamID, by workflows.Acting) error {
	s, err := reviews.Fold(f.Histories[stream])
	if err != nil {
		return err
	}
	bar := func(about string, p workflows.PersonID) {
		if b := workflows.StreamID(about); b.Kind() == workflows.KindRunbook {
			out.Add(b, by, "", incidents.Barred{Person: p, Review: s.ID})
		}
	}
	bar(s.Opened.About, s.Opened.Invoker)
	for _, u := range s.Joined {
		bar(u.About, u.Invoker)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Histories)) {
		if name.Kind() != workflows.KindGrant {
			continue
		}
		end, err := endAll(f, name, by, "A review found misuse.", func(h grants.Hold) bool { return slices.Contains(s.Grants(), h.Approved.Grant) })
		if err != nil {
			return err
		}
		out.Events = append(out.Events, end.Events...)
	}
	return nil
}

// ReviewTask is somebody saying that something was done that a review waits for.
type ReviewTask struct {
	Cause   Cause
	By      workflows.Acting
	Review  workflows.ReviewID
	Task    string
	Note    string
	Authn   string
	Channel string
}

// DoTask records that a task of a review is done.
func (d *Desk) DoTask(ctx context.Context, c ReviewTask) (Answer, error) {
	doing := reviews.Doing{By: c.By, Standing: d.standing(ctx, c.By), Task: c.Task, Note: c.Note, Authn: c.Authn, Channel: c.Channel}
	res, err := d.update(ctx, c.Cause, []workflows.StreamID{workflows.ReviewStream(c.Review)}, func(f workflows.Facts) (workflows.Outcome, error) {
		return reviews.DoTask(f, c.Review, doing)
	})
	return Answer{Refusal: res.Refusal, Records: res.Records}, err
}
