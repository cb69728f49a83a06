package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/ledger/bundle"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/grants"
)

// A proof is a text for an e-mail: blocks of base64 that survive being wrapped and quoted. Each entry is followed by the texts that
// are disclosed of it and by a C2SP tlog-proof, which leads from the entry to a signed head.
const (
	blockEntry   = "COUNTERSIGN ENTRY"
	blockOpening = "COUNTERSIGN OPENING" // a line of openings.jsonl
	blockProof   = "C2SP TLOG PROOF"
	blockNames   = "COUNTERSIGN NAMES" // the sender's word for who the pseudonyms are
	headerKey    = "Key"

	maxProofFile  = 4 << 20 // a request with a hundred votes has some 300 KB
	maxProofItems = 512     // entries in one proof
)

// provable is an entry on its way into, or out of, a proof.
type provable struct {
	index  int64
	leaf   []byte
	opened []ledger.Opening
}

func ledgerProve(ctx context.Context, p proc) error {
	flags := p.flags("ledger prove", "ENTRY|REQUEST|GRANT [-data DIR] [-bundle FILE] [-open]")
	data := flags.String("data", "", "data folder; default: COUNTERSIGN_DATA")
	from := flags.String("bundle", "", "prove out of an exported bundle instead")
	open := flags.Bool("open", false, "disclose the texts of the entries and the names of the people in them")
	words, err := p.parseMixed(flags, 1, 1)
	if err != nil {
		return err
	}
	e, err := openEvidence(ctx, p, *data, *from)
	if err != nil {
		return err
	}
	defer e.close()
	list, err := e.findProvable(ctx, words[0])
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return hint(fmt.Errorf("there is nothing called %q in the ledger", words[0]), "name an entry by number or id, a request r_… or a grant g_…; countersign ledger search finds them")
	}
	if !*open {
		for i := range list {
			list[i].opened = nil
		}
		clear(e.names)
	}
	return e.prove(ctx, p.out, list)
}

// findProvable finds the entries a word stands for: one by its number or id, the decisions of a request, the start of a grant.
func (e *evidence) findProvable(ctx context.Context, word string) (out []provable, err error) {
	size, err := e.size(ctx)
	if err != nil {
		return nil, err
	}
	keep := func(r *row) error {
		if len(out) == maxProofItems {
			return fmt.Errorf("more than %d entries belong to %q: name one by its number", maxProofItems, word)
		}
		out = append(out, provable{r.Index, r.leaf, r.opened})
		return nil
	}
	if n, err := strconv.ParseInt(word, 10, 64); err == nil {
		if n < 0 || n >= size {
			return nil, fmt.Errorf("there is no entry %d: the ledger has %d", n, size)
		}
		return out, e.rows(ctx, n, n+1, keep)
	}
	request := workflows.RequestID(strings.TrimPrefix(word, workflows.KindRequest+"/"))
	return out, e.mentions(ctx, size, string(request), func(r *row) error {
		if r.ID == word || decides(r.Record, request) {
			return keep(r)
		}
		return nil
	})
}

// mentions gives the entries whose bytes contain a word; the others are not decoded.
func (e *evidence) mentions(ctx context.Context, size int64, word string, each func(*row) error) error {
	var places []int64
	for x, err := range e.src.Entries(ctx, 0, size) {
		if err != nil {
			return broken(err)
		}
		if bytes.Contains(x.Leaf, []byte(word)) {
			places = append(places, x.Index)
		}
	}
	for _, i := range places {
		if err := e.rows(ctx, i, i+1, each); err != nil {
			return err
		}
	}
	return nil
}

// decides tells whether an entry is one of those that decided a request, or that made a grant.
func decides(r workflows.Record, id workflows.RequestID) bool {
	if g, ok := r.Event.(grants.Approved); ok {
		return g.Request == id || string(g.Grant) == string(id)
	}
	if r.Stream != workflows.RequestStream(id) {
		return false
	}
	switch r.Event.(type) {
	case workflows.Submitted, workflows.VoteRecorded, workflows.VoteTakenBack, workflows.Approved, workflows.Denied, workflows.Withdrawn,
		workflows.TimedOut, workflows.Superseded, workflows.Failed:
		return true
	}
	return false
}

