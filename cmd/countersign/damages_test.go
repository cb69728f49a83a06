package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
)

// rawChange changes a data folder's database by statements.
func rawChange(statements ...string) func(*testing.T, string) {
	return func(t *testing.T, data string) {
		t.Helper()
		db := rawDB(t, data)
		if err := change(t.Context(), db, statements...); err != nil {
			t.Fatal(err)
		}
	}
}

func rawDB(t *testing.T, data string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(data, "countersign.db"))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

// TestThreat_T26_EveryDamageIsNamed changes a ledger in every way that somebody with the file and the schema can think of, one at a time. The
// outsider's command names each, says what it means, and ends with 3.
func TestThreat_T26_EveryDamageIsNamed(t *testing.T) {
	t.Parallel()
	org, sound, other := filepath.Join(t.TempDir(), "org"), filepath.Join(t.TempDir(), "sound"), filepath.Join(t.TempDir(), "other")
	if err := writeDemoConfig(org, "22"); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{sound, other} {
		if err := makeFixture(t.Context(), []string{"ledger", org, data}); err != nil {
			t.Fatal(err)
		}
	}
	waiting(t, org, sound)
	if out, errs, code := runHere(t, nil, "ledger", "verify", "-data", sound); code != exitDone {
		t.Fatalf("before: exit %d\n%s%s", code, out, errs)
	}
	for name, test := range map[string]struct {
		do   func(t *testing.T, data string)
		want string
	}{
		"a row changed":              {rawChange(damages()["edit"]...), "was changed: it is not what was hashed"},
		"a row deleted":              {rawChange(`DELETE FROM log_entry WHERE idx = 3`), "Entry 3 is missing: it was deleted"},
		"two rows swapped":           {rawChange(`UPDATE log_entry SET leaf = (SELECT o.leaf FROM log_entry o WHERE o.idx = 5 - log_entry.idx) WHERE idx IN (2, 3)`), "Entry 2"},
		"the tail cut":               {rawChange(`DELETE FROM log_entry WHERE idx = (SELECT MAX(idx) FROM log_entry)`), "are missing: the tail was cut off"},
		"a row added":                {rawChange(`INSERT INTO log_entry SELECT idx + 1, leaf FROM log_entry ORDER BY idx DESC LIMIT 1`), "is not covered by the head"},
		"the tail chained anew":      {func(t *testing.T, data string) { rechain(t, data, readKey(t, data)) }, "remembers another ledger"},
		"the tail signed by another": {func(t *testing.T, data string) { rechain(t, data, strangeKey(t, data)) }, "is not one that the ledger's key has signed"},
		"the head's size":            {rawChange(`UPDATE log_head SET size = size + 1`), "The head row was edited"},
		"the frontier":               {rawChange(`UPDATE log_head SET frontier = zeroblob(length(frontier))`), "frontier"},
		"an old backup":              {putOld, "remembers"},
		"two ledgers mixed":          {func(t *testing.T, data string) { mix(t, data, other) }, "was changed"},
		"a policy's text":            {rawChange(`UPDATE document SET bytes = CAST(replace(CAST(bytes AS TEXT), '"Quorum":1', '"Quorum":0') || ' ' AS BLOB) WHERE kind = 'policy'`), "was changed: its bytes"},
		"a policy gone":              {rawChange(`DELETE FROM document WHERE kind = 'policy'`), "is not there"},
		"a source's text":            {rawChange(`UPDATE document SET bytes = CAST(CAST(bytes AS TEXT) || ' ' AS BLOB) WHERE kind = 'source'`), "(source) was changed: its bytes have another hash"},
		"a document's kind":          {rawChange(`UPDATE document SET kind = 'policy' WHERE kind = 'source'`), "which is not what the entries name it for"},
		"a document gone":            {rawChange(`DELETE FROM document WHERE kind = 'source'`), "put in force, is gone"},
		"the targets' text gone":     {rawChange(`DELETE FROM document WHERE kind = 'targets'`), "put in force, is gone"},
		"an identity's owner":        {rawChange(`UPDATE inventory SET owner = 'p_somebody'`), "what the inventory lists differs"},
		"an identity's end":          {rawChange(`UPDATE inventory SET expires = expires + 86400000000`), "what the inventory lists differs"},
		"an identity's document":     {rawChange(`UPDATE inventory SET doc = replace(doc, '"production"', '"test"')`), "what the inventory lists differs"},
		"an identity gone":           {rawChange(`DELETE FROM inventory WHERE id = 'svc-deploy'`, `DELETE FROM inventory_word WHERE id = 'svc-deploy'`), "what the inventory lists differs"},
		"an identity invented":       {rawChange(`INSERT INTO inventory SELECT 'svc-other', state, kind, owner, backup, purpose, target, environment, managed_by, expires, last_used, findings, '  ', doc FROM inventory WHERE id = 'svc-deploy'`), `The inventory lists "svc-other", which no entry speaks about`},
		"a word not found any more":  {rawChange(`DELETE FROM inventory_word WHERE word = 'robot'`), "are not in its index"},
		"a word that leads astray":   {rawChange(`INSERT INTO inventory_word (word, id) VALUES ('breakglass', 'svc-deploy')`), `The word "breakglass" leads to "svc-deploy"`},
		"a key smuggled in":          {rawChange(`INSERT INTO log_key (idx, vkey) VALUES (2, 'mallory')`), "since entry 2 the key mallory signs, the one given is"},
		"a stream's place":           {rawChange(`UPDATE stream_entry SET seq = 99 WHERE idx = 1`), "the index of streams says number 99"},
		"a stream's name":            {rawChange(`UPDATE stream_entry SET stream = 'request/r_9' WHERE idx = 1`), "the index of streams says number 2 of request/r_9"},
		"an entry's id":              {rawChange(`UPDATE stream_entry SET id = 'e_1' WHERE idx = 1`), "the index of streams says"},
		"an entry out of its stream": {rawChange(`DELETE FROM stream_entry WHERE idx = 1`), "has no row in the index of streams"},
		"a cause forgotten":          {rawChange(`DELETE FROM cause WHERE id LIKE 'test/deny/%'`), "would count twice"},
		"a cause of other entries":   {rawChange(`UPDATE cause SET last_idx = last_idx + 1 WHERE id LIKE 'test/deny/%'`), "its row says"},
		"a cause that never was":     {rawChange(`INSERT INTO cause (id, first_idx, last_idx, refusal) VALUES ('inbox/77', 3, 4, '')`), "answered without being carried out"},
		"an account's person":        {rawChange(`UPDATE account SET person = (SELECT b.person FROM account b WHERE b.kind = 'slack' AND b.key = 'T1/maya') WHERE kind = 'slack' AND key = 'T1/jonas'`), "acts for p_"},
		"an account made to act":     {rawChange(`UPDATE account SET person = (SELECT b.person FROM account b WHERE b.key = 'T1/maya') WHERE kind = 'slack' AND person = ''`), "which no entry says"},
		"an account's user":          {rawChange(`UPDATE account SET key = 'T1/mallory' WHERE kind = 'slack' AND key = 'T1/maya'`), "is kept as another user of slack than the one entry"},
		"two accounts' users":        {rawChange(`UPDATE account SET key = 'T1/x' WHERE key = 'T1/maya'`, `UPDATE account SET key = 'T1/maya' WHERE key = 'T1/jonas'`, `UPDATE account SET key = 'T1/jonas' WHERE key = 'T1/x'`), "is kept as another user of slack"},
		"an account of another kind": {rawChange(`UPDATE account SET kind = 'unix', key = 'mallory' WHERE kind = 'slack' AND key = 'T1/maya'`), "is kept as one of unix"},
		"a text changed":             {rawChange(`UPDATE opening SET value = CAST('Yes, do it.' AS BLOB) WHERE field = 'reason' AND idx > 7`), "not the one that was recorded"},
		"a text's salt":              {rawChange(`UPDATE opening SET salt = zeroblob(32) WHERE field = 'reason' AND idx > 7`), "not the one that was recorded"},
		"a text deleted":             {rawChange(`DELETE FROM opening WHERE field = 'reason' AND idx > 7`), "is gone, and no entry says who erased it"},
		"a text put down to another": {rawChange(`UPDATE opening SET subject = 'p_somebody' WHERE field = 'reason' AND idx > 7`), "is put down to"},
		"a list":                     {rawChange(`DELETE FROM listing WHERE list = 'requests.all'`), "the lists that people read differ"},
		"a list's member":            {rawChange(`UPDATE listing SET member = 'p_1' WHERE list = 'requests.mine'`), "the lists that people read differ"},
		"a list's order":             {rawChange(`UPDATE listing SET sort = sort + 1 WHERE list = 'requests.mine'`), "the lists that people read differ"},
		"a job deleted":              {rawChange(`DELETE FROM job WHERE kind = 'wake'`), "a job that its entries demand is missing"},
		"a job put off":              {rawChange(`UPDATE job SET due_wanted = due_wanted + 86400000000 WHERE kind = 'wake'`), "a job is set for"},
		"a job put off to the end":   {rawChange(`UPDATE job SET due = due + 864000000000 WHERE kind = 'wake'`), "a job is put off until"},
		"a job less urgent":          {rawChange(`UPDATE job SET lane = 1 - lane WHERE kind = 'wake'`), "a job waits in another lane"},
		"a job held up by another":   {rawChange(`UPDATE job SET pace = 'dm:p_somebody' WHERE kind = 'wake'`), "or keeps to another's pace"},
		"a head published earlier":   {rawChange(`UPDATE log_checkpoint SET published_at = published_at - 600000000`), "is said to have been published"},
		"a head published later":     {rawChange(`UPDATE log_checkpoint SET published_at = published_at + 600000000`), "is said to have been published"},
		"a published head deleted":   {rawChange(`DELETE FROM log_checkpoint`), "is gone from the list of published heads"},
		"a gap invented":             {rawChange(`INSERT INTO meta (key, value) VALUES ('gaps', '2')`), "explains no gap"},
		"a guard dropped":            {drop(`DROP TRIGGER log_entry_update`), "The guard log_entry_update on log_entry is gone"},
		"a guard that does nothing":  {drop(`DROP TRIGGER log_entry_update`, `CREATE TRIGGER log_entry_update BEFORE UPDATE ON log_entry BEGIN SELECT 1; END`), "The trigger log_entry_update was altered"},
		"a trigger of somebody else": {drop(`CREATE TRIGGER helper AFTER INSERT ON log_entry BEGIN DELETE FROM job; END`), "The trigger helper on log_entry is not ours"},
		"an index dropped":           {drop(`DROP INDEX inbox_received`), "The index inbox_received is gone"},
		"a column added":             {drop(`ALTER TABLE account ADD COLUMN extra TEXT`), "The table account was altered"},
		"a table dropped":            {drop(`DROP TABLE surface`), "The table surface is gone"},
		"the key swapped": {func(t *testing.T, data string) {
			writeFile(t, filepath.Join(data, "keys", keyLedger), strangeKey(t, data).KeyFile())
		}, "None of the keys you pinned"},
		"a cursor beyond the end":     {drop(`INSERT INTO outlet (name, next, sent_at, failing, attempts, error) VALUES ('stream/siem', 9999, 0, 0, 0, '')`), "The cursor of stream/siem stands at 9999"},
		"a published head, cut short": {rawChange(`INSERT INTO log_checkpoint (size, note, published_at) SELECT size, substr(note, 1, 40), 0 FROM log_head`), "published checkpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(data, os.DirFS(sound)); err != nil {
				t.Fatal(err)
			}
			if err := keepPrivate(data); err != nil {
				t.Fatal(err)
			}
			test.do(t, data)
			out, errs, code := runHere(t, nil, "ledger", "verify", "-data", data)
			if code != exitLedger || !strings.Contains(out+errs, test.want) {
				t.Errorf("exit %d, want %d and %q:\n%s%s", code, exitLedger, test.want, out, errs)
			}
			if strings.HasPrefix(out, "The ledger") {
				t.Errorf("the first line says that all is well:\n%s", out)
			}
		})
	}
}

