package store

import (
	"container/list"

	"github.com/countersign-bot/countersign/workflows"
)

// standing is what the writer knows of one stream without asking the database: a decision on a stream that was written a moment ago
// needs no query. Each part is either known as a whole or not at all.
type standing struct {
	seq      int64 // number of entries
	seqKnown bool
	jobs     map[jobName]jobRow // those made by the fold; nil: not known
	lists    map[listingKey]int64
	bare     bool // nothing in Slack shows it
}

// standings are those of the streams written last. They belong to the writer's goroutine and hold what its transaction sees: what a
// callback that is rolled back has touched is forgotten. Only SQLite has them: there, nobody else writes, and if somebody does with a
// shell of his own, PRAGMA data_version tells. On PostgreSQL other replicas write all the time.
type standings struct {
	byName  map[workflows.StreamID]*list.Element
	recent  *list.List // of *standingOf, most recent first
	touched []workflows.StreamID
	version int64 // of the data, as the database counts what other connections change
}

type standingOf struct {
	stream workflows.StreamID
	standing
}

func newStandings() *standings {
	s := &standings{}
	s.forgetAll()
	return s
}

func (s *standings) forgetAll() {
	s.byName, s.recent, s.touched = make(map[workflows.StreamID]*list.Element), list.New(), nil
}

// of gives what is known of a stream, to read and to change. Nil receivers know nothing and keep nothing.
func (s *standings) of(stream workflows.StreamID) *standing {
	if s == nil {
		return &standing{}
	}
	s.touched = append(s.touched, stream)
	if e, ok := s.byName[stream]; ok {
		s.recent.MoveToFront(e)
		return &e.Value.(*standingOf).standing
	}
	x := &standingOf{stream: stream}
	s.byName[stream] = s.recent.PushFront(x)
	for s.recent.Len() > cacheStandings {
		last := s.recent.Back()
		delete(s.byName, last.Value.(*standingOf).stream)
		s.recent.Remove(last)
	}
	return &x.standing
}

// forget is for a stream whose rows change in a way that is not followed here.
func (s *standings) forget(stream workflows.StreamID) {
	if s == nil {
		return
	}
	if e, ok := s.byName[stream]; ok {
		delete(s.byName, stream)
		s.recent.Remove(e)
	}
}

// keep ends a callback that is kept, drop one that is not.
func (s *standings) keep() {
	if s != nil {
		s.touched = s.touched[:0]
	}
}

func (s *standings) drop() {
	if s == nil {
		return
	}
	for _, stream := range s.touched {
		s.forget(stream)
	}
	s.touched = s.touched[:0]
}

// follow looks whether another connection has changed the database since the last transaction; then nothing is known any more.
func (s *standings) follow(q *query) error {
	if s == nil {
		return nil
	}
	var version int64
	if _, err := q.one(`PRAGMA data_version`, []any{&version}); err != nil {
		return err
	}
	if version != s.version {
		s.forgetAll()
		s.version = version
	}
	return nil
}
