package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/countersign-bot/countersign/workflows"
)

// Account is one way to act: a Slack user of one workspace, a Unix user.
type Account struct {
	Actor  workflows.ActorID
	Kind   string             // "slack", "unix"
	Key    string             // unique within Kind: "T0001/U0001", "1000"
	Person workflows.PersonID // empty while it is not linked
}

// Person is one human as erasable tables know them; the ledger knows only Ref.
type Person struct {
	Ref    workflows.PersonID
	Key    string // name in the people file; empty for somebody who is not there
	Name   string
	Email  string
	TZ     string
	Locale string
	Extra  map[string]string
}

func newRef(prefix string) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return prefix + hex.EncodeToString(b[:])
}

// EnsureAccount gives the account with this key, and makes it, unlinked, when it is new.
func (s *Store) EnsureAccount(ctx context.Context, kind, key string) (a Account, err error) {
	defer wrap(&err, "account %q of %q", key, kind)
	a, err = s.AccountByKey(ctx, kind, key)
	if err == nil && a.Actor != "" || err != nil {
		return a, err
	}
	fresh := Account{Actor: workflows.ActorID(newRef("a_")), Kind: kind, Key: key}
	var made Account
	err = s.do(ctx, func(b *batch) (err error) {
		if _, err := b.write(`INSERT INTO account (actor, kind, key, person) VALUES ($1, $2, $3, '') ON CONFLICT (kind, key) DO NOTHING`,
			string(fresh.Actor), kind, key); err != nil {
			return err
		}
		made, err = account(b.query, `WHERE kind = $1 AND key = $2`, kind, key)
		return err
	})
	if err != nil {
		return Account{}, err
	}
	return made, nil
}

// PutAccount writes an account as given; Actor, Kind and Key must be set. Another account with the same kind and key is an error.
func (s *Store) PutAccount(ctx context.Context, a Account) (err error) {
	defer wrap(&err, "keeping account %q", a.Actor)
	if a.Actor == "" || a.Kind == "" || a.Key == "" {
		return errNoKey
	}
	return s.do(ctx, func(b *batch) error {
		_, err := b.write(`
			INSERT INTO account (actor, kind, key, person) VALUES ($1, $2, $3, $4)
			ON CONFLICT (actor) DO UPDATE SET kind = excluded.kind, key = excluded.key, person = excluded.person`,
			string(a.Actor), a.Kind, a.Key, string(a.Person))
		return err
	})
}

// LinkAccount says which person an account belongs to; empty unlinks it.
func (s *Store) LinkAccount(ctx context.Context, actor workflows.ActorID, person workflows.PersonID) (err error) {
	defer wrap(&err, "linking account %q", actor)
	return s.do(ctx, func(b *batch) error {
		n, err := b.write(`UPDATE account SET person = $1 WHERE actor = $2`, string(person), string(actor))
		if err == nil && n == 0 {
			err = ErrNotFound
		}
		return err
	})
}

// AccountByKey gives the zero Account when there is none.
func (s *Store) AccountByKey(ctx context.Context, kind, key string) (Account, error) {
	return account(s.reader(ctx), `WHERE kind = $1 AND key = $2`, kind, key)
}

// AccountByActor gives the zero Account when there is none.
func (s *Store) AccountByActor(ctx context.Context, actor workflows.ActorID) (Account, error) {
	return account(s.reader(ctx), `WHERE actor = $1`, string(actor))
}

// AccountsOf gives the accounts of a person, oldest id first.
func (s *Store) AccountsOf(ctx context.Context, person workflows.PersonID) ([]Account, error) {
	return accounts(s.reader(ctx), `WHERE person = $1 ORDER BY actor`, string(person))
}

func account(q *query, where string, args ...any) (Account, error) {
	list, err := accounts(q, where, args...)
	if err != nil || len(list) == 0 {
		return Account{}, err
	}
	return list[0], nil
}

