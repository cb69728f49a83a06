package store

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
)

// leafVersion is v of every leaf so far: no field has changed its meaning yet.
const leafVersion = 1

// A sealed list or map has one commitment for each element, named field/0, field/1 … or field/key, so that one can be opened
// or erased without the others.
const sealedSep = "/"

// sealedShape is the type of a sealed field.
type sealedShape int

const (
	sealedText sealedShape = iota
	sealedList
	sealedMap
)

// sealedFields gives the JSON names of the fields of an event struct that are tagged seal:"true".
func sealedFields(t reflect.Type) (map[string]sealedShape, error) {
	out := make(map[string]sealedShape)
	for f := range t.Fields() {
		if f.Tag.Get("seal") != "true" {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			return nil, fmt.Errorf("sealed field %s.%s has no JSON name", t.Name(), f.Name)
		}
		switch f.Type.Kind() {
		case reflect.String:
			out[name] = sealedText
		case reflect.Slice:
			out[name] = sealedList
		case reflect.Map:
			out[name] = sealedMap
		default:
			return nil, fmt.Errorf("sealed field %s.%s is a %s", t.Name(), f.Name, f.Type)
		}
	}
	return out, nil
}

// kindOf is an event kind with what reflection found about it, once.
type kindOf struct {
	workflows.EventKind
	sealed map[string]sealedShape
	typ    reflect.Type
	shape  *shape // nil: events of this kind go through JSON
}

func kindsByName(lists ...[]workflows.EventKind) (map[string]kindOf, error) {
	out := make(map[string]kindOf)
	for _, list := range lists {
		for _, k := range list {
			if _, ok := out[k.Name]; ok {
				return nil, fmt.Errorf("event kind %q is defined twice", k.Name)
			}
			t := reflect.TypeOf(k.New()).Elem()
			shapes, err := sealedFields(t)
			if err != nil {
				return nil, err
			}
			out[k.Name] = kindOf{EventKind: k, sealed: shapes, typ: t, shape: shapeOf(t, maxShapeDepth)}
		}
	}
	return out, nil
}

var errNotText = errors.New("a text is not valid UTF-8")

// fieldsOf gives the fields of an event's leaf and the texts to be sealed.
func (k kindOf) fieldsOf(e workflows.Event) (fields map[string]any, sealed map[string]string, err error) {
	if v := reflect.ValueOf(e); k.shape != nil && v.Type() == k.typ {
		return k.shape.members(v)
	}
	return leafFields(e, k.sealed)
}

// leafFields turns an event into the fields of a leaf, the texts to be sealed taken out.
func leafFields(e workflows.Event, shapes map[string]sealedShape) (fields map[string]any, sealed map[string]string, err error) {
	raw, err := json.Marshal(e)
	if err != nil {
		return nil, nil, err
	}
	if hasReplacedBytes(raw) {
		return nil, nil, errNotText
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&fields); err != nil {
		return nil, nil, err
	}
	sealed = make(map[string]string, len(shapes))
	for name, shape := range shapes {
		if v, ok := fields[name]; ok && v != nil {
			takeSealed(sealed, name, shape, v)
		}
		delete(fields, name)
	}
	dropNulls(fields)
	return fields, sealed, nil
}

func takeSealed(dst map[string]string, name string, shape sealedShape, v any) {
	switch v := v.(type) {
	case string:
		if v != "" {
			dst[name] = v
		}
	case []any:
		for i, e := range v {
			dst[name+sealedSep+strconv.Itoa(i)] = e.(string)
		}
	case map[string]any:
		for k, e := range v {
			dst[name+sealedSep+k] = e.(string)
		}
	}
}

// hasReplacedBytes finds the escape that encoding/json writes in place of a byte that is not UTF-8; a genuine U+FFFD stands
// unescaped.
func hasReplacedBytes(raw []byte) bool {
	for i := 0; i+1 < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		if bytes.HasPrefix(raw[i:], []byte(`\ufffd`)) {
			return true
		}
		i++
	}
	return false
}

