package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// Depth is what looking at everything beside the entries found: what must follow from them, and the tables and guards themselves.
type Depth struct {
	Schema   int64    `json:"schema"`             // its version
	Objects  int64    `json:"objects"`            // tables, indexes, views and triggers, each as this program makes it
	Compared []string `json:"compared"`           // what equals a replay of the entries, table by table
	Beside   []string `json:"beside"`             // what is not part of the evidence, and why
	Gaps     []Gap    `json:"gaps,omitempty"`     // entries that were lost, as the ledger explains it
	Notes    []string `json:"notes,omitempty"`    // worth looking at, and no contradiction
	Wrong    int64    `json:"wrong"`              // everything that contradicts the entries
	Problems []string `json:"problems,omitempty"` // the first of it
}

const maxDepthProblems = 50 // of each inspection that are named

func (d *Depth) wrong(format string, args ...any) {
	if d.Wrong++; d.Wrong <= maxDepthProblems {
		d.Problems = append(d.Problems, fmt.Sprintf(format, args...))
	}
}

func (d *Depth) note(format string, args ...any) {
	if len(d.Notes) < maxDepthProblems {
		d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
	}
}

// besideEvidence are the tables that no entry speaks about: nothing that was decided can be changed by editing them.
func besideEvidence() []string {
	return []string{
		"person: names, addresses and keys of the people file are personal data and erasable; a key that leads to another pseudonym is seen when the folder is compiled next, as the policy then has another hash",
		"inbox, inbox_key: raw deliveries, for thirty days; what was decided is compared with those that are there",
		"account: which user of Slack or of the host somebody is whose texts were erased, or whom an earlier release linked; who is listed in the people file is looked up there at each act",
		"log_checkpoint: when a head was published, to within five minutes of the entries around it; one that no entry speaks about and whose row was deleted is remembered where it was published to",
		"surface: where messages stand in Slack; they are painted anew from the entries",
		"outlet: how far streams and anchors have come; the receiver finds gaps",
		"handover: sealed secrets that wait to be taken; that each was kept, taken or destroyed is in the entries",
		"log_cosig: signatures of witnesses, checked by whoever relies on them with the witness's key",
		"job: how often one was tried, what its last attempt said and who tries it; that each is there, for when, how urgent and at whose pace, is compared; recurring work is set anew at each start",
	}
}

// Inspect holds everything beside the entries against them, in one snapshot: the schema and its guards, the index of streams, consumed causes,
// documents, accounts, texts and marks. The entries themselves are Verify's; the lists and jobs, which the engine must fold, are cmd's.
// It needs memory for the names of accounts, documents and gaps, not for the entries. ErrSchema and ErrDamaged do not occur: what
// cannot be read is a problem.
func (s *Store) Inspect(ctx context.Context) (d Depth, err error) {
	defer wrap(&err, "looking at what lies beside the entries")
	src, err := s.Source(ctx)
	if err != nil {
		return d, err
	}
	defer src.Close()
	i := &inspection{s: s, q: src.with(ctx), d: &d, links: map[string][]link{}, docs: map[string]bool{}, loaded: map[string]int64{}, parts: map[string]string{}, keys: map[int64]string{}, began: map[string]string{}}
	d.Schema, d.Beside = s.version, besideEvidence()
	for _, step := range []func(context.Context) error{i.pages, i.schema, i.entries, i.documents, i.accounts, i.inventory, i.signers, i.heads, i.texts, i.marks} {
		if err := step(ctx); err != nil {
			return d, err
		}
	}
	return d, nil
}

// inspection is one run of Inspect.
type inspection struct {
	s *Store
	q *query
	d *Depth

	size   int64
	links  map[string][]link // account -> persons it was ever linked to
	docs   map[string]bool   // named by any entry
	loaded map[string]int64  // documents that a policy was made of -> the first entry that names them so
	parts  map[string]string // the same -> as what
	keys   map[int64]string  // entry that changes the key -> the new one
	began  map[string]string // request stream -> who asked
	erased []custody.Erased
	pruned []custody.Pruned
	sealed int64
	gaps   []int64
	given  []givenOut
	causes int64
}

// pages looks for damage below the tables: pages, and indexes that do not say what their tables do, so that a look-up misses a row. PostgreSQL
// looks after its own.
func (i *inspection) pages(context.Context) error {
	if i.q.pg {
		return nil
	}
	return i.q.each(`PRAGMA integrity_check(`+strconv.Itoa(maxDepthProblems)+`)`, func(scan func(...any) error) error {
		var verdict string
		err := scan(&verdict)
		if err == nil && verdict != "ok" {
			i.d.wrong("The database file is damaged: %s.", verdict)
		}
		return err
	})
}

