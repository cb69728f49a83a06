package store

import (
	"context"
	"fmt"
	"strconv"

	"github.com/countersign-bot/countersign/workflows"
)

// Place is the kind of a surface.
type Place string

// The places. A message is named by Channel and TS, a Home page by Person.
const (
	PlaceMessage Place = "message"
	PlaceHome    Place = "home"
)

// Surface is something in Slack that shows a stream and is repainted when the stream moves on. It is not in the ledger: any
// surface can be rebuilt from the fold. A Home page's Stream is workflows.HomeSurface(person).
type Surface struct {
	ID      int64
	Stream  workflows.StreamID
	Place   Place
	Channel string
	TS      string
	Person  workflows.PersonID // whose direct message or Home it is; empty for a channel
	Pace    string             // pace key of its paint jobs
	Wanted  int64              // rises when the stream moves
	Painted int64              // the Wanted that stands there now
	Thread  int64              // seq of the stream up to which the thread below a message was written
}

// SaveSurface keeps a surface that was just put up, and gives it its ID; the same place again moves it to the given stream. seq
// is the last entry of the stream that it shows: when the stream has gone on since, it is repainted at once. For a Home
// page give the number of entries as 0.
func (s *Store) SaveSurface(ctx context.Context, f Surface, seq int64) (out Surface, err error) {
	defer wrap(&err, "saving a surface of %q", f.Stream)
	var saved Surface
	err = s.do(ctx, func(b *batch) (err error) {
		saved, err = b.saveSurface(f, seq)
		return err
	})
	if err != nil {
		return Surface{}, err
	}
	return saved, nil
}

func (b *batch) saveSurface(f Surface, seq int64) (Surface, error) {
	b.wrote()
	b.w.known.of(f.Stream).bare = false
	_, err := b.one(`
		INSERT INTO surface (stream, place, channel, ts, person, pace, wanted, painted, thread)
		VALUES ($1, $2, $3, $4, $5, $6, 1, 1, $7)
		ON CONFLICT (place, channel, ts, person) DO UPDATE
		SET stream = excluded.stream, pace = excluded.pace
		RETURNING id, wanted, painted, thread`, []any{&f.ID, &f.Wanted, &f.Painted, &f.Thread},
		string(f.Stream), string(f.Place), f.Channel, f.TS, string(f.Person), f.Pace, f.Thread)
	if err != nil {
		return f, err
	}
	last, err := b.lastSeq(f.Stream)
	if err != nil || last <= seq {
		return f, err
	}
	now := workflows.StampOf(b.s.cfg.Clock.Now().Wall)
	if err := b.paint(now, &f); err != nil {
		return f, err
	}
	return f, nil
}

// SurfacesOf gives the surfaces of a stream in the order in which they were put up.
func (s *Store) SurfacesOf(ctx context.Context, stream workflows.StreamID) (out []Surface, err error) {
	defer wrap(&err, "reading the surfaces of %q", stream)
	return surfacesOf(s.reader(ctx), stream)
}

func surfacesOf(q *query, stream workflows.StreamID) (out []Surface, err error) {
	err = q.each(`
		SELECT id, stream, place, channel, ts, person, pace, wanted, painted, thread
		FROM surface
		WHERE stream = $1
		ORDER BY id
		LIMIT `+surfaceLimit,
		func(scan func(...any) error) error {
			f, err := scanSurface(scan)
			out = append(out, f)
			return err
		}, string(stream))
	return out, err
}

func scanSurface(scan func(...any) error) (f Surface, err error) {
	err = scan(&f.ID, &f.Stream, &f.Place, &f.Channel, &f.TS, &f.Person, &f.Pace, &f.Wanted, &f.Painted, &f.Thread)
	return f, err
}

// Surface reads one surface. key is the Key of its paint job. ErrNotFound when it is gone.
func (s *Store) Surface(ctx context.Context, key string) (f Surface, err error) {
	defer wrap(&err, "reading surface %q", key)
	id, err := strconv.ParseInt(key, 10, 64)
	if err != nil {
		return f, fmt.Errorf("%w: not the key of a paint job", ErrNotFound)
	}
	found := false
	err = s.reader(ctx).each(`
		SELECT id, stream, place, channel, ts, person, pace, wanted, painted, thread
		FROM surface
		WHERE id = $1`,
		func(scan func(...any) error) (err error) {
			found = true
			f, err = scanSurface(scan)
			return err
		}, id)
	if err == nil && !found {
		err = ErrNotFound
	}
	return f, err
}

