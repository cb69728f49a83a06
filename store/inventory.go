package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// keyMark stands before exact names in the index of words: no word that is searched for begins so.
const keyMark = "="

// keyWord is an exact name as the index has it: one word, whatever is in the name.
func keyWord(key string) string {
	return keyMark + strings.NewReplacer("%", "%25", " ", "%20").Replace(key)
}

// Inventory gives the identities that a query asks for, in the order of their ids.
func (s *Store) Inventory(ctx context.Context, ask workflows.InventoryQuery) (out []workflows.InventoryRow, err error) {
	defer wrap(&err, "reading the inventory")
	q := s.reader(ctx)
	w, err := s.inventoryWhere(q, ask)
	if err != nil {
		return nil, err
	}
	limit := int64(ask.Limit)
	if limit <= 0 || limit > maxListRead {
		limit = maxListRead
	}
	filters := w.text.String()
	text := `inventory WHERE id > ` + w.arg(string(ask.After)) + filters + ` ORDER BY id LIMIT ` + w.arg(limit)
	if filters == "" {
		text = `SELECT doc FROM ` + text
	} else { // looks in the narrow index, and fetches what it finds
		text = `SELECT doc FROM inventory WHERE id IN (SELECT id FROM ` + text + `) ORDER BY id`
	}
	err = q.each(text, func(scan func(...any) error) error {
		var doc []byte
		if err := scan(&doc); err != nil {
			return err
		}
		var r workflows.InventoryRow
		if err := json.Unmarshal(doc, &r); err != nil {
			return fmt.Errorf("%w: a row of the inventory: %w", ErrDamaged, err)
		}
		out = append(out, r)
		return nil
	}, w.args...)
	return out, err
}

// SharedKeys gives the identities that have an exact name in common with another one, in the order of their ids, at most as many as one reading
// gives: names that begin with a prefix ("fp:" for fingerprints of secrets), and identities that are not retired.
func (s *Store) SharedKeys(ctx context.Context, prefix string) (out []workflows.IdentityID, err error) {
	defer wrap(&err, "reading what identities share")
	if s.version < versionInventory {
		return nil, ErrSchema
	}
	from := keyWord(prefix)
	err = s.reader(ctx).each(`
		SELECT DISTINCT w.id FROM inventory_word AS w
		JOIN (
			SELECT k.word AS word FROM inventory_word AS k JOIN inventory AS i ON i.id = k.id
			WHERE k.word >= $1 AND k.word < $2 AND i.state <> $3
			GROUP BY k.word HAVING COUNT(*) > 1
		) AS twice ON twice.word = w.word
		JOIN inventory AS i ON i.id = w.id
		WHERE i.state <> $3
		ORDER BY w.id LIMIT $4`, func(scan func(...any) error) error {
		var id string
		if err := scan(&id); err != nil {
			return err
		}
		out = append(out, workflows.IdentityID(id))
		return nil
	}, from, afterPrefix(from), workflows.IdentityRetired, int64(maxListRead))
	return out, err
}

// where collects conditions out of fixed texts; what people type is only ever an argument.
type where struct {
	text strings.Builder
	args []any
}

func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	return fmt.Sprintf("$%d", len(w.args))
}

func (w *where) and(is bool, before string, v any, after string) {
	if is {
		w.text.WriteString(` AND ` + before + w.arg(v) + after)
	}
}

func (s *Store) inventoryWhere(q *query, ask workflows.InventoryQuery) (*where, error) {
	w := new(where)
	w.and(ask.State != "", `state = `, ask.State, ``)
	w.and(ask.Kind != "", `kind = `, ask.Kind, ``)
	w.and(ask.Target != "", `target = `, string(ask.Target), ``)
	w.and(ask.Environment != "", `environment = `, ask.Environment, ``)
	w.and(ask.ManagedBy != "", `managed_by = `, ask.ManagedBy, ``)
	w.and(ask.EndsBefore != 0, `expires > 0 AND expires < `, int64(ask.EndsBefore), ``)
	w.and(ask.UsedBefore != 0, `last_used < `, int64(ask.UsedBefore), ``)
	s.has(w, ask.Finding != "", `findings`, ` `+ask.Finding+` `)
	w.and(ask.Key != "", `id IN (SELECT id FROM inventory_word WHERE word = `, keyWord(ask.Key), `)`)
	if ask.Owner != "" {
		at := w.arg(ask.Owner)
		w.text.WriteString(` AND (owner = ` + at + ` OR backup = ` + at + `)`)
	}
	return w, s.wordsWhere(q, w, ask.Words)
}

