package desk

import (
	"context"
	"slices"
	"sort"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// listed reads what the streams of a list of one member hold, newest first. Limit 0 is all of them: the ledger gives only so many at once, so
// that list is gone through by name and put in order here.
func listed[T any](ctx context.Context, d *Desk, list, member string, limit int, read func(workflows.StreamID) (T, error), at func(T) workflows.Instant) ([]T, error) {
	if limit > 0 {
		streams, err := d.ledger.List(ctx, list, member, limit)
		if err != nil {
			return nil, err
		}
		var out []T
		for _, s := range streams {
			x, err := read(s)
			if err != nil {
				return nil, err
			}
			out = append(out, x)
		}
		return out, nil
	}
	var out []T
	err := d.each(ctx, list, member, func(s workflows.StreamID) error {
		x, err := read(s)
		if err == nil {
			out = append(out, x)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	sort.SliceStable(out, func(i, j int) bool { return at(out[j]).UTC < at(out[i]).UTC })
	return out, nil
}

// RequestsFrom reads some of a list of requests of a person (workflows.List…) in the order of ids: from one on, and round the end to it.
func (d *Desk) RequestsFrom(ctx context.Context, list string, p workflows.PersonID, from workflows.RequestID, limit int) ([]View, error) {
	first, err := d.Look(ctx, from)
	if err != nil {
		return nil, err
	}
	start := workflows.RequestStream(from)
	streams, err := d.ledger.Page(ctx, list, string(p), start, limit)
	if err == nil && len(streams) < limit {
		var round []workflows.StreamID
		round, err = d.ledger.Page(ctx, list, string(p), "", limit-len(streams))
		for _, s := range round {
			if s < start {
				streams = append(streams, s)
			}
		}
	}
	out := []View{first}
	for _, s := range streams {
		if err != nil {
			break
		}
		var v View
		v, err = d.Look(ctx, workflows.RequestID(s.Rest()))
		out = append(out, v)
	}
	return out, err
}

// RequestsEnding are those of the requests a person has to do with whose ids end in the given characters, in the order of ids: however long ago they were.
func (d *Desk) RequestsEnding(ctx context.Context, p workflows.PersonID, end string) ([]workflows.RequestID, error) {
	var out []workflows.RequestID
	for _, list := range []string{workflows.ListWaiting, workflows.ListMine, workflows.ListPart} {
		err := d.each(ctx, list, string(p), func(s workflows.StreamID) error {
			if strings.HasSuffix(s.Rest(), end) {
				out = append(out, workflows.RequestID(s.Rest()))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
