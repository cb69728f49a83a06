package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/workflows"
)

// Erasure says which texts go.
type Erasure struct {
	custody.Scope
	Unname   bool // also what leads from the pseudonym to the person: name, address, accounts, the raw deliveries in which they acted
	WhileDue bool // also texts of streams that still owe something: those of live access may be needed to take it back
}

// ErrInUse: texts that are to go belong to requests or access that are not over.
var ErrInUse = errors.New("some of it is still in use")

// Erase records what decide says and deletes the texts in the same transaction: both are there, or neither is. decide gets what is there to
// delete; a refusal deletes nothing. ErrInUse, and nothing is recorded, when streams still owe something; ErrNotFound when there is nothing to
// delete. After the transaction the freed pages are overwritten and the log is emptied (see Scrub); an error of that is joined to ErrNotScrubbed
// and the work is done again at night.
func (s *Store) Erase(ctx context.Context, cause Cause, streams []workflows.StreamID, what Erasure,
	decide func(workflows.Facts, custody.Erased) (workflows.Outcome, error),
) (res Result, err error) {
	err = s.do(ctx, func(b *batch) error {
		if err := b.lockHead(); err != nil {
			return err
		}
		found, err := b.erasable(what)
		if err != nil {
			return err
		}
		res, err = b.update(string(cause), streams, func(f workflows.Facts) (workflows.Outcome, error) { return decide(f, found) })
		if err != nil || res.Replayed || res.Refusal != nil || len(res.Records) == 0 {
			return err
		}
		return b.erase(what)
	})
	var own *decideError
	switch {
	case errors.As(err, &own):
		return Result{}, own.err
	case err != nil:
		return Result{}, fmt.Errorf("erasing texts: %w", err)
	case res.Replayed || res.Refusal != nil:
		return res, nil
	}
	return res, s.Scrub(ctx)
}

// Erasable says what an erasure would delete now, and how many texts by others hold one of the words: those have to be looked at one by one.
func (s *Store) Erasable(ctx context.Context, what Erasure, words ...string) (e custody.Erased, others []int64, err error) {
	defer wrap(&err, "looking at the texts")
	b := &batch{query: s.reader(ctx), s: s}
	if e, err = b.erasable(what); err != nil && !errors.Is(err, ErrInUse) && !errors.Is(err, ErrNotFound) {
		return e, nil, err
	}
	mine := err
	seen := map[int64]bool{}
	err = b.each(`SELECT idx, value, subject FROM opening WHERE idx < $1 ORDER BY idx`, func(scan func(...any) error) error {
		var idx int64
		var value, subject string
		if err := scan(&idx, &value, &subject); err != nil {
			return err
		}
		for _, w := range words {
			if w != "" && subject != string(what.Person) && !seen[idx] && len(others) < maxListRead && strings.Contains(strings.ToLower(value), strings.ToLower(w)) {
				seen[idx] = true
				others = append(others, idx)
			}
		}
		return nil
	}, e.Before)
	return e, others, errors.Join(mine, err)
}

// openingsOfPerson selects what belongs to a person, as custody.Entry.About says it: $1 the person, $2 their stream, $3 the beginning of the
// streams of their access, $4 the list of what they asked for. The database finds ids within notices in its own way.
func (q *query) openingsOfPerson() string {
	within := `instr(CAST(l.leaf AS TEXT), $1) > 0`
	if q.pg {
		within = `position($1 IN convert_from(l.leaf, 'UTF8')) > 0`
	}
	return `
		FROM opening o
		JOIN stream_entry e ON e.idx = o.idx
		WHERE o.subject = $1 OR e.stream = $2 OR substr(e.stream, 1, length($3)) = $3
			OR (o.field = 'place' AND (
				e.stream IN (SELECT stream FROM listing WHERE list = $4 AND member = $1)
				OR EXISTS (SELECT 1 FROM log_entry l WHERE l.idx = o.idx AND ` + within + `)))`
}

func personArgs(p workflows.PersonID) []any {
	return []any{string(p), string(workflows.PersonStream(p)), custody.GrantsOf(p), workflows.ListMine}
}