// object is one thing of a schema.
type object struct{ kind, name, table, text string }

const sqliteObjects = `SELECT type, name, tbl_name, COALESCE(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'goose%' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY type, name`

func objectsOf(q *query, text string) (out []object, err error) {
	err = q.each(text, func(scan func(...any) error) error {
		var o object
		err := scan(&o.kind, &o.name, &o.table, &o.text)
		out = append(out, o)
		return err
	})
	return out, err
}

// schema compares every table, index, view and trigger with what the migrations make.
func (i *inspection) schema(ctx context.Context) error {
	if i.q.pg {
		return i.schemaPG()
	}
	want, err := freshSchema(ctx, i.s.version)
	if err != nil {
		return err
	}
	have, err := objectsOf(i.q, sqliteObjects)
	if err != nil {
		return err
	}
	i.compareObjects(want, have)
	return nil
}

// freshSchema migrates an empty database in memory to a version.
func freshSchema(ctx context.Context, version int64) (out []object, err error) {
	db, err := sql.Open("sqlite", "file::memory:")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	p, err := newProvider(db, false)
	if err != nil {
		return nil, err
	}
	if _, err := p.UpTo(ctx, version); err != nil {
		return nil, err
	}
	return objectsOf(&query{ctx: ctx, run: db}, sqliteObjects)
}

func (i *inspection) compareObjects(want, have []object) {
	for _, w := range want {
		at := slices.IndexFunc(have, func(h object) bool { return h.kind == w.kind && h.name == w.name })
		switch {
		case at < 0 && w.kind == "trigger":
			i.d.wrong("The guard %s on %s is gone: rows of it could be changed or deleted by any program since.", w.name, w.table)
		case at < 0:
			i.d.wrong("The %s %s is gone.", w.kind, w.name)
		case have[at].text != w.text:
			i.d.wrong("The %s %s was altered: it is not what this program makes.", w.kind, w.name)
		default:
			i.d.Objects++
		}
	}
	for _, h := range have {
		if slices.ContainsFunc(want, func(w object) bool { return h.kind == w.kind && h.name == w.name }) {
			continue
		}
		if h.kind == "trigger" {
			i.d.wrong("The trigger %s on %s is not ours: it can change what is written there.", h.name, h.table)
			continue
		}
		i.d.note("The %s %s is not ours; nothing of it is read.", h.kind, h.name)
	}
}

var triggerPG = regexp.MustCompile(`(?m)^CREATE (?:OR REPLACE )?TRIGGER (\w+) .* ON (\w+) `)

// schemaPG compares triggers, whether they are on, and the functions they call with the migrations' own text.
func (i *inspection) schemaPG() error {
	text, err := migrationText("postgres")
	if err != nil {
		return err
	}
	want := map[string]string{}
	for _, m := range triggerPG.FindAllStringSubmatch(text, -1) {
		want[m[1]] = m[2]
	}
	type guard struct{ name, table, enabled, body string }
	var have []guard
	err = i.q.each(`
		SELECT t.tgname, c.relname, t.tgenabled::text, p.prosrc
		FROM pg_trigger t
		JOIN pg_class c ON c.oid = t.tgrelid
		JOIN pg_namespace n ON n.oid = c.relnamespace
		JOIN pg_proc p ON p.oid = t.tgfoid
		WHERE n.nspname = current_schema() AND NOT t.tgisinternal
		ORDER BY t.tgname`, func(scan func(...any) error) error {
		var g guard
		err := scan(&g.name, &g.table, &g.enabled, &g.body)
		have = append(have, g)
		return err
	})
	if err != nil {
		return err
	}
	for _, g := range have {
		table, ours := want[g.name]
		delete(want, g.name)
		switch {
		case !ours:
			i.d.wrong("The trigger %s on %s is not ours: it can change what is written there.", g.name, g.table)
		case g.table != table || g.enabled != "O" && g.enabled != "A":
			i.d.wrong("The guard %s on %s is off: rows of it could be changed or deleted by any program since.", g.name, g.table)
		case !strings.Contains(text, g.body):
			i.d.wrong("The trigger %s was altered: what it calls is not what this program makes.", g.name)
		default:
			i.d.Objects++
		}
	}
	for name, table := range want {
		i.d.wrong("The guard %s on %s is gone: rows of it could be changed or deleted by any program since.", name, table)
	}
	return nil
}

