package main

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

const (
	sessionsEvery = 20 * time.Second // between two looks at who uses what was granted
	sessionsMost  = 200              // grants of one target asked about in one look: each may cost a connection
	sessionsRound = 15 * time.Second // for one target
)

// watchSessions asks targets that can tell who uses what was granted, and makes it evidence on the grant: login, origin, client, beginning and
// end. It decides nothing, and a target that does not answer loses nothing but a look.
func (s *serving) watchSessions(ctx context.Context) error {
	var turn int
	for {
		if err := s.lookAtSessions(ctx, turn); err != nil && ctx.Err() == nil {
			s.log.Warn("who uses what was granted could not be asked", "err", err)
		}
		turn++
		if err := s.clock.Wait(ctx, s.clock.Now().Wall.Add(sessionsEvery), nil); err != nil {
			return nil
		}
	}
}

func (s *serving) lookAtSessions(ctx context.Context, turn int) error {
	var wait sync.WaitGroup
	defer wait.Wait()
	for _, target := range s.runner.Names() {
		if !s.runner.TellsSessions(target) {
			continue
		}
		wait.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, sessionsRound)
			defer cancel()
			if err := s.sessionsOf(ctx, workflows.TargetID(target), turn); err != nil {
				s.log.Warn("who uses what was granted could not be asked", "target", target, "err", err)
			}
		})
	}
	return nil
}

// sessionsOf asks about the active grants of one target; where there are many, about another part of them each time.
func (s *serving) sessionsOf(ctx context.Context, target workflows.TargetID, turn int) error {
	var streams []workflows.StreamID
	for after := workflows.StreamID(""); ; {
		page, err := s.store.ListAfter(ctx, grants.ListTarget, string(target), after)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		streams, after = append(streams, page...), page[len(page)-1]
	}
	if parts := (len(streams) + sessionsMost - 1) / sessionsMost; parts > 1 {
		from := turn % parts * sessionsMost
		streams = streams[from:min(len(streams), from+sessionsMost)]
	}
	for _, stream := range streams {
		if err := s.sessionsIn(ctx, stream); err != nil {
			return err
		}
	}
	return nil
}

// sessionsIn asks about what is active on one stream: of a shared membership about the newest grant, since they all are one access.
func (s *serving) sessionsIn(ctx context.Context, stream workflows.StreamID) error {
	h, err := s.store.History(ctx, stream)
	if err != nil {
		return err
	}
	st, err := grants.Fold(h)
	if err != nil {
		return err
	}
	for _, hold := range slices.Backward(st.Holds) {
		if hold.Status != grants.StatusActive {
			continue
		}
		list, ok, err := s.runner.Live(ctx, connectorOf(hold), grantOf(hold))
		if err != nil || !ok {
			return err
		}
		if err := s.pastSessions(ctx, stream, hold); err != nil {
			return err
		}
		if err := s.desk.Observe(ctx, stream, hold, sessionsSeen(list)); err != nil {
			return err
		}
		if hold.Approved.Shared {
			return nil
		}
	}
	return nil
}

// pastSessions records, out of the target's own log where it has one, those that began and ended between two looks: seen together
// with those that live, and gone at the look that follows.
func (s *serving) pastSessions(ctx context.Context, stream workflows.StreamID, hold grants.Hold) error {
	list, ok, err := s.runner.Past(ctx, connectorOf(hold), grantOf(hold), hold.StartedAt.UTC.Time())
	if err != nil || !ok {
		return err
	}
	return s.desk.Observe(ctx, stream, hold, sessionsSeen(list))
}

func sessionsSeen(list []runbooks.Session) []grants.SessionSeen {
	var out []grants.SessionSeen
	for _, x := range list {
		e := grants.SessionSeen{Session: x.Ref, Login: x.Login, From: x.From, With: x.With, Since: stampOrZero(x.Since)}
		if e.Since != 0 && !x.Reckoned {
			e.Session += " since " + x.Since.UTC().Format("2006-01-02T15:04:05.000000Z") // process ids are used again
		}
		out = append(out, e)
	}
	return out
}

// sessionLines say who uses a grant, for the command line.
func (s *serving) sessionLines(hold grants.Hold, when func(workflows.Stamp) string) []string {
	if !s.runner.TellsSessions(connectorOf(hold)) {
		return []string{"Sessions: this target does not tell who uses the access."}
	}
	var out []string
	for _, x := range hold.Sessions {
		line := "Session: " + strings.Join(slices.DeleteFunc([]string{x.Seen.Login, fromWords(x.Seen.From), withWords(x.Seen.With)}, func(w string) bool { return w == "" }), " ")
		switch {
		case x.Seen.Since != 0:
			line += ", since " + when(x.Seen.Since)
		default:
			line += ", seen " + when(x.SeenAt)
		}
		switch {
		case x.Cut:
			line += ", ended by the revocation " + when(x.EndedAt)
		case x.EndedAt != 0:
			line += ", ended by " + when(x.EndedAt)
		}
		out = append(out, line)
	}
	if len(out) == 0 {
		out = []string{"Sessions: none were seen."}
	}
	return out
}

func fromWords(from string) string {
	if from == "" {
		return ""
	}
	return "from " + from
}

func withWords(with string) string {
	if with == "" {
		return ""
	}
	return "with " + with
}

// doubtLines say since when nobody can tell whether active access should still be allowed, and why not; nothing where all is told.
func doubtLines(hold grants.Hold, when func(workflows.Stamp) string) []string {
	f, ok := hold.Unverified()
	if !ok || hold.Status != grants.StatusActive {
		return nil
	}
	return []string{"NOT VERIFIED since " + when(f.Since.UTC) + ": " + screens.Inert(f.Why)}
}