func (e *evidence) prove(ctx context.Context, w io.Writer, list []provable) error {
	head, err := e.src.Head(ctx)
	if err != nil {
		return err
	}
	key, err := e.key(ctx, head.Size)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "This proves %s of the ledger %s. To check it, save it as FILE and run\n\n    countersign ledger check-proof FILE -vkey KEY\n\n"+
		"with the ledger's public key as you know it. Nothing but this text is needed.\n\n", entries(len(list)), originOf(key))
	if err := e.writeNames(&out, list); err != nil {
		return err
	}
	tiles := ledger.NewProver(e.tiles)
	for _, x := range list {
		path, err := ledger.ProveInclusion(ctx, tiles, head.Size, x.index)
		if err != nil {
			return brokenError{err}
		}
		receipt := ledger.Receipt{Index: x.index, Proof: path, Checkpoint: head.Note}
		keys, err := ledger.Verifiers(key)
		if err == nil {
			_, err = receipt.Verify(x.leaf, "", keys) // never hand out a proof that does not hold
		}
		if err != nil {
			return hint(brokenError{err}, "countersign ledger verify says what is wrong")
		}
		if err := writeProvable(&out, x, receipt, key); err != nil {
			return err
		}
	}
	_, err = w.Write(out.Bytes())
	return err
}

func entries(n int) string {
	if n == 1 {
		return "one entry"
	}
	return fmt.Sprintf("%d entries", n)
}

func originOf(vkey string) string {
	origin, _, _ := strings.Cut(vkey, "+")
	return origin
}

func writeProvable(out io.Writer, x provable, receipt ledger.Receipt, key string) error {
	blocks := []*pem.Block{{Type: blockEntry, Bytes: x.leaf}}
	for _, o := range x.opened {
		line, err := bundle.OpeningLine(ledger.EntryOpening{Index: x.index, Opening: o})
		if err != nil {
			return err
		}
		blocks = append(blocks, &pem.Block{Type: blockOpening, Bytes: line})
	}
	blocks = append(blocks, &pem.Block{Type: blockProof, Headers: map[string]string{headerKey: key}, Bytes: receipt.Text()})
	for _, b := range blocks {
		if err := pem.Encode(out, b); err != nil {
			return err
		}
	}
	return nil
}

