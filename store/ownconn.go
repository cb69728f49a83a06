package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// ownConn runs the writer's statements on the connection that it holds, without what database/sql does around each: locks, the search for a
// connection that works, and values that are copied twice cost as much as a small statement itself. A text is prepared once: parsing costs
// more than running here. It belongs to the writer's goroutine.
type ownConn struct {
	held  *sql.Conn // keeps everybody else from the connection, and gives it back
	stmts map[string]*ownStmt
	ended bool
}

// ownStmt is a prepared text with room for its values; rows are those that it is giving just now.
type ownStmt struct {
	driver.Stmt
	exec  driver.StmtExecContext
	query driver.StmtQueryContext
	args  []driver.NamedValue
	row   []driver.Value
	busy  bool
}

func newOwnConn(conn *sql.Conn) *ownConn {
	return &ownConn{held: conn, stmts: make(map[string]*ownStmt)}
}

func (d *ownConn) query(ctx context.Context, pg bool) *query { return &query{ctx: ctx, own: d, pg: pg} }

// stmt gives the statement of a text, ready to run.
func (d *ownConn) stmt(ctx context.Context, text string) (*ownStmt, error) {
	if d.ended {
		return nil, sql.ErrConnDone
	}
	if st, ok := d.stmts[text]; ok && !st.busy {
		return st, nil
	} else if ok {
		return nil, fmt.Errorf("a statement is run while its own rows are read: %q", text)
	}
	st := &ownStmt{}
	err := d.held.Raw(func(c any) (err error) {
		p, ok := c.(driver.ConnPrepareContext)
		if !ok {
			return errors.New("the driver prepares no statements")
		}
		st.Stmt, err = p.PrepareContext(ctx, nameless(text))
		return err
	})
	if err != nil {
		return nil, err
	}
	var runs, asks bool
	st.exec, runs = st.Stmt.(driver.StmtExecContext)
	st.query, asks = st.Stmt.(driver.StmtQueryContext)
	if !runs || !asks {
		return nil, errors.Join(errors.New("the driver's statements do not run"), st.Close())
	}
	d.stmts[text] = st
	return st, nil
}

// nameless writes $1 … $N as so many question marks where each stands once and in order: SQLite looks up the name of every other.
func nameless(text string) string {
	var out strings.Builder
	rest := text
	for n := 1; ; n++ {
		at := strings.IndexByte(rest, '$')
		if at < 0 {
			return out.String() + rest
		}
		digits := len(rest[at+1:]) - len(strings.TrimLeft(rest[at+1:], "0123456789"))
		if rest[at+1:at+1+digits] != strconv.Itoa(n) {
			return text
		}
		out.WriteString(rest[:at] + "?")
		rest = rest[at+1+digits:]
	}
}

// bind puts the arguments into the statement's own room.
func (st *ownStmt) bind(args []any) error {
	st.args = st.args[:0]
	for i, a := range args {
		switch a.(type) {
		case int64, string, []byte, nil, bool, float64:
		default:
			v, err := driver.DefaultParameterConverter.ConvertValue(a)
			if err != nil {
				return fmt.Errorf("argument %d: %w", i+1, err)
			}
			a = v
		}
		st.args = append(st.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
	return nil
}

// exec runs a statement and says how many rows it changed and which id it gave last.
func (d *ownConn) exec(ctx context.Context, text string, args []any) (changed, id int64, err error) {
	st, err := d.stmt(ctx, text)
	if err == nil {
		err = st.bind(args)
	}
	if err != nil {
		return 0, 0, err
	}
	res, err := st.exec.ExecContext(ctx, st.args)
	clear(st.args)
	if err != nil {
		return 0, 0, err
	}
	if changed, err = res.RowsAffected(); err == nil {
		id, err = res.LastInsertId()
	}
	return changed, id, err
}

// each calls one for every row. Byte slices that it scans are its own.
func (d *ownConn) each(ctx context.Context, text string, one func(scan func(...any) error) error, args []any) (err error) {
	st, err := d.stmt(ctx, text)
	if err == nil {
		err = st.bind(args)
	}
	if err != nil {
		return err
	}
	rows, err := st.query.QueryContext(ctx, st.args)
	clear(st.args)
	if err != nil {
		return err
	}
	st.busy = true
	defer func() {
		st.busy = false
		if wrong := rows.Close(); err == nil {
			err = wrong
		}
	}()
	if n := len(rows.Columns()); len(st.row) != n {
		st.row = make([]driver.Value, n)
	}
	for {
		if err := rows.Next(st.row); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := one(st.scan); err != nil {
			return err
		}
	}
}

// scan is that of database/sql for the types that rows of ours are read into.
func (st *ownStmt) scan(dst ...any) error {
	if len(dst) != len(st.row) {
		return fmt.Errorf("scanning %d columns into %d values", len(st.row), len(dst))
	}
	for i, v := range st.row {
		if err := assign(dst[i], v); err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	return nil
}

func assign(dst any, v driver.Value) error {
	switch d := dst.(type) {
	case *int64:
		if n, ok := v.(int64); ok {
			*d = n
			return nil
		}
	case *string:
		if s, ok := v.(string); ok {
			*d = s
			return nil
		}
	case *[]byte:
		switch v := v.(type) {
		case []byte:
			*d = v // the driver has made it for this row
			return nil
		case string:
			*d = []byte(v)
			return nil
		case nil:
			*d = nil
			return nil
		}
	}
	return assignKind(reflect.ValueOf(dst), v)
}

// assignKind is assign for named types, and for what is not of the type that is asked for.
func assignKind(p reflect.Value, v driver.Value) error {
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return fmt.Errorf("cannot scan into a %v", p.Type())
	}
	dst := p.Elem()
	switch v := v.(type) {
	case int64:
		if dst.CanInt() && !dst.OverflowInt(v) {
			dst.SetInt(v)
			return nil
		}
	case string:
		if dst.Kind() == reflect.String {
			dst.SetString(v)
			return nil
		}
	case []byte:
		if dst.Kind() == reflect.String {
			dst.SetString(string(v))
			return nil
		}
	}
	return fmt.Errorf("cannot scan a %T into a %v", v, dst.Type())
}

func (d *ownConn) close() {
	d.ended = true
	for _, st := range d.stmts {
		_ = st.Close() // the connection is about to go; nothing is pending on it
	}
	_ = d.held.Close()
}