// accounts reads accounts; where is one of the fixed conditions above.
func accounts(q *query, where string, args ...any) (out []Account, err error) {
	defer wrap(&err, "reading accounts")
	err = q.each(`SELECT actor, kind, key, person FROM account `+where,
		func(scan func(...any) error) error {
			var a Account
			err := scan(&a.Actor, &a.Kind, &a.Key, &a.Person)
			out = append(out, a)
			return err
		}, args...)
	return out, err
}

// EnsurePerson gives the person with this key of the people file, and makes them when they are new.
func (s *Store) EnsurePerson(ctx context.Context, key string) (p Person, err error) {
	defer wrap(&err, "person %q", key)
	if key == "" {
		return p, errNoKey
	}
	p, err = s.PersonByKey(ctx, key)
	if err == nil && p.Ref != "" || err != nil {
		return p, err
	}
	var made Person
	err = s.do(ctx, func(b *batch) (err error) {
		if _, err := b.write(`
			INSERT INTO person (ref, key, name, email, tz, locale, extra) VALUES ($1, $2, '', '', '', '', '{}')
			ON CONFLICT (key) DO NOTHING`, newRef("p_"), key); err != nil {
			return err
		}
		made, err = person(b.query, `WHERE key = $1`, key)
		return err
	})
	if err != nil {
		return Person{}, err
	}
	return made, nil
}

// PutPerson writes what is known about a person, in place of what was; Ref must be set. Emptying every field but Ref erases.
func (s *Store) PutPerson(ctx context.Context, p Person) (err error) {
	defer wrap(&err, "keeping person %q", p.Ref)
	if p.Ref == "" {
		return errNoKey
	}
	extra, err := json.Marshal(p.Extra)
	if err != nil {
		return err
	}
	if p.Extra == nil {
		extra = []byte("{}")
	}
	if len(extra) > maxPersonData {
		return fmt.Errorf("%d bytes exceed the limit of %d", len(extra), maxPersonData)
	}
	var key any
	if p.Key != "" {
		key = p.Key
	}
	return s.do(ctx, func(b *batch) error {
		_, err := b.write(`
			INSERT INTO person (ref, key, name, email, tz, locale, extra) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (ref) DO UPDATE
			SET key = excluded.key, name = excluded.name, email = excluded.email, tz = excluded.tz, locale = excluded.locale, extra = excluded.extra`,
			string(p.Ref), key, p.Name, p.Email, p.TZ, p.Locale, string(extra))
		return err
	})
}

// PersonByKey gives the zero Person when there is none.
func (s *Store) PersonByKey(ctx context.Context, key string) (Person, error) {
	return person(s.reader(ctx), `WHERE key = $1`, key)
}

// PersonByRef gives the zero Person when there is none.
func (s *Store) PersonByRef(ctx context.Context, ref workflows.PersonID) (Person, error) {
	return person(s.reader(ctx), `WHERE ref = $1`, string(ref))
}

// People gives everybody, by key.
func (s *Store) People(ctx context.Context) ([]Person, error) {
	return people(s.reader(ctx), `ORDER BY key, ref`)
}

func person(q *query, where string, args ...any) (Person, error) {
	list, err := people(q, where, args...)
	if err != nil || len(list) == 0 {
		return Person{}, err
	}
	return list[0], nil
}

// people reads persons; where is one of the fixed conditions above.
func people(q *query, where string, args ...any) (out []Person, err error) {
	defer wrap(&err, "reading people")
	err = q.each(`SELECT ref, COALESCE(key, ''), name, email, tz, locale, extra FROM person `+where,
		func(scan func(...any) error) error {
			var p Person
			var extra string
			if err := scan(&p.Ref, &p.Key, &p.Name, &p.Email, &p.TZ, &p.Locale, &extra); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(extra), &p.Extra); err != nil {
				return err
			}
			if len(p.Extra) == 0 {
				p.Extra = nil
			}
			out = append(out, p)
			return nil
		}, args...)
	return out, err
}
