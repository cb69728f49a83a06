package store

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// runner is what a pool, a connection and prepared have in common.
type runner interface {
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error)
}

// query runs statements for one caller. All texts but the few dialect pieces are the same on both databases, with $1 … $N.
type query struct {
	ctx context.Context
	run runner
	own *ownConn // instead of run: the connection of SQLite's writer
	pg  bool
}

func (s *Store) reader(ctx context.Context) *query {
	if s.reads == nil {
		return &query{ctx: ctx, run: s.db, pg: s.pg}
	}
	return &query{ctx: ctx, run: s.reads, pg: s.pg}
}

// pooled runs each text as a statement that is prepared once on each connection of a pool: for SQLite, whose statements are parsed anew
// otherwise, which takes longer than looking up a row. pgx remembers by itself.
type pooled struct {
	*sql.DB
	mu    sync.Mutex
	stmts map[string]*sql.Stmt
}

func newPooled(db *sql.DB) *pooled { return &pooled{DB: db, stmts: make(map[string]*sql.Stmt)} }

func (p *pooled) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	p.mu.Lock()
	st, known := p.stmts[text]
	full := len(p.stmts) == maxPooled
	p.mu.Unlock()
	if !known && full {
		return p.DB.QueryContext(ctx, text, args...)
	}
	if !known {
		var err error
		if st, err = p.keep(ctx, text); err != nil {
			return nil, err
		}
	}
	return st.QueryContext(ctx, args...)
}

// keep prepares a text. Of two that come at the same time the later one is used once and closed.
func (p *pooled) keep(ctx context.Context, text string) (*sql.Stmt, error) {
	st, err := p.DB.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if other, known := p.stmts[text]; known {
		return other, st.Close()
	}
	p.stmts[text] = st
	return st, nil
}

// exec gives the number of rows that were changed.
func (q *query) exec(text string, args ...any) (int64, error) {
	if q.own != nil {
		n, _, err := q.own.exec(q.ctx, text, args)
		return n, err
	}
	res, err := q.run.ExecContext(q.ctx, text, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// each calls one for every row. Byte slices that it scans are its own.
func (q *query) each(text string, one func(scan func(...any) error) error, args ...any) error {
	if q.own != nil {
		return q.own.each(q.ctx, text, one, args)
	}
	rows, err := q.run.QueryContext(q.ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := one(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// one scans the only row; found tells whether there is one.
func (q *query) one(text string, dst []any, args ...any) (found bool, err error) {
	err = q.each(text, func(scan func(...any) error) error {
		if found {
			return errors.New("more than one row")
		}
		found = true
		return scan(dst...)
	}, args...)
	return found, err
}

// held is a connection of the writer: it gives queries that run there, until it is closed.
type held interface {
	query(ctx context.Context, pg bool) *query
	close()
}

// hold takes a connection for the writer.
func hold(conn *sql.Conn, pg bool) held {
	if pg {
		return newPrepared(conn)
	}
	return newOwnConn(conn)
}

// prepared runs every text as a statement prepared once on one connection: the writer's on PostgreSQL.
type prepared struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func newPrepared(conn *sql.Conn) *prepared {
	return &prepared{conn: conn, stmts: make(map[string]*sql.Stmt)}
}

func (p *prepared) stmt(ctx context.Context, text string) (*sql.Stmt, error) {
	if st, ok := p.stmts[text]; ok {
		return st, nil
	}
	st, err := p.conn.PrepareContext(ctx, text)
	if err == nil {
		p.stmts[text] = st
	}
	return st, err
}

func (p *prepared) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	st, err := p.stmt(ctx, text)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

func (p *prepared) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	st, err := p.stmt(ctx, text)
	if err != nil {
		return nil, err
	}
	return st.ExecContext(ctx, args...)
}

func (p *prepared) query(ctx context.Context, pg bool) *query {
	return &query{ctx: ctx, run: p, pg: pg}
}

func (p *prepared) close() {
	for _, st := range p.stmts {
		_ = st.Close() // the connection is about to go; nothing is pending on it
	}
	_ = p.conn.Close()
}