// writeNames discloses the names of the people in the entries.
func (e *evidence) writeNames(out io.Writer, list []provable) error {
	names := map[string]string{}
	for _, x := range list {
		for _, id := range personID.FindAllString(string(x.leaf), -1) {
			if name := e.names[workflows.PersonID(id)]; name != "" {
				names[id] = name
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	b, err := json.Marshal(names)
	if err != nil {
		return err
	}
	return pem.Encode(out, &pem.Block{Type: blockNames, Bytes: b})
}

// key is the public key that the ledger itself names as the one that signs now.
func (e *evidence) key(ctx context.Context, size int64) (vkey string, err error) {
	for x, err := range e.src.Entries(ctx, 0, size) {
		if err != nil {
			return "", broken(err)
		}
		if x.Index > 0 && !bytes.Contains(x.Leaf, []byte(`"type":"`+ledger.TypeKeyRotated+`"`)) {
			continue
		}
		l, err := ledger.Decode(x.Leaf)
		if err != nil {
			return "", brokenError{err}
		}
		if l.Type == ledger.TypeGenesis || l.Type == ledger.TypeKeyRotated {
			vkey, _ = l.Fields["vkey"].(string)
		}
	}
	return vkey, nil
}

func ledgerCheckProof(_ context.Context, p proc) error {
	flags := p.flags("ledger check-proof", "FILE [-vkey KEY] [-zone ZONE]")
	pin := flags.String("vkey", "", "the ledger's public key, or a file with it, as you know it from elsewhere")
	zone := flags.String("zone", "UTC", "time zone of the times that are shown")
	words, err := p.parseMixed(flags, 1, 1)
	if err != nil {
		return err
	}
	loc, err := zoneNamed(*zone)
	if err != nil {
		return err
	}
	keys, err := vkeyArgument(*pin)
	if err != nil {
		return err
	}
	text, err := readLimited(words[0], maxProofFile)
	if err != nil {
		return err
	}
	proof, err := parseProof(text)
	if err != nil {
		return hint(fmt.Errorf("reading the proof %s: %w", words[0], err), "save the whole text, from the first ----- to the last")
	}
	told, err := proof.check(keys, loc)
	if err != nil {
		return brokenError{err}
	}
	_, err = io.WriteString(p.out, told)
	return err
}

func readLimited(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s is larger than %d bytes", path, limit)
	}
	return b, err
}

// proofText is a proof as it was read; nothing of it is checked.
type proofText struct {
	names map[workflows.PersonID]string
	items []proofItem
}

type proofItem struct {
	provable
	receipt ledger.Receipt
	key     string // the one that the text itself names
}

// parseProof takes the text apart. Quoting by mail programs is taken off.
func parseProof(text []byte) (out proofText, err error) {
	lines := strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimLeft(l, "> ")
	}
	rest := []byte(strings.Join(lines, "\n"))
	var now *provable
	for {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		switch {
		case b.Type == blockNames && out.names == nil:
			if err := json.Unmarshal(b.Bytes, &out.names); err != nil {
				return out, fmt.Errorf("its names: %w", err)
			}
		case b.Type == blockEntry && now == nil:
			now = &provable{leaf: b.Bytes}
		case b.Type == blockOpening && now != nil:
			o, err := bundle.ParseOpening(bytes.TrimSuffix(b.Bytes, []byte("\n")))
			if err != nil {
				return out, err
			}
			now.opened = append(now.opened, o.Opening)
		case b.Type == blockProof && now != nil && len(out.items) < maxProofItems:
			r, err := ledger.ParseReceipt(b.Bytes)
			if err != nil {
				return out, err
			}
			now.index = r.Index
			out.items = append(out.items, proofItem{*now, r, b.Headers[headerKey]})
			now = nil
		default:
			return out, fmt.Errorf("the block %q stands where it does not belong", b.Type)
		}
	}
	if now != nil || len(out.items) == 0 {
		return out, errors.New("an entry and its proof are missing")
	}
	return out, nil
}

// check verifies every entry and says in words what they record. Without keys, the key that the text names counts, and the words say so.
func (t proofText) check(keys []string, zone *time.Location) (string, error) {
	dec, err := store.NewDecoder(eventKinds())
	if err != nil {
		return "", err
	}
	pinned := len(keys) > 0
	if !pinned {
		keys = []string{t.items[0].key}
	}
	verifiers, err := ledger.Verifiers(keys...)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	n := newNarrator(zone, t.names)
	for i, x := range t.items {
		cp, err := x.receipt.Verify(x.leaf, originOf(keys[0]), verifiers)
		if err != nil {
			return "", fmt.Errorf("entry %d is NOT proven: %w", x.index, err)
		}
		r, err := dec.Record(x.index, x.leaf, x.opened)
		if err != nil {
			return "", fmt.Errorf("entry %d is NOT proven: %w", x.index, err)
		}
		if i == 0 {
			fmt.Fprintf(&out, "Proven: %s of the ledger %s, as signed over %d entries.\n\n", entries(len(t.items)), cp.Origin, cp.Size)
		}
		fmt.Fprintf(&out, "Entry %d, %s:\n  %s\n", x.index, n.at(r.At.UTC), n.Sentence(r))
		writeWho(&out, r, t.names)
	}
	if !pinned {
		fmt.Fprintf(&out, "\nThe signature is by the key that the proof itself names:\n  %s\nCompare it with the one you know, or give that with -vkey: anybody can sign with a key of their own.\n", keys[0])
	}
	return out.String(), nil
}

// writeWho gives in full what sentences shorten.
func writeWho(out io.Writer, r workflows.Record, names map[workflows.PersonID]string) {
	if r.Person != "" {
		name := "a pseudonym"
		if names[r.Person] != "" {
			name = fmt.Sprintf("%s by the word of who sent this", printable(names[r.Person]))
		}
		fmt.Fprintf(out, "  by person %s (%s), account %s\n", r.Person, name, r.Actor)
	}
	if r.Policy != "" {
		fmt.Fprintf(out, "  under policy %s\n", r.Policy)
	}
}

// parseMixed parses flags that stand before or behind the words.
func (p proc) parseMixed(fs *flag.FlagSet, least, most int) (words []string, err error) {
	for rest := p.args; ; {
		if err := (proc{args: rest}).parse(fs, 0, len(rest)); err != nil {
			return nil, err
		}
		left := fs.Args()
		if len(left) == 0 {
			break
		}
		words, rest = append(words, left[0]), slices.Clone(left[1:])
	}
	switch {
	case len(words) < least:
		return nil, usageError{"something is missing"}
	case len(words) > most:
		return nil, usageError{fmt.Sprintf("%q is too much", words[most])}
	}
	return words, nil
}