// fewHits is how many identities a word may find for the index of words to be read first. A commoner word is looked for in the rows, in the order
// of the answer: there are enough of them that the first page is soon full.
const fewHits = 2000

// wordsWhere asks for the rarest word by the index, and for the others in the rows that it finds.
func (s *Store) wordsWhere(q *query, w *where, words []string) error {
	if len(words) > maxSearchWords {
		return fmt.Errorf("%d words exceed the limit of %d", len(words), maxSearchWords)
	}
	best, least := -1, int64(fewHits)
	for i, word := range words {
		if strings.HasPrefix(word, keyMark) { // would find by the keys, which are asked for whole
			w.text.WriteString(` AND 1 = 0`)
			return nil
		}
		var n int64
		if _, err := q.one(`SELECT COUNT(*) FROM (SELECT 1 FROM inventory_word WHERE word >= $1 AND word < $2 LIMIT $3) AS hits`, []any{&n}, word, afterPrefix(word), int64(fewHits)); err != nil {
			return err
		}
		if n < least {
			best, least = i, n
		}
	}
	for i, word := range words {
		if i == best {
			from, to := w.arg(word), w.arg(afterPrefix(word))
			w.text.WriteString(` AND id IN (SELECT id FROM inventory_word WHERE word >= ` + from + ` AND word < ` + to + `)`)
			continue
		}
		s.has(w, true, `words`, ` `+word)
	}
	return nil
}

// afterPrefix is behind every word that begins with one.
func afterPrefix(word string) string { return word + "\U0010FFFF" }

// has asks for what a column holds somewhere. LIKE, which both databases know, reads a text three times as slowly.
func (s *Store) has(w *where, is bool, column, text string) {
	find := `instr(`
	if s.pg {
		find = `strpos(`
	}
	w.and(is, find+column+`, `, text, `) > 0`)
}

// inventoryRow is a row of the inventory as its table has it: what lists filter by, and the whole of it as JSON.
type inventoryRow struct {
	State, Kind, Owner, Backup, Purpose, Target, Environment, ManagedBy string

	Expires, LastUsed int64

	Findings, Words, Doc string
}

// scanned gives the columns in the order of inventoryColumns.
func (r *inventoryRow) scanned() []any {
	return []any{
		&r.State, &r.Kind, &r.Owner, &r.Backup, &r.Purpose, &r.Target, &r.Environment, &r.ManagedBy, &r.Expires, &r.LastUsed,
		&r.Findings, &r.Words, &r.Doc,
	}
}

const inventoryColumns = `state, kind, owner, backup, purpose, target, environment, managed_by, expires, last_used, findings, words, doc`

// spaced puts words between spaces, so that each can be found whole; unspaced takes them apart again.
func spaced(words []string) string { return " " + strings.Join(words, " ") + " " }

func unspaced(text string) []string {
	if text = strings.Trim(text, " "); text == "" {
		return nil
	}
	return strings.Split(text, " ")
}

// inventoryRowOf is what the table should have for a row.
func inventoryRowOf(row *workflows.InventoryRow) (r inventoryRow, words []string, err error) {
	words = slices.Clone(row.Words)
	for _, k := range row.Keys {
		words = append(words, keyWord(k))
	}
	slices.Sort(words)
	words = slices.Compact(words)
	doc, err := json.Marshal(row)
	return inventoryRow{
		State: row.State, Kind: row.Kind, Owner: row.Owner, Backup: row.Backup, Purpose: row.Purpose, Target: string(row.Target),
		Environment: row.Environment, ManagedBy: row.ManagedBy, Expires: int64(row.Expires), LastUsed: int64(row.LastUsed),
		Findings: spaced(row.Findings), Words: spaced(words), Doc: string(doc),
	}, words, err
}

