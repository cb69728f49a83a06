package ledger

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Leaf is one entry of the ledger before encoding: what happened, to which stream, when, by whom.
//
// Rules of the encoding, frozen:
//
//   - v, type, id, stream, seq, time and mono are always there. actor, person, cause, policy and sealed are left out when empty; an
//     empty one in the bytes is refused. Names of the envelope cannot be names of Fields.
//   - mono is written as a string of decimal digits: nanoseconds pass 2^53 after 104 days.
//   - time is written with six decimals and Z, as FormatTime does.
//   - Fields stand beside the envelope at the top level. Decode gives them as string, int64, bool, []any and map[string]any.
//   - A new kind of fact is a new type or a new field. A field never changes its meaning; when it must, v of that type rises.
type Leaf struct {
	V      int    // version of the type's fields, from 1
	Type   string // noun.past_tense
	ID     string // unique in the ledger
	Stream string
	Seq    int64 // 1, 2, 3 … within the stream
	Time   int64 // microseconds since 1970, UTC; more than 0
	Mono   int64 // ledger-monotonic nanoseconds; never less than in an earlier entry

	Actor  string // the account that acted
	Person string // the human behind it, as resolved then
	Cause  string // the inbox row, job or call that was consumed
	Policy string // DocumentHash of the policy version that bound the event

	Sealed map[string]string // field -> Commit of its text
	Fields map[string]any    // the kind's own fields
}

// envelope are the names of a leaf that are not Fields, in the order of the encoding.
var envelope = [...]string{"actor", "cause", "id", "mono", "person", "policy", "sealed", "seq", "stream", "time", "type", "v"}

// Encode gives the bytes that are stored and hashed: canonical JSON, between MinLeafBytes and MaxLeafBytes. It refuses a leaf that
// Decode would not give back.
func Encode(l Leaf) ([]byte, error) {
	return AppendEncode(make([]byte, 0, 768), l)
}

// AppendEncode is Encode behind dst, for writers that keep a buffer. On error dst is lost.
func AppendEncode(dst []byte, l Leaf) ([]byte, error) {
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("encoding leaf %q of %q: %w", l.Type, l.Stream, err)
	}
	start := len(dst)
	var room [24]string
	fields := sortedKeys(room[:0], l.Fields)
	dst = append(dst, '{')
	for _, name := range envelope {
		var err error
		if dst, fields, err = appendFieldsBefore(dst, l.Fields, fields, name); err != nil {
			return nil, fmt.Errorf("encoding leaf %q of %q: %w", l.Type, l.Stream, err)
		}
		if dst, err = l.appendEnvelope(dst, name); err != nil {
			return nil, fmt.Errorf("encoding leaf %q of %q: %q: %w", l.Type, l.Stream, name, err)
		}
	}
	dst, _, err := appendFieldsBefore(dst, l.Fields, fields, "")
	if err != nil {
		return nil, fmt.Errorf("encoding leaf %q of %q: %w", l.Type, l.Stream, err)
	}
	dst[len(dst)-1] = '}' // in place of the last comma: v is always there
	if n := len(dst) - start; n > MaxLeafBytes {
		return nil, fmt.Errorf("encoding leaf %q of %q: %d bytes exceed the limit of %d", l.Type, l.Stream, n, MaxLeafBytes)
	}
	return dst, nil
}

// appendFieldsBefore writes the fields that sort before name, all of them if name is empty, each followed by a comma.
func appendFieldsBefore(dst []byte, m map[string]any, keys []string, name string) ([]byte, []string, error) {
	for len(keys) > 0 && (name == "" || compareUTF16(keys[0], name) <= 0) {
		k := keys[0]
		if k == name {
			return nil, nil, fmt.Errorf("field %q has a name of the envelope", k)
		}
		var err error
		if dst, err = appendMember(dst, k, m[k], 2); err != nil {
			return nil, nil, err
		}
		dst, keys = append(dst, ','), keys[1:]
	}
	return dst, keys, nil
}