// erasable counts what would go.
func (b *batch) erasable(what Erasure) (e custody.Erased, err error) {
	e.Scope = what.Scope
	if _, err = b.one(`SELECT COALESCE(MAX(idx), -1) + 1 FROM log_entry`, []any{&e.Before}); err != nil {
		return e, err
	}
	if what.Person == "" {
		_, err = b.one(`SELECT COUNT(*) FROM opening WHERE idx = $1 AND field = $2`, []any{&e.Texts}, what.Entry, what.Field)
		if err == nil && e.Texts == 0 {
			err = ErrNotFound
		}
		if err == nil && !what.WhileDue {
			err = b.inUse(`stream IN (SELECT stream FROM stream_entry WHERE idx = $2)`, what.Entry)
		}
		return e, err
	}
	args := personArgs(what.Person)
	if _, err = b.one(`SELECT COUNT(*) `+b.openingsOfPerson(), []any{&e.Texts}, args...); err != nil {
		return e, err
	}
	if what.Unname {
		if err := b.countUnnamed(&e, what.Person); err != nil {
			return e, err
		}
	}
	if e.Texts == 0 && !e.Unnamed && e.Accounts == 0 {
		return e, ErrNotFound
	}
	if !what.WhileDue {
		err = b.inUse(`(substr(stream, 1, length($2)) = $2 OR stream IN (SELECT stream FROM listing WHERE list = $3 AND member = $4))`,
			args[2], workflows.ListMine, args[0])
	}
	return e, err
}

func (b *batch) countUnnamed(e *custody.Erased, p workflows.PersonID) error {
	var rows int64
	if _, err := b.one(`SELECT COUNT(*) FROM person WHERE ref = $1`, []any{&rows}, string(p)); err != nil {
		return err
	}
	e.Unnamed = rows > 0
	list, err := accounts(b.query, `WHERE person = $1 ORDER BY actor`, string(p))
	if err != nil {
		return err
	}
	e.Accounts = int64(len(list))
	for _, a := range list {
		var n int64
		if _, err := b.one(`SELECT COUNT(*) FROM inbox WHERE done_at > 0 AND `+b.within("body"), []any{&n}, userOf(a)); err != nil {
			return err
		}
		e.Deliveries += n
	}
	return nil
}

// within is the condition that the bytes of a column hold $1.
func (q *query) within(column string) string {
	if q.pg {
		return `position(convert_to($1, 'UTF8') IN ` + column + `) > 0`
	}
	return `instr(` + column + `, CAST($1 AS BLOB)) > 0`
}

// userOf is how an account stands in deliveries: without the workspace, in quotes.
func userOf(a Account) string { return `"` + a.Key[strings.LastIndexByte(a.Key, '/')+1:] + `"` }

// inUse refuses while streams owe more than notices and repaints; $1 is the first job kind that does not count. where is a fixed condition.
func (b *batch) inUse(where string, args ...any) error {
	var busy []string
	err := b.each(`SELECT DISTINCT stream FROM job WHERE made_by = 'fold' AND kind <> $1 AND `+where+` ORDER BY stream LIMIT 10`,
		func(scan func(...any) error) error {
			var stream string
			err := scan(&stream)
			busy = append(busy, stream)
			return err
		}, append([]any{workflows.JobNotice}, args...)...)
	if err == nil && len(busy) > 0 {
		err = fmt.Errorf("%w: %s", ErrInUse, strings.Join(busy, ", "))
	}
	return err
}

// erase deletes, and leaves a mark that pages are still to be overwritten.
func (b *batch) erase(what Erasure) error {
	b.erased = true
	clear(b.histories)
	if err := b.markUnscrubbed(); err != nil {
		return err
	}
	if what.Person == "" {
		_, err := b.write(`DELETE FROM opening WHERE idx = $1 AND field = $2`, what.Entry, what.Field)
		return err
	}
	if what.Unname {
		if err := b.unname(what.Person); err != nil {
			return err
		}
	}
	// Rows are named by (idx, field): an entry may hold texts that stay.
	_, err := b.write(`DELETE FROM opening WHERE (idx, field) IN (SELECT o.idx, o.field `+b.openingsOfPerson()+`)`, personArgs(what.Person)...)
	return err
}

// unname deletes what leads from the pseudonym to a human.
func (b *batch) unname(p workflows.PersonID) error {
	row, err := person(b.query, `WHERE ref = $1`, string(p))
	if err != nil {
		return err
	}
	list, err := accounts(b.query, `WHERE person = $1 ORDER BY actor`, string(p))
	if err != nil {
		return err
	}
	for _, a := range list {
		user := userOf(a)
		if _, err := b.write(`DELETE FROM inbox_key WHERE inbox IN (SELECT id FROM inbox WHERE done_at > 0 AND `+b.within("body")+`)`, user); err != nil {
			return err
		}
		if _, err := b.write(`DELETE FROM inbox WHERE done_at > 0 AND `+b.within("body"), user); err != nil {
			return err
		}
	}
	for _, text := range []string{
		`DELETE FROM surface WHERE person = $1`, `DELETE FROM account WHERE person = $1`, `DELETE FROM person WHERE ref = $1`,
	} {
		if _, err := b.write(text, string(p)); err != nil {
			return err
		}
	}
	return b.forgetRefusals(row)
}