func migrationText(dialect string) (string, error) {
	var b strings.Builder
	files, err := fs.Glob(migrationFiles, "migrations/"+dialect+"/*.sql")
	for _, f := range files {
		text, rerr := migrationFiles.ReadFile(f)
		if rerr != nil {
			return "", rerr
		}
		b.Write(text)
	}
	return b.String(), err
}

var docHash = regexp.MustCompile(`sha256:[0-9a-f]{64}`)

// indexRow is an entry with its row of the index of streams.
type indexRow struct {
	idx        int64
	leaf       []byte
	stream, id *string
	seq        *int64
}

// entries goes through all entries once, in chunks, so that look-ups can be made between them.
func (i *inspection) entries(context.Context) error {
	var rows int64
	if _, err := i.q.one(`SELECT COALESCE(MAX(idx), -1) + 1 FROM log_entry`, []any{&i.size}); err != nil {
		return err
	}
	run := causeRun{}
	var last ledger.Leaf
	for from := int64(0); from < i.size; from += maxRangeRead {
		chunk, err := i.chunk(from)
		if err != nil {
			return err
		}
		for _, r := range chunk {
			l, err := ledger.Decode(r.leaf)
			if err != nil {
				continue // Verify names it
			}
			i.index(r, l)
			i.learn(r, l)
			if r.idx > 0 {
				i.order(r.idx, last, l)
			}
			last = l
			if err := i.cause(&run, r.idx, l); err != nil {
				return err
			}
		}
	}
	if err := i.endCause(&run); err != nil {
		return err
	}
	if _, err := i.q.one(`SELECT COUNT(*) FROM stream_entry`, []any{&rows}); err != nil {
		return err
	}
	if rows != i.size {
		i.d.wrong("The index of streams has %d rows for %d entries.", rows, i.size)
	}
	i.d.Compared = append(i.d.Compared, fmt.Sprintf("stream_entry: %d places", rows))
	return i.strayCauses()
}

func (i *inspection) chunk(from int64) (out []indexRow, err error) {
	err = i.q.each(`
		SELECT l.idx, l.leaf, e.stream, e.seq, e.id
		FROM log_entry l
		LEFT JOIN stream_entry e ON e.idx = l.idx
		WHERE l.idx >= $1 AND l.idx < $2
		ORDER BY l.idx`, func(scan func(...any) error) error {
		var r indexRow
		err := scan(&r.idx, &r.leaf, &r.stream, &r.seq, &r.id)
		out = append(out, r)
		return err
	}, from, from+maxRangeRead)
	return out, err
}

func (i *inspection) index(r indexRow, l ledger.Leaf) {
	switch {
	case r.stream == nil || r.seq == nil || r.id == nil:
		i.d.wrong("Entry %d has no row in the index of streams: nobody who reads %s sees it.", r.idx, l.Stream)
	case *r.stream != l.Stream || *r.seq != l.Seq || *r.id != l.ID:
		i.d.wrong("Entry %d is number %d of %s; the index of streams says number %d of %s.", r.idx, l.Seq, l.Stream, *r.seq, *r.stream)
	}
}

// learn keeps what later steps compare with.
func (i *inspection) learn(r indexRow, l ledger.Leaf) {
	i.sealed += int64(len(l.Sealed))
	for _, h := range docHash.FindAll(r.leaf, -1) {
		i.docs[string(h)] = true
	}
	switch {
	case l.Type == "person.linked":
		account, _ := l.Fields["account"].(string)
		medium, _ := l.Fields["medium"].(string)
		i.links[account] = append(i.links[account], link{workflows.StreamID(l.Stream).Rest(), medium, r.idx, l.Sealed[fieldUser]})
	case l.Type == ledger.TypeKeyRotated:
		i.keys[r.idx], _ = l.Fields["vkey"].(string)
	case l.Type == (workflows.PolicyLoaded{}).Kind():
		i.load(r.idx, l)
	case l.Seq == 1 && workflows.StreamID(l.Stream).Kind() == workflows.KindRequest:
		i.began[l.Stream] = l.Person
	case l.Type == AnchorPublished{}.Kind():
		if size, ok := l.Fields["size"].(int64); ok {
			i.given = append(i.given, givenOut{idx: r.idx, size: size, at: workflows.Stamp(l.Time)})
		}
	case l.Type == custody.RollbackAccepted{}.Kind():
		i.gaps = append(i.gaps, r.idx)
	case l.Type == custody.Erased{}.Kind():
		decodeInto(l, &i.erased)
	case l.Type == custody.Pruned{}.Kind():
		decodeInto(l, &i.pruned)
	}
}