// dropNulls leaves out what is nil: the profile has no null, and an absent list decodes to nil again.
func dropNulls(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e == nil {
				delete(v, k)
				continue
			}
			dropNulls(e)
		}
	case []any:
		for _, e := range v {
			dropNulls(e)
		}
	}
}

// encoded is one event ready to be inserted.
type encoded struct {
	leaf     []byte
	id       string
	stream   workflows.StreamID
	seq      int64
	openings []ledger.Opening
	subject  string
	record   workflows.Record
}

// stampedEvent is an event with what append adds to it.
type stampedEvent struct {
	workflows.StreamEvent
	seq   int64
	at    workflows.Instant
	cause string
}

// encode makes the leaf and its openings. The record is what a later reader will decode, so that the fold of a live process
// and of a restarted one see the same values.
func (s *Store) encode(e stampedEvent, idx int64) (encoded, error) {
	if e.Event == nil {
		return encoded{}, errors.New("an event is missing")
	}
	kind, ok := s.kinds[e.Event.Kind()]
	if !ok {
		return encoded{}, fmt.Errorf("%q is not an event kind this store was opened with", e.Event.Kind())
	}
	fields, texts, err := kind.fieldsOf(e.Event)
	if err != nil {
		return encoded{}, fmt.Errorf("encoding %q of %q: %w", e.Event.Kind(), e.Stream, err)
	}
	out := encoded{id: newEntryID(e.at.UTC), stream: e.Stream, seq: e.seq, subject: string(e.Person)}
	sealed := make(map[string]string, len(texts))
	for _, field := range sortedKeys(texts) {
		c, o, err := ledger.Seal(rand.Reader, field, texts[field])
		if err != nil {
			return encoded{}, fmt.Errorf("encoding %q of %q: %w", e.Event.Kind(), e.Stream, err)
		}
		sealed[field] = c
		out.openings = append(out.openings, o)
	}
	out.leaf, err = ledger.Encode(ledger.Leaf{
		V: leafVersion, Type: e.Event.Kind(), ID: out.id,
		Stream: string(e.Stream), Seq: e.seq, Time: int64(e.at.UTC), Mono: e.at.Mono,
		Actor: string(e.Actor), Person: string(e.Person), Cause: e.cause, Policy: string(e.Policy),
		Sealed: sealed, Fields: fields,
	})
	if err != nil {
		return encoded{}, err
	}
	out.record, err = s.recordOf(kind, e, out, idx, texts)
	return out, err
}