// erasedAnswer stands where an answer was that named somebody who is erased.
const erasedAnswer = "This answer was erased."

// forgetRefusals takes the person's name out of the answers that are kept for orders given twice.
func (b *batch) forgetRefusals(p Person) error {
	for _, word := range []string{p.Name, p.Email} {
		if word == "" {
			continue
		}
		var ids []string
		text := `SELECT id FROM cause WHERE instr(refusal, $1) > 0`
		if b.pg {
			text = `SELECT id FROM cause WHERE position($1 IN refusal) > 0`
		}
		err := b.each(text, func(scan func(...any) error) error {
			var id string
			err := scan(&id)
			ids = append(ids, id)
			return err
		}, word)
		if err != nil {
			return err
		}
		none, err := json.Marshal(workflows.Refuse(workflows.CodeUnknown, erasedAnswer, ""))
		if err != nil {
			return err
		}
		for _, id := range ids {
			if _, err := b.write(`UPDATE cause SET refusal = $1 WHERE id = $2`, string(none), id); err != nil {
				return err
			}
		}
	}
	return nil
}

// ErrNotScrubbed: texts are deleted, but their bytes may still lie in freed pages or in the log.
var ErrNotScrubbed = errors.New("deleted texts may still lie in the files; this is tried again")

// metaScrub marks that something was deleted and pages were not overwritten since.
const metaScrub = "scrub"

func (b *batch) markUnscrubbed() error {
	_, err := b.write(`INSERT INTO meta (key, value) VALUES ($1, '1') ON CONFLICT (key) DO UPDATE SET value = '1'`, metaScrub)
	return err
}

// Scrub makes sure that what was deleted since the last time is nowhere in the files. secure_delete alone does not: when SQLite balances
// its pages it leaves copies of rows in the gaps between others (some 1 in 700 in a trial). So the file is written anew, and the log
// emptied: about a second for each 200 MB, during which decisions wait. It does nothing while nothing was deleted. PostgreSQL rewrites the
// tables concerned; its log, archives and replicas are the operator's.
func (s *Store) Scrub(ctx context.Context) (err error) {
	var marked int64
	if _, err := s.reader(ctx).one(`SELECT COUNT(*) FROM meta WHERE key = $1`, []any{&marked}, metaScrub); err != nil || marked == 0 {
		return err
	}
	if s.pg {
		for _, table := range []string{"opening", "person", "account", "inbox", "inbox_key", "surface", "cause"} {
			if _, err := s.db.ExecContext(ctx, "VACUUM (FULL) "+table); err != nil {
				return errors.Join(ErrNotScrubbed, err)
			}
		}
	} else if err := s.rewrite(ctx); err != nil {
		return errors.Join(ErrNotScrubbed, err)
	}
	err = s.do(ctx, func(b *batch) error {
		_, err := b.write(`DELETE FROM meta WHERE key = $1`, metaScrub)
		return err
	})
	if err != nil {
		return fmt.Errorf("remembering that pages were overwritten: %w", err)
	}
	return nil
}

// rewrite runs VACUUM on a connection of its own, whose temporary file is on disk and not in memory, and empties the log.
func (s *Store) rewrite(ctx context.Context) error {
	q := url.Values{}
	q.Set("_defensive", "1")
	q.Add("_pragma", fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()))
	q.Add("_pragma", "trusted_schema(0)")
	q.Add("_pragma", "synchronous(FULL)")
	q.Add("_pragma", "secure_delete(ON)")
	q.Add("_pragma", "wal_autocheckpoint(0)")
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: sqlitePath(s.cfg), RawQuery: q.Encode()}).String())
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, `VACUUM`); err != nil {
		return fmt.Errorf("writing the file anew: %w", err)
	}
	return emptyLog(ctx, &query{ctx: ctx, run: db})
}

// emptyLog folds the whole log and cuts it to nothing; a reader that stays delays it.
func emptyLog(ctx context.Context, q *query) error {
	deadline := time.NewTimer(scrubWait)
	defer deadline.Stop()
	for {
		var busy, pages, folded int64
		if _, err := q.one(`PRAGMA wal_checkpoint(TRUNCATE)`, []any{&busy, &pages, &folded}); err != nil {
			return fmt.Errorf("emptying the log: %w", err)
		}
		if busy == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return errors.New("emptying the log: something reads for a long time")
		case <-time.After(scrubPause):
		}
	}
}