// link is whom an entry tied an account to, what kind of account it was, and the commitment to which user of that kind; empty in an entry of an
// earlier release.
type link struct {
	person, medium string
	idx            int64
	user           string
}

// fieldUser is the sealed field of a link that says which user the account is.
const fieldUser = "user"

// load notes the documents of a policy.
func (i *inspection) load(idx int64, l ledger.Leaf) {
	for _, part := range []string{"workflows", "runbooks", "sources"} {
		docs, _ := l.Fields[part].(map[string]any)
		for name, hash := range docs {
			hash, _ := hash.(string)
			if _, known := i.loaded[hash]; !known && hash != "" {
				i.loaded[hash] = idx
			}
			as := part
			if folder, _, found := strings.Cut(name, "/"); part == "sources" && found {
				as += "/" + folder
			}
			if before, known := i.parts[hash]; known && before != as {
				as = "" // named for two things
			}
			i.parts[hash] = as
		}
	}
}

// decodeInto reads the clear fields of a leaf as an event; what does not fit explains nothing.
func decodeInto[E any](l ledger.Leaf, list *[]E) {
	raw, err := json.Marshal(l.Fields)
	var e E
	if err == nil && json.Unmarshal(raw, &e) == nil {
		*list = append(*list, e)
	}
}

// order finds wall clock that goes back without an entry that says the clock was set. Replicas on PostgreSQL may differ a little.
func (i *inspection) order(idx int64, before, l ledger.Leaf) {
	if back := workflows.Stamp(before.Time).Sub(workflows.Stamp(l.Time)); back > jumpLimit && l.Type != (ClockJumped{}).Kind() {
		i.d.note("Entry %d is %s before the one that precedes it, and no entry says that the clock was set.", idx, back.Round(1e6))
	}
}

// causeRun is neighbouring entries of one cause.
type causeRun struct {
	cause       string
	first, last int64
	refusal     string // code of the refusal among them
}

func (i *inspection) cause(run *causeRun, idx int64, l ledger.Leaf) error {
	if l.Cause != run.cause {
		if err := i.endCause(run); err != nil {
			return err
		}
		*run = causeRun{cause: l.Cause, first: idx}
	}
	run.last = idx
	if l.Type == (workflows.Refused{}).Kind() {
		run.refusal, _ = l.Fields["code"].(string)
	}
	return nil
}

// endCause compares a cause with its row: without the row, the same click would count again.
func (i *inspection) endCause(run *causeRun) error {
	if run.cause == "" {
		return nil
	}
	i.causes++
	var first, last int64
	var refusal string
	found, err := i.q.one(`SELECT first_idx, last_idx, refusal FROM cause WHERE id = $1`, []any{&first, &last, &refusal}, run.cause)
	if err != nil {
		return err
	}
	var said workflows.Refusal
	switch {
	case !found:
		i.d.wrong("The cause %s of entry %d is not remembered as consumed: the same order would count twice.", run.cause, run.first)
	case first != run.first || last != run.last:
		i.d.wrong("The cause %s made entries %d to %d; its row says %d to %d.", run.cause, run.first, run.last, first, last)
	case refusal == "" && run.refusal != "":
		i.d.wrong("The cause %s was refused in entry %d; its row says that it was not.", run.cause, run.last)
	case refusal != "" && json.Unmarshal([]byte(refusal), &said) != nil:
		i.d.wrong("The answer that is kept for cause %s cannot be read.", run.cause)
	case refusal != "" && run.refusal != "" && said.Code != run.refusal && said.Sentence != erasedAnswer:
		i.d.wrong("The cause %s was refused as %q in entry %d; its row says %q.", run.cause, run.refusal, run.last, said.Code)
	}
	return nil
}

