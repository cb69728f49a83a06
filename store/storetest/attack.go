package storetest

import (
	"database/sql"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver for a second connection

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// Raw opens a connection of one's own to the database, beside the store, as a careless or hostile statement would have.
func Raw(t testing.TB, cfg store.Config) *sql.DB {
	t.Helper()
	driver, dsn := "pgx", cfg.DSN
	if !strings.HasPrefix(cfg.DSN, "postgres") {
		path := cfg.DSN
		if path == "" {
			path = filepath.Join(cfg.Dir, "countersign.db")
		}
		driver, dsn = "sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: "_pragma=busy_timeout(5000)"}).String()
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// attacks would each change what was recorded. They run as they stand on both databases.
var attacks = map[string]string{
	"update entry":        `UPDATE log_entry SET leaf = leaf WHERE idx = 1`,
	"delete entry":        `DELETE FROM log_entry WHERE idx = (SELECT MAX(idx) FROM log_entry)`,
	"insert before":       `INSERT INTO log_entry (idx, leaf) SELECT 1, leaf FROM log_entry WHERE idx = 2`,
	"insert with a gap":   `INSERT INTO log_entry (idx, leaf) SELECT 5000, leaf FROM log_entry WHERE idx = 2`,
	"upsert entry":        `INSERT INTO log_entry (idx, leaf) SELECT 1, leaf FROM log_entry WHERE idx = 2 ON CONFLICT (idx) DO UPDATE SET leaf = excluded.leaf`,
	"upsert nothing":      `INSERT INTO log_entry (idx, leaf) SELECT 1, leaf FROM log_entry WHERE idx = 2 ON CONFLICT (idx) DO NOTHING`,
	"move stream entry":   `UPDATE stream_entry SET stream = 'request/other' WHERE idx = 1`,
	"delete stream entry": `DELETE FROM stream_entry WHERE idx = 1`,
	"insert stream entry": `INSERT INTO stream_entry (stream, seq, idx, id) VALUES ('request/r_1', 1, 2, 'e_x')`,
	"upsert stream entry": `INSERT INTO stream_entry (stream, seq, idx, id) VALUES ('request/r_1', 1, 1, 'e_x') ON CONFLICT (stream, seq) DO UPDATE SET id = excluded.id`,
	"update tile":         `UPDATE log_tile SET hashes = hashes`,
	"delete tile":         `DELETE FROM log_tile`,
	"shrink head":         `UPDATE log_head SET size = size - 1`,
	"same head":           `UPDATE log_head SET note = note`,
	"delete head":         `DELETE FROM log_head`,
	"second head":         `INSERT INTO log_head (id, size, root, frontier, note) SELECT 1, size + 1, root, frontier, note FROM log_head`,
	"update checkpoint":   `UPDATE log_checkpoint SET note = note`,
	"delete checkpoint":   `DELETE FROM log_checkpoint`,
	"update document":     `UPDATE document SET kind = 'x'`,
	"delete document":     `DELETE FROM document`,
	"upsert document":     `INSERT INTO document (hash, kind, bytes) SELECT hash, kind, bytes FROM document WHERE true ON CONFLICT (hash) DO UPDATE SET bytes = excluded.bytes`,
}

// sqliteAttacks are spelled in a way that only SQLite knows: REPLACE walks past UPDATE and DELETE triggers.
var sqliteAttacks = map[string]string{
	"replace entry":        `REPLACE INTO log_entry (idx, leaf) SELECT 1, leaf FROM log_entry WHERE idx = 2`,
	"replace tile":         `REPLACE INTO log_tile (level, n, hashes) SELECT level, n, hashes FROM log_tile`,
	"replace stream entry": `INSERT OR REPLACE INTO stream_entry (stream, seq, idx, id) VALUES ('request/other', 1, 1, 'e_x')`,
	"replace head":         `REPLACE INTO log_head (id, size, root, frontier, note) SELECT id, size, root, frontier, note FROM log_head`,
	"replace checkpoint":   `REPLACE INTO log_checkpoint (size, note, published_at) SELECT size, note, 1 FROM log_checkpoint`,
	"replace document":     `REPLACE INTO document (hash, kind, bytes) SELECT hash, 'x', bytes FROM document`,
	"update or replace":    `UPDATE OR REPLACE log_entry SET idx = 1 WHERE idx = 2`,
}

var postgresAttacks = map[string]string{
	"truncate entries":   `TRUNCATE log_entry CASCADE`,
	"truncate tiles":     `TRUNCATE log_tile`,
	"truncate head":      `TRUNCATE log_head`,
	"truncate documents": `TRUNCATE document`,
}

func testAppendOnly(t *testing.T, cfg store.Config) { AppendOnly(t, cfg) }

// AppendOnly runs every attack on a ledger that has something in each table.
func AppendOnly(t *testing.T, cfg store.Config) {
	t.Helper()
	s := Open(t, cfg)
	fill(t, s)
	db := Raw(t, cfg)
	more := sqliteAttacks
	if strings.HasPrefix(cfg.DSN, "postgres") {
		more = postgresAttacks
	}
	for _, list := range []map[string]string{attacks, more} {
		for name, text := range list {
			_, err := db.ExecContext(t.Context(), text)
			if err == nil {
				t.Errorf("%s went through: %s", name, text)
			} else if !strings.Contains(err.Error(), "append-only") && !strings.Contains(err.Error(), "only grows") {
				t.Errorf("%s was stopped by something else: %v", name, err)
			}
		}
	}
	Must(t, s, "", one, Voted{})
}

// fill puts something into every append-only table.
func fill(t testing.TB, s *store.Store) {
	t.Helper()
	text := []byte("{}")
	doc := workflows.Document{Hash: workflows.DocHash(ledger.DocumentHash(text)), Kind: "policy", Bytes: text}
	for i := range 3 {
		_, err := s.Update(t.Context(), "", nil, func(workflows.Facts) (workflows.Outcome, error) {
			out := workflows.Outcome{Documents: []workflows.Document{doc}}
			for range 100 {
				out.Add(one, workflows.System, doc.Hash, Voted{By: strconv.Itoa(i)})
			}
			return out, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
}