// SurfaceAt reads the surface that a message in a channel is, one that everybody there sees. ErrNotFound when it is none of ours.
func (s *Store) SurfaceAt(ctx context.Context, channel, ts string) (f Surface, err error) {
	defer wrap(&err, "reading the surface at %q", channel)
	found := false
	err = s.reader(ctx).each(`
		SELECT id, stream, place, channel, ts, person, pace, wanted, painted, thread
		FROM surface
		WHERE place = $1
		  AND channel = $2
		  AND ts = $3
		  AND person = ''`,
		func(scan func(...any) error) (err error) {
			found = true
			f, err = scanSurface(scan)
			return err
		}, string(PlaceMessage), channel, ts)
	if err == nil && !found {
		err = ErrNotFound
	}
	return f, err
}

// Painted says that what stands there now shows the given Wanted, as read before rendering. The handler then returns jobs.Done;
// if the stream moved meanwhile, the job stays.
func (s *Store) Painted(ctx context.Context, id, wanted int64) (err error) {
	defer wrap(&err, "marking surface %d painted", id)
	return s.do(ctx, func(b *batch) error {
		_, err := b.write(`UPDATE surface SET painted = $1 WHERE id = $2 AND painted < $1 AND wanted >= $1`, wanted, id)
		return err
	})
}

// Threaded says that the thread below a surface was written up to this entry of its stream; it never goes back.
func (s *Store) Threaded(ctx context.Context, id, seq int64) (err error) {
	defer wrap(&err, "marking the thread of surface %d", id)
	return s.do(ctx, func(b *batch) error {
		_, err := b.write(`UPDATE surface SET thread = $1 WHERE id = $2 AND thread < $1`, seq, id)
		return err
	})
}

// DropSurface forgets a surface that is gone: a deleted message, a deactivated person.
func (s *Store) DropSurface(ctx context.Context, id int64) (err error) {
	defer wrap(&err, "dropping surface %d", id)
	return s.do(ctx, func(b *batch) error {
		if _, err := b.write(`DELETE FROM job WHERE kind = $1 AND key = $2 AND made_by = $3`,
			workflows.JobPaint, strconv.FormatInt(id, 10), madeByPaint); err != nil {
			return err
		}
		_, err := b.write(`DELETE FROM surface WHERE id = $1`, id)
		return err
	})
}

// touch marks the surfaces of every stream that moved, and of those named, and asks for each to be painted.
func (b *batch) touch(now workflows.Instant, records []workflows.Record, named []workflows.StreamID) error {
	moved := make(map[workflows.StreamID]bool)
	for _, r := range records {
		moved[r.Stream] = true
	}
	for _, stream := range named {
		moved[stream] = true
	}
	for _, stream := range sortedStreams(moved) {
		known := b.w.known.of(stream)
		if known.bare {
			continue
		}
		list, err := surfacesOf(b.query, stream)
		if err != nil {
			return err
		}
		known.bare = len(list) == 0
		for i := range list {
			if err := b.paint(now.UTC, &list[i]); err != nil {
				return fmt.Errorf("surface %d: %w", list[i].ID, err)
			}
		}
	}
	return nil
}

// paint marks one surface as behind and asks for it to be painted. There is one job for each surface, however far it is behind.
func (b *batch) paint(now workflows.Stamp, f *Surface) error {
	f.Wanted++
	if _, err := b.write(`UPDATE surface SET wanted = wanted + 1 WHERE id = $1`, f.ID); err != nil {
		return err
	}
	j := workflows.Job{Kind: workflows.JobPaint, Key: strconv.FormatInt(f.ID, 10), Pace: f.Pace}
	row, found, err := b.paintRow(f, j)
	if err != nil {
		return err
	}
	if !found {
		_, err = b.insertJob(now, f.Stream, j, madeByPaint)
		return err
	}
	if row.leased {
		_, err = b.askAgain(now, row, f.Stream, j)
		return err
	}
	return nil // it will run, and paint what is wanted then
}

// paintRow finds the paint job of a surface; its stream follows the surface.
func (b *batch) paintRow(f *Surface, j workflows.Job) (jobRow, bool, error) {
	var r jobRow
	var leased int64
	found, err := b.one(`SELECT id, gen, due_wanted, leased, lane, pace FROM job WHERE stream = $1 AND kind = $2 AND key = $3`,
		[]any{&r.id, &r.gen, &r.dueWanted, &leased, &r.lane, &r.pace}, string(f.Stream), j.Kind, j.Key)
	r.leased = leased == 1
	return r, found, err
}