// strayCauses counts rows that no entry carries: they made none, or are not ours.
func (i *inspection) strayCauses() error {
	var rows, empty int64
	if _, err := i.q.one(`SELECT COUNT(*), COALESCE(SUM(CASE WHEN last_idx < first_idx THEN 1 ELSE 0 END), 0) FROM cause`, []any{&rows, &empty}); err != nil {
		return err
	}
	if rows-empty > i.causes {
		i.d.wrong("%d rows say that a cause was consumed by entries which do not carry it: orders could be answered without being carried out.", rows-empty-i.causes)
	}
	i.d.Compared = append(i.d.Compared, fmt.Sprintf("cause: %d consumed by entries", i.causes))
	return nil
}

// documents: each is what its hash says. Those that entries are bound by are Verify's, too.
func (i *inspection) documents(context.Context) error {
	n := 0
	err := i.q.each(`SELECT hash, kind, bytes FROM document ORDER BY hash`, func(scan func(...any) error) error {
		var hash, kind string
		var b []byte
		if err := scan(&hash, &kind, &b); err != nil {
			return err
		}
		n++
		switch {
		case ledger.DocumentHash(b) != hash:
			i.d.wrong("The document %s (%s) was changed: its bytes have another hash.", hash, kind)
		case !slices.Contains(documentKinds(i.parts[hash]), kind):
			i.d.wrong("The document %s is kept as one of %q, which is not what the entries name it for.", hash, kind)
		case !i.docs[hash]:
			i.d.note("The document %s (%s) is named by no entry: nothing was decided by it.", hash, kind)
		}
		delete(i.docs, hash)
		delete(i.loaded, hash)
		return nil
	})
	for _, hash := range slices.Sorted(maps.Keys(i.loaded)) {
		i.d.wrong("The document %s, which entry %d put in force, is gone.", hash, i.loaded[hash])
	}
	i.d.Compared = append(i.d.Compared, fmt.Sprintf("document: %d texts", n))
	return err
}

// documentKinds are those that a document may be kept as which the policy names in one of its parts; empty: elsewhere, or in several.
func documentKinds(part string) []string {
	switch part {
	case "workflows", "runbooks":
		return []string{"policy"}
	case "sources/workflows":
		return []string{"source"}
	case "sources/runbooks":
		return []string{"runbook"}
	default:
		return []string{"policy", "source", "runbook", "targets"}
	}
}

// kindListed is the kind of accounts that stand for a line of the people file: nobody acts by one.
const kindListed = "listed"

// accounts: which account is whose must be on record; who edits that row acts as somebody else.
func (i *inspection) accounts(context.Context) error {
	list, err := accounts(i.q, `ORDER BY actor`)
	if err != nil {
		return err
	}
	tied, bound := 0, 0
	for _, a := range list {
		if a.Person == "" || a.Kind == kindListed {
			continue
		}
		tied++
		of := i.links[string(a.Actor)]
		switch of = slices.DeleteFunc(slices.Clone(of), func(l link) bool { return l.person != string(a.Person) }); {
		case len(of) == 0:
			i.d.wrong("The account %s (%s) acts for %s, which no entry says.", a.Actor, a.Kind, a.Person)
		case !slices.ContainsFunc(of, func(l link) bool { return l.medium == a.Kind || l.medium == "" }):
			i.d.wrong("The account %s of %s is kept as one of %s; the entry that ties them says %s.", a.Actor, a.Person, a.Kind, of[0].medium)
		}
		known, err := i.sameUser(a, of)
		if err != nil {
			return err
		}
		if known {
			bound++
		}
	}
	i.d.Compared = append(i.d.Compared, fmt.Sprintf("account: %d tied to people, %d of them with the user they are", tied, bound))
	return nil
}

// sameUser holds the user of an account against the entries that tie it to its person, where their texts are still there. Who edits that row
// lets another user of Slack or of the host act as the person.
func (i *inspection) sameUser(a Account, of []link) (known bool, err error) {
	for _, l := range of {
		if l.user == "" {
			continue
		}
		o := ledger.Opening{Field: fieldUser, Value: a.Key}
		var salt []byte
		found, err := i.q.one(`SELECT salt FROM opening WHERE idx = $1 AND field = $2`, []any{&salt}, l.idx, fieldUser)
		if err != nil {
			return false, err
		}
		if !found || len(salt) != len(o.Salt) {
			continue
		}
		known = true
		copy(o.Salt[:], salt)
		if !ledger.Open(l.user, o) {
			i.d.wrong("The account %s of %s is kept as another user of %s than the one entry %d ties to them: whoever that is acts as %s.", a.Actor, a.Person, a.Kind, l.idx, a.Person)
			break
		}
	}
	return known, nil
}