// keepPrivate gives a copy of a data folder the modes that it must have.
func keepPrivate(data string) error {
	return filepath.WalkDir(data, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	})
}

// waiting publishes the head and leaves a request open in the ledger, so that there is a job, and an account that nobody has.
func waiting(t *testing.T, org, data string) {
	t.Helper()
	s, err := openFixture(t.Context(), data)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.EnsureAccount(t.Context(), "slack", "T1/nobody"); err != nil {
		t.Fatal(err)
	}
	folder, err := readFolder(org)
	if err != nil {
		t.Fatal(err)
	}
	policy, _, err := compile(t.Context(), s, folder)
	if err != nil {
		t.Fatal(err)
	}
	head, _, err := s.Publish(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(t.Context(), "test/anchor", nil, func(workflows.Facts) (out workflows.Outcome, err error) {
		out.Add(workflows.SystemStream, workflows.System, "", store.AnchorPublished{Size: head.Size, Root: head.Root.String(), Sink: "test"})
		return out, nil
	}); err != nil {
		t.Fatal(err)
	}
	d := desk.New(desk.Config{Ledger: s, Directory: everybodyActive{policy}, IDs: clockIDs{s.Clock()}, Log: slog.New(slog.DiscardHandler)})
	if err := d.Load(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	a, err := s.AccountByKey(t.Context(), "slack", "T1/maya")
	if err != nil {
		t.Fatal(err)
	}
	asked, err := d.Submit(t.Context(), desk.Submission{
		Cause: "test/ask/again", By: workflows.Acting{Actor: a.Actor, Person: a.Person}, Workflow: "prod-shell", Channel: "slack", Authn: "slack-click",
		Form: workflows.Form{
			Target: "bastion", Entitlement: "deploy", Seconds: 3600, Reason: "The shop answers 504 now.", Values: map[string]string{"ticket": "OPS-2", "key": testKey},
		},
	})
	if err != nil || asked.Refusal != nil || len(asked.Problems) > 0 {
		t.Fatal(err, asked)
	}
}

func drop(statements ...string) func(*testing.T, string) {
	return func(t *testing.T, data string) {
		t.Helper()
		db := rawDB(t, data)
		for _, s := range statements {
			if _, err := db.ExecContext(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func readKey(t *testing.T, data string) ledger.Key {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(data, "keys", keyLedger))
	if err != nil {
		t.Fatal(err)
	}
	k, err := ledger.ParseKeyFile(b)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func strangeKey(t *testing.T, data string) ledger.Key {
	t.Helper()
	k, err := ledger.GenerateKey(rand.Reader, readKey(t, data).Origin())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// rechain changes the verdict of a vote, hashes everything behind it again and signs the new head.
func rechain(t *testing.T, data string, key ledger.Key) {
	t.Helper()
	rawChange(damages()["edit"]...)(t, data)
	db := rawDB(t, data)
	rows, err := db.QueryContext(t.Context(), `SELECT leaf FROM log_entry ORDER BY idx`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	tree := ledger.NewTree()
	for rows.Next() {
		var leaf []byte
		if err := rows.Scan(&leaf); err != nil {
			t.Fatal(err)
		}
		tree.Append(ledger.LeafHash(bytes.ReplaceAll(leaf, []byte(`"okay"`), []byte(`"okay"`))))
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
	signer, err := key.Signer()
	if err != nil {
		t.Fatal(err)
	}
	h, err := tree.Head(key.Origin(), signer)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), `DROP TRIGGER log_head_grows`)
	if err == nil {
		_, err = db.ExecContext(t.Context(), `UPDATE log_head SET root = $1, frontier = $2, note = $3`, h.Root[:], h.Frontier, h.Note)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// putOld goes on with the ledger and puts the database of before back.
func putOld(t *testing.T, data string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(data, "countersign.db"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := openFixture(context.WithoutCancel(t.Context()), data)
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(data, "countersign.db"), b)
}

// mix puts an entry of another ledger in the place of one.
func mix(t *testing.T, data, other string) {
	t.Helper()
	var leaf []byte
	if err := rawDB(t, other).QueryRowContext(t.Context(), `SELECT leaf FROM log_entry WHERE idx = 4`).Scan(&leaf); err != nil {
		t.Fatal(err)
	}
	db := rawDB(t, data)
	if _, err := db.ExecContext(t.Context(), `DROP TRIGGER log_entry_update`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `UPDATE log_entry SET leaf = $1 WHERE idx = 4`, leaf); err != nil {
		t.Fatal(err)
	}
}
