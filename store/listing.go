package store

import (
	"context"
	"fmt"

	"github.com/countersign-bot/countersign/workflows"
)

// List gives, as desk.Ledger wants, the streams on a list of one member, highest Sort first, ties by name.
func (s *Store) List(ctx context.Context, list, member string, limit int) (out []workflows.StreamID, err error) {
	defer wrap(&err, "reading the list %q", list)
	if limit <= 0 || limit > maxListRead {
		limit = maxListRead
	}
	err = s.reader(ctx).each(`
		SELECT stream
		FROM listing
		WHERE list = $1 AND member = $2
		ORDER BY sort DESC, stream
		LIMIT $3`,
		func(scan func(...any) error) error {
			var stream workflows.StreamID
			if err := scan(&stream); err != nil {
				return err
			}
			out = append(out, stream)
			return nil
		}, list, member, int64(limit))
	return out, err
}

// Count is how many streams a list of one member has: all of them, however many List and Page give at once.
func (s *Store) Count(ctx context.Context, list, member string) (n int64, err error) {
	_, err = s.reader(ctx).one(`SELECT COUNT(*) FROM listing WHERE list = $1 AND member = $2`, []any{&n}, list, member)
	if err != nil {
		return 0, fmt.Errorf("counting the list %q: %w", list, err)
	}
	return n, nil
}

// Page gives, as desk.Ledger wants, the streams on a list of one member by name, behind a given one.
func (s *Store) Page(ctx context.Context, list, member string, after workflows.StreamID, limit int) (out []workflows.StreamID, err error) {
	defer wrap(&err, "reading the list %q by page", list)
	if limit <= 0 || limit > maxListRead {
		limit = maxListRead
	}
	err = s.reader(ctx).each(`
		SELECT stream
		FROM listing
		WHERE list = $1 AND member = $2 AND stream > $3
		ORDER BY stream
		LIMIT $4`,
		func(scan func(...any) error) error {
			var stream workflows.StreamID
			if err := scan(&stream); err != nil {
				return err
			}
			out = append(out, stream)
			return nil
		}, list, member, string(after), int64(limit))
	return out, err
}

// listingKey is the name of a row within its stream.
type listingKey struct{ list, member string }

// diffListings makes the lists a stream stands on equal to what its fold says.
func (b *batch) diffListings(stream workflows.StreamID, want []workflows.Listing) error {
	if len(want) > maxListings {
		return fmt.Errorf("%d exceed the limit of %d", len(want), maxListings)
	}
	have, err := b.listingRows(stream)
	if err != nil {
		return err
	}
	wanted := make(map[listingKey]bool, len(want))
	for _, l := range want {
		k := listingKey{l.List, l.Member}
		wanted[k] = true
		if sort, ok := have[k]; ok && sort == l.Sort {
			continue
		}
		have[k] = l.Sort
		if _, err := b.write(`
			INSERT INTO listing (stream, list, member, sort) VALUES ($1, $2, $3, $4)
			ON CONFLICT (stream, list, member) DO UPDATE SET sort = excluded.sort`,
			string(stream), l.List, l.Member, l.Sort); err != nil {
			return err
		}
	}
	for k := range have {
		if wanted[k] {
			continue
		}
		delete(have, k)
		if _, err := b.write(`DELETE FROM listing WHERE stream = $1 AND list = $2 AND member = $3`, string(stream), k.list, k.member); err != nil {
			return err
		}
	}
	return nil
}

// listingRows gives the lists a stream stands on. The map is what the writer knows of them: the caller keeps it true.
func (b *batch) listingRows(stream workflows.StreamID) (map[listingKey]int64, error) {
	known := b.w.known.of(stream)
	if known.lists != nil {
		return known.lists, nil
	}
	have := make(map[listingKey]int64)
	err := b.each(`SELECT list, member, sort FROM listing WHERE stream = $1`,
		func(scan func(...any) error) error {
			var k listingKey
			var sort int64
			if err := scan(&k.list, &k.member, &sort); err != nil {
				return err
			}
			have[k] = sort
			return nil
		}, string(stream))
	if err == nil {
		known.lists = have
	}
	return have, err
}

// Listings gives the lists one stream stands on, for comparing with a fold.
func (s *Store) Listings(ctx context.Context, stream workflows.StreamID) (out []workflows.Listing, err error) {
	defer wrap(&err, "reading the lists of %q", stream)
	err = s.reader(ctx).each(`SELECT list, member, sort FROM listing WHERE stream = $1 ORDER BY list, member`,
		func(scan func(...any) error) error {
			var l workflows.Listing
			if err := scan(&l.List, &l.Member, &l.Sort); err != nil {
				return err
			}
			out = append(out, l)
			return nil
		}, string(stream))
	return out, err
}

// ListAfter pages through a list of one member by the names of its streams: those after the one that is named, which is "" for the first.
// Lists change meanwhile: what is on it from the first page to the last is given once.
func (s *Store) ListAfter(ctx context.Context, list, member string, after workflows.StreamID) (out []workflows.StreamID, err error) {
	defer wrap(&err, "reading the list %q", list)
	err = s.reader(ctx).each(`
		SELECT stream
		FROM listing
		WHERE list = $1 AND member = $2 AND stream > $3
		ORDER BY stream
		LIMIT $4`,
		func(scan func(...any) error) error {
			var stream workflows.StreamID
			err := scan(&stream)
			out = append(out, stream)
			return err
		}, list, member, string(after), int64(maxListRead))
	return out, err
}