// putInventory makes the row of an identity what its stream says.
func (b *batch) putInventory(stream workflows.StreamID, row *workflows.InventoryRow) error {
	id := stream.Rest()
	if row == nil {
		return b.dropInventory(id)
	}
	if string(row.ID) != id {
		return fmt.Errorf("a row of %q for %q", row.ID, stream)
	}
	r, words, err := inventoryRowOf(row)
	if err != nil {
		return err
	}
	var old inventoryRow
	found, err := b.one(`SELECT `+inventoryColumns+` FROM inventory WHERE id = $1`, old.scanned(), id)
	if err != nil || found && old == r {
		return err
	}
	if _, err := b.write(`
		INSERT INTO inventory (id, `+inventoryColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (id) DO UPDATE
		SET state = excluded.state, kind = excluded.kind, owner = excluded.owner, backup = excluded.backup, purpose = excluded.purpose,
			target = excluded.target, environment = excluded.environment, managed_by = excluded.managed_by, expires = excluded.expires,
			last_used = excluded.last_used, findings = excluded.findings, words = excluded.words, doc = excluded.doc`,
		id, r.State, r.Kind, r.Owner, r.Backup, r.Purpose, r.Target, r.Environment, r.ManagedBy, r.Expires, r.LastUsed, r.Findings, r.Words, r.Doc); err != nil {
		return err
	}
	if found && old.Words == r.Words {
		return nil
	}
	if err := b.dropWords(id, old.Words); err != nil {
		return err
	}
	for _, w := range words {
		if _, err := b.write(`INSERT INTO inventory_word (word, id) VALUES ($1, $2) ON CONFLICT (word, id) DO NOTHING`, w, id); err != nil {
			return err
		}
	}
	return nil
}

// InventoryIs tells whether the row of one identity is, in every column, what the given one makes; nil: whether there is none. ErrSchema for
// a ledger of before there were rows.
func (s *Store) InventoryIs(ctx context.Context, id workflows.IdentityID, want *workflows.InventoryRow) (same bool, err error) {
	defer wrap(&err, "comparing %q in the inventory", id)
	if s.version < versionInventory {
		return false, ErrSchema
	}
	var have inventoryRow
	found, err := s.reader(ctx).one(`SELECT `+inventoryColumns+` FROM inventory WHERE id = $1`, have.scanned(), string(id))
	if err != nil || !found || want == nil {
		return found == (want != nil), err
	}
	r, _, err := inventoryRowOf(want)
	return have == r, err
}

// InventoryRow reads the row of one identity; nil when there is none, also in a ledger of before there were rows.
func (s *Store) InventoryRow(ctx context.Context, id workflows.IdentityID) (out *workflows.InventoryRow, err error) {
	defer wrap(&err, "reading %q in the inventory", id)
	if s.version < versionInventory {
		return nil, nil
	}
	var doc []byte
	found, err := s.reader(ctx).one(`SELECT doc FROM inventory WHERE id = $1`, []any{&doc}, string(id))
	if err != nil || !found {
		return nil, err
	}
	out = new(workflows.InventoryRow)
	return out, json.Unmarshal(doc, out)
}

// InventoryAwaited tells whether the inventory is empty because an earlier program began this ledger: its table came with an upgrade, and rows come
// when a bot loads its folder next.
func (s *Store) InventoryAwaited(ctx context.Context) (awaited bool, err error) {
	defer wrap(&err, "looking whether the inventory is still to come")
	q := s.reader(ctx)
	var one int64
	if some, err := q.one(`SELECT 1 FROM inventory LIMIT 1`, []any{&one}); err != nil || some {
		return false, err
	}
	text := `julianday(b.tstamp) - julianday(a.tstamp) > 1.0 / 24`
	if s.pg {
		text = `b.tstamp - a.tstamp > interval '1 hour'`
	}
	return q.one(`
		SELECT 1 FROM goose_db_version a, goose_db_version b
		WHERE a.version_id = 1 AND b.version_id = $1 AND `+text+`
		LIMIT 1`, []any{&one}, int64(versionInventory))
}

// dropWords takes the words of one identity out of the index, by name: an index by identity would have to be paid for by every import.
func (b *batch) dropWords(id, text string) error {
	for _, w := range unspaced(text) {
		if _, err := b.write(`DELETE FROM inventory_word WHERE word = $1 AND id = $2`, w, id); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) dropInventory(id string) error {
	var text string
	found, err := b.one(`SELECT words FROM inventory WHERE id = $1`, []any{&text}, id)
	if err != nil || !found {
		return err
	}
	if err := b.dropWords(id, text); err != nil {
		return err
	}
	_, err = b.write(`DELETE FROM inventory WHERE id = $1`, id)
	return err
}
