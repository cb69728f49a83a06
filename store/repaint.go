package store

import "context"

// Repaint asks for every surface to be painted again and gives their number: what they show, or the marks in them, are no longer right.
func (s *Store) Repaint(ctx context.Context) (n int, err error) {
	defer wrap(&err, "asking for every card to be painted again")
	for after := int64(0); ; {
		var page []Surface
		err := s.reader(ctx).each(`
			SELECT id, stream, place, channel, ts, person, pace, wanted, painted, thread
			FROM surface
			WHERE id > $1
			ORDER BY id
			LIMIT $2`, func(scan func(...any) error) error {
			var f Surface
			err := scan(&f.ID, &f.Stream, &f.Place, &f.Channel, &f.TS, &f.Person, &f.Pace, &f.Wanted, &f.Painted, &f.Thread)
			page = append(page, f)
			return err
		}, after, int64(maxPending))
		if err != nil || len(page) == 0 {
			return n, err
		}
		after = page[len(page)-1].ID
		n += len(page)
		if err := s.do(ctx, func(b *batch) error {
			for i := range page {
				if err := b.paint(s.nowStamp(), &page[i]); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return n, err
		}
	}
}