// appendEnvelope writes one member of the envelope and a comma, or nothing if it is optional and empty.
func (l *Leaf) appendEnvelope(dst []byte, name string) ([]byte, error) {
	switch name {
	case "actor":
		return appendOptional(dst, `"actor":`, l.Actor)
	case "cause":
		return appendOptional(dst, `"cause":`, l.Cause)
	case "id":
		return appendOptional(dst, `"id":`, l.ID)
	case "mono":
		dst = strconv.AppendInt(append(dst, `"mono":"`...), l.Mono, 10)
		return append(dst, '"', ','), nil
	case "person":
		return appendOptional(dst, `"person":`, l.Person)
	case "policy":
		return appendOptional(dst, `"policy":`, l.Policy)
	case "sealed":
		if len(l.Sealed) == 0 {
			return dst, nil
		}
		dst, err := appendStringMap(append(dst, `"sealed":`...), l.Sealed, 2)
		return append(dst, ','), err
	case "seq":
		return append(strconv.AppendInt(append(dst, `"seq":`...), l.Seq, 10), ','), nil
	case "stream":
		return appendOptional(dst, `"stream":`, l.Stream)
	case "time":
		return append(appendTime(append(dst, `"time":"`...), l.Time), '"', ','), nil
	case "type":
		return appendOptional(dst, `"type":`, l.Type)
	default:
		return append(strconv.AppendInt(append(dst, `"v":`...), int64(l.V), 10), ','), nil
	}
}

func appendOptional(dst []byte, key, v string) ([]byte, error) {
	if v == "" {
		return dst, nil
	}
	dst, err := appendString(append(dst, key...), v)
	return append(dst, ','), err
}

// check holds the rules of the envelope. Encode and Decode both call it, so that neither knows a leaf the other refuses.
func (l *Leaf) check() error {
	switch {
	case l.V < 1 || l.V > MaxInt:
		return fmt.Errorf("version %d is not a positive integer", l.V)
	case l.Seq < 1 || l.Seq > MaxInt:
		return fmt.Errorf("seq %d: a stream counts from 1", l.Seq)
	case l.Time < 1 || l.Time > maxTime:
		return fmt.Errorf("time %d is not a moment between 1970 and 9999 in microseconds", l.Time)
	case l.Mono < 0:
		return fmt.Errorf("mono %d is negative", l.Mono)
	case !isName(l.Type, maxName) || !isName(l.ID, maxName) || !isName(l.Stream, maxStream):
		return fmt.Errorf("type %q, id %q and stream %q must be non-empty, printable and of bounded length", l.Type, l.ID, l.Stream)
	case l.Policy != "" && !isDocumentHash(l.Policy):
		return fmt.Errorf("policy %q is not like sha256: and 64 hexadecimal digits", l.Policy)
	}
	for _, v := range [...]string{l.Actor, l.Person, l.Cause} {
		if v != "" && !isName(v, maxStream) {
			return fmt.Errorf("actor, person or cause %q is not printable or longer than %d bytes", v, maxStream)
		}
	}
	for field, c := range l.Sealed {
		if !isSealedName(field) || !isHash(c) {
			return fmt.Errorf("sealed field %q: %q is not a commitment", field, c)
		}
	}
	return nil
}

// isName tells whether s can stand in a line of text for a person: no control characters, nothing invalid.
func isName[S string | []byte](s S, limit int) bool {
	if len(s) == 0 || len(s) > limit {
		return false
	}
	ascii := true
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7F {
			return false
		}
		ascii = ascii && s[i] < 0x80
	}
	return ascii || utf8.ValidString(string(s))
}

// isHash tells whether s is 64 lower-case hexadecimal digits, the one spelling of 32 bytes in leaves.
func isHash[S string | []byte](s S) bool {
	if len(s) != 64 {
		return false
	}
	for i := 0; i < 64; i += 8 {
		if !areHex(uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56) {
			return false
		}
	}
	return true
}

// areHex tells whether all eight bytes are lower-case hexadecimal digits: none has its top bit, and each addition sets it for those from a
// bound on, without carrying into the next byte.
func areHex(w uint64) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	digits := (w + ones*(0x80-'0')) &^ (w + ones*(0x80-'9'-1))
	letters := (w + ones*(0x80-'a')) &^ (w + ones*(0x80-'f'-1))
	return w&tops == 0 && (digits|letters)&tops == tops
}

// Decode reads the bytes of a leaf. It refuses whatever Encode would not have written byte for byte, so that one leaf has one
// encoding and one hash.
func Decode(b []byte) (Leaf, error) {
	var l Leaf
	err := walkLeaf(&scanner{b: b}, l.member)
	if err == nil {
		err = l.check()
	}
	if err != nil {
		return Leaf{}, fmt.Errorf("decoding leaf: %w", err)
	}
	return l, nil
}

// required has one bit for each name of the envelope that a leaf must have, by its place in envelope.
const required = 1<<2 | 1<<3 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<11