// recordOf gives what a reader of the leaf would decode.
func (s *Store) recordOf(kind kindOf, e stampedEvent, out encoded, idx int64, texts map[string]string) (workflows.Record, error) {
	v := reflect.ValueOf(e.Event)
	if kind.shape == nil || v.Type() != kind.typ {
		d, err := s.decodeLeaf(idx, out.leaf)
		if err != nil {
			return workflows.Record{}, err
		}
		d.texts = texts
		return s.record(d)
	}
	p := kind.New()
	if err := kind.shape.readBack(reflect.ValueOf(p).Elem(), v); err != nil {
		return workflows.Record{}, fmt.Errorf("encoding %q of %q: %w", e.Event.Kind(), e.Stream, err)
	}
	return workflows.Record{
		Index: idx, ID: out.id, Stream: e.Stream, Seq: e.seq, At: e.at, Actor: e.Actor, Person: e.Person, Cause: e.cause, Policy: e.Policy,
		Event: kind.Value(p),
	}, nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// newEntryID is "e_", the time in milliseconds and 80 random bits, all in hex: ids sort by time, so that their index grows at
// one edge.
func newEntryID(at workflows.Stamp) string {
	var b [16]byte
	ms := uint64(at) / uint64(time.Millisecond/time.Microsecond)
	for i := range 6 {
		b[i] = byte(ms >> (8 * (5 - i)))
	}
	_, _ = rand.Read(b[6:]) // never fails: crypto/rand ends the process instead
	return "e_" + hex.EncodeToString(b[:])
}

// decoded is a leaf on its way to a record, with the texts of its sealed fields that could be opened.
type decoded struct {
	idx   int64
	leaf  ledger.Leaf
	texts map[string]string
}

func (s *Store) decodeLeaf(idx int64, leaf []byte) (*decoded, error) {
	l, err := ledger.Decode(leaf)
	if err != nil {
		return nil, fmt.Errorf("%w: entry %d: %w", ErrDamaged, idx, err)
	}
	return &decoded{idx: idx, leaf: l}, nil
}

// unseal checks the openings against the commitments of the leaf. A wrong one is damage; a missing one was erased.
func (d *decoded) unseal(opened map[string]opening) error {
	d.texts = make(map[string]string, len(opened))
	for field, o := range opened {
		c, ok := d.leaf.Sealed[field]
		if !ok || len(o.salt) != len(ledger.Salt{}) || !ledger.Open(c, ledger.Opening{Field: field, Salt: ledger.Salt(o.salt), Value: string(o.value)}) {
			return fmt.Errorf("%w: entry %d: the text beside %q is not the one that was recorded", ErrDamaged, d.idx, field)
		}
		d.texts[field] = string(o.value)
	}
	return nil
}

// record decodes the event. Sealed fields without opening are empty; a sealed list or map keeps its shape.
func (s *Store) record(d *decoded) (workflows.Record, error) {
	kind, ok := s.kinds[d.leaf.Type]
	if !ok {
		return workflows.Record{}, fmt.Errorf("%w: entry %d is of the unknown kind %q", ErrSchema, d.idx, d.leaf.Type)
	}
	p := kind.New()
	if err := d.fill(p, kind.sealed); err != nil {
		return workflows.Record{}, fmt.Errorf("%w: entry %d, %q: %w", ErrSchema, d.idx, d.leaf.Type, err)
	}
	return workflows.Record{
		Index: d.idx, ID: d.leaf.ID, Stream: workflows.StreamID(d.leaf.Stream), Seq: d.leaf.Seq,
		At:    workflows.Instant{UTC: workflows.Stamp(d.leaf.Time), Mono: d.leaf.Mono},
		Actor: workflows.ActorID(d.leaf.Actor), Person: workflows.PersonID(d.leaf.Person),
		Cause: d.leaf.Cause, Policy: workflows.DocHash(d.leaf.Policy), Event: kind.Value(p),
	}, nil
}

// fill sets the event behind p. A field this program does not know is an error: folding a part of a fact decides wrongly.
func (d *decoded) fill(p any, shapes map[string]sealedShape) error {
	fields := make(map[string]any, len(d.leaf.Fields)+len(shapes))
	for k, v := range d.leaf.Fields {
		fields[k] = v
	}
	for name := range d.leaf.Sealed {
		if err := putSealed(fields, shapes, name, d.texts[name]); err != nil {
			return err
		}
	}
	raw, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	return dec.Decode(p)
}

func putSealed(fields map[string]any, shapes map[string]sealedShape, name, text string) error {
	field, part, _ := strings.Cut(name, sealedSep)
	shape, ok := shapes[field]
	if !ok {
		return fmt.Errorf("unknown sealed field %q", name)
	}
	switch shape {
	case sealedText:
		fields[field] = text
	case sealedMap:
		m, _ := fields[field].(map[string]string)
		if m == nil {
			m = make(map[string]string)
			fields[field] = m
		}
		m[part] = text
	case sealedList:
		i, err := strconv.Atoi(part)
		if err != nil || i < 0 || i > ledger.MaxLeafBytes {
			return fmt.Errorf("sealed element %q has no place", name)
		}
		list, _ := fields[field].([]string)
		for len(list) <= i {
			list = append(list, "")
		}
		list[i] = text
		fields[field] = list
	}
	return nil
}