// walkLeaf reads the members of a leaf in order and makes sure that the required ones are there; member must read each value.
func walkLeaf(s *scanner, member func(s *scanner, name []byte) error) error {
	if err := checkLeafBytes(s.b); err != nil {
		return err
	}
	seen, next := 0, 0
	err := s.members(1, func(key []byte) error {
		for next < len(envelope) && envelope[next] < string(key) { // as in UTF-16: the names are ASCII
			next++
		}
		if next < len(envelope) && envelope[next] == string(key) {
			seen |= 1 << next
		}
		return member(s, key)
	})
	if err != nil {
		return err
	}
	return endOfLeaf(s, seen)
}

// checkLeafBytes is what can be said of a leaf before it is read.
func checkLeafBytes(b []byte) error {
	if len(b) < MinLeafBytes || len(b) > MaxLeafBytes {
		return fmt.Errorf("%d bytes are outside %d to %d", len(b), MinLeafBytes, MaxLeafBytes)
	}
	if !utf8.Valid(b) {
		return errNotUTF8
	}
	return nil
}

// endOfLeaf is what is left to say when all members are read. seen has one bit for each name of the envelope.
func endOfLeaf(s *scanner, seen int) error {
	switch {
	case s.i != len(s.b):
		return fmt.Errorf("bytes after the end at offset %d", s.i)
	case seen&required != required:
		return errors.New("one of id, mono, seq, stream, time, type, v is missing")
	}
	return nil
}

func (l *Leaf) member(s *scanner, name []byte) (err error) {
	switch string(name) {
	case "actor":
		l.Actor, err = s.stringText()
	case "cause":
		l.Cause, err = s.stringText()
	case "id":
		l.ID, err = s.stringText()
	case "mono":
		l.Mono, err = s.mono()
	case "person":
		l.Person, err = s.stringText()
	case "policy":
		l.Policy, err = s.stringText()
	case "sealed":
		l.Sealed = make(map[string]string, 4)
		err = s.sealed(func(k, c []byte) { l.Sealed[string(k)] = string(c) })
	case "seq":
		l.Seq, err = s.integer()
	case "stream":
		l.Stream, err = s.stringText()
	case "time":
		l.Time, err = s.time()
	case "type":
		l.Type, err = s.stringText()
	case "v":
		var v int64
		v, err = s.integer()
		l.V = int(v)
	default:
		if l.Fields == nil {
			l.Fields = make(map[string]any, 8)
		}
		l.Fields[string(name)], err = s.value(2)
	}
	return err
}

var errEmpty = errors.New("an empty value of the envelope must be left out")

func (s *scanner) text() ([]byte, error) {
	raw, escaped, err := s.str()
	if err == nil && len(raw) == 0 {
		err = errEmpty
	}
	return unescape(raw, escaped), err
}

func (s *scanner) stringText() (string, error) {
	b, err := s.text()
	return string(b), err
}

func (s *scanner) mono() (int64, error) {
	raw, _, err := s.str()
	if err != nil {
		return 0, err
	}
	n, ok := parseDigits(raw)
	if !ok {
		return 0, fmt.Errorf("mono %q is not a decimal number in its shortest form", raw)
	}
	return n, nil
}

// parseDigits reads a non-negative int64 without sign or leading zeros.
func parseDigits(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 19 || b[0] == '0' && len(b) > 1 {
		return 0, false
	}
	n := uint64(0)
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return int64(n), n <= 1<<63-1
}

// sealed reads the commitments and hands each to one.
func (s *scanner) sealed(one func(field, commitment []byte)) error {
	none := true
	err := s.members(2, func(k []byte) error {
		none = false
		c, err := s.text()
		if err == nil && (!isSealedName(k) || !isHash(c)) {
			return fmt.Errorf("%q is not a commitment", c)
		}
		one(k, c)
		return err
	})
	if err == nil && none {
		err = errEmpty
	}
	return err
}

// Equal tells whether two leaves have one encoding. Fields are compared by what Encode writes for them.
func (l Leaf) Equal(m Leaf) bool {
	a, errA := Encode(l)
	b, errB := Encode(m)
	return errA == nil && errB == nil && slices.Equal(a, b)
}

// Clone copies a leaf and its maps, one level deep.
func (l Leaf) Clone() Leaf {
	l.Sealed, l.Fields = maps.Clone(l.Sealed), maps.Clone(l.Fields)
	return l
}

// At gives the leaf's time as a time.Time in UTC.
func (l Leaf) At() time.Time { return time.UnixMicro(l.Time).UTC() }
