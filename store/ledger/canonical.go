package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Canonical encodes v, which must be an object, in the ledger's JSON profile: RFC 8785 without floats and null, integers within
// ±MaxInt, at most MaxDepth levels and MaxDocBytes bytes. Maps of plain values are written directly; anything else goes through
// its json.Marshal form first. The hash that names the result is DocumentHash.
func Canonical(v any) ([]byte, error) {
	m, ok := v.(map[string]any)
	if !ok {
		got, err := viaJSON(v)
		if err != nil {
			return nil, fmt.Errorf("encoding document: %w", err)
		}
		if m, ok = got.(map[string]any); !ok {
			return nil, fmt.Errorf("encoding document: the root is %T, not an object", v)
		}
	}
	b, err := appendObject(make([]byte, 0, 1024), m, 1)
	if err != nil {
		return nil, fmt.Errorf("encoding document: %w", err)
	}
	if len(b) > MaxDocBytes {
		return nil, fmt.Errorf("encoding document: %d bytes exceed the limit of %d", len(b), MaxDocBytes)
	}
	return b, nil
}

// CheckCanonical tells whether b is exactly what Canonical would write for its content.
func CheckCanonical(b []byte) error {
	if len(b) > MaxDocBytes {
		return fmt.Errorf("checking document: %d bytes exceed the limit of %d", len(b), MaxDocBytes)
	}
	if !utf8.Valid(b) {
		return errors.New("checking document: not valid UTF-8")
	}
	s := scanner{b: b}
	if s.peek() != '{' {
		return errors.New("checking document: the root is not an object")
	}
	if err := s.skip(1); err != nil {
		return fmt.Errorf("checking document: %w", err)
	}
	if s.i != len(b) {
		return fmt.Errorf("checking document: bytes after the end at offset %d", s.i)
	}
	return nil
}

// viaJSON turns a struct or a map of structs into plain maps, slices, strings, booleans and json.Numbers.
func viaJSON(v any) (any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if replacesBadUTF8(raw) {
		return nil, errNotUTF8
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var out any
	if err := dec.Decode(&out); err != nil {
		return nil, err
	}
	return out, nil
}

// replacesBadUTF8 finds the escape \ufffd, which encoding/json writes only in place of a byte it could not read: a genuine U+FFFD
// stands unescaped. Without this, two different inputs would have one encoding.
func replacesBadUTF8(raw []byte) bool {
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

var (
	errNotUTF8 = errors.New("a string is not valid UTF-8")
	errNull    = errors.New("null is not in the profile: leave the key out")
	errFloat   = errors.New("a number with a fraction or an exponent is not in the profile")
	errBigInt  = errors.New("an integer beyond ±(2^53-1) is not in the profile: write it as a string")
	errDeep    = errors.New("nested deeper than 16 levels")
)

// appendValue writes v. depth is that of v itself, if it is a container.
func appendValue(dst []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return appendString(dst, v)
	case int64:
		return appendInt(dst, v)
	case int:
		return appendInt(dst, int64(v))
	case bool:
		return strconv.AppendBool(dst, v), nil
	case map[string]any:
		return appendObject(dst, v, depth)
	case []any:
		return appendArray(dst, v, depth, appendValue)
	case []string:
		return appendArray(dst, v, depth, func(dst []byte, s string, _ int) ([]byte, error) { return appendString(dst, s) })
	case map[string]string:
		return appendStringMap(dst, v, depth)
	case []map[string]any:
		return appendArray(dst, v, depth, appendObject)
	case int32:
		return appendInt(dst, int64(v))
	case uint32:
		return appendInt(dst, int64(v))
	case uint64:
		if v > MaxInt {
			return nil, errBigInt
		}
		return appendInt(dst, int64(v))
	case json.Number:
		return appendNumber(dst, string(v))
	case float64, float32:
		return nil, errFloat
	case nil:
		return nil, errNull
	default:
		return appendForeign(dst, v, depth)
	}
}

// appendForeign writes a value of a type the fast paths do not know (named strings, structs, pointers) by way of encoding/json.
func appendForeign(dst []byte, v any, depth int) ([]byte, error) {
	plain, err := viaJSON(v)
	if err != nil {
		return nil, err
	}
	return appendValue(dst, plain, depth)
}

func appendInt(dst []byte, v int64) ([]byte, error) {
	if v > MaxInt || v < -MaxInt {
		return nil, errBigInt
	}
	return strconv.AppendInt(dst, v, 10), nil
}

// appendNumber accepts the integers of a JSON text in their one canonical spelling only.
func appendNumber(dst []byte, text string) ([]byte, error) {
	s := scanner{b: []byte(text)}
	n, err := s.integer()
	if err != nil {
		return nil, err
	}
	if s.i != len(text) {
		return nil, errFloat
	}
	return strconv.AppendInt(dst, n, 10), nil
}

func appendArray[T any](dst []byte, list []T, depth int, one func([]byte, T, int) ([]byte, error)) ([]byte, error) {
	if depth > MaxDepth {
		return nil, errDeep
	}
	dst = append(dst, '[')
	for i, v := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = one(dst, v, depth+1); err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return append(dst, ']'), nil
}

func appendObject(dst []byte, m map[string]any, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, errDeep
	}
	var room [24]string
	keys := sortedKeys(room[:0], m)
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendMember(dst, k, m[k], depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func appendMember(dst []byte, key string, v any, depth int) ([]byte, error) {
	dst, err := appendString(dst, key)
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", key, err)
	}
	dst, err = appendValue(append(dst, ':'), v, depth)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", key, err)
	}
	return dst, nil
}

func appendStringMap(dst []byte, m map[string]string, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, errDeep
	}
	var room [16]string
	keys := sortedKeys(room[:0], m)
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendString(dst, k); err != nil {
			return nil, fmt.Errorf("key %q: %w", k, err)
		}
		if dst, err = appendString(append(dst, ':'), m[k]); err != nil {
			return nil, fmt.Errorf("%q: %w", k, err)
		}
	}
	return append(dst, '}'), nil
}

// sortedKeys returns the keys of m in UTF-16 order, in room as far as it reaches.
func sortedKeys[V any](room []string, m map[string]V) []string {
	for k := range m {
		room = append(room, k)
	}
	slices.SortFunc(room, compareUTF16[string, string])
	return room
}

// compareUTF16 orders as RFC 8785, 3.2.3 wants: by UTF-16 code units. That is the order of the bytes, except that a character beyond
// U+FFFF (lead byte F0 and up, a surrogate pair D800-DFFF) sorts before U+E000 to U+FFFF (lead bytes EE and EF).
func compareUTF16[A, B string | []byte](a A, b B) int {
	n := min(len(a), len(b))
	for i := range n {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		less := x < y
		if x >= 0xEE && y >= 0xEE && (x >= 0xF0) != (y >= 0xF0) {
			less = x >= 0xF0
		}
		if less {
			return -1
		}
		return 1
	}
	return len(a) - len(b)
}

const hexDigits = "0123456789abcdef"

// appendString writes s quoted with the escapes of RFC 8785, 3.2.2.2: the short ones where they exist, \u00xx for the other
// control characters, everything else as it is.
func appendString(dst []byte, s string) ([]byte, error) {
	dst = append(dst, '"')
	start, ascii := 0, true
	for i := range len(s) {
		c := s[i]
		if c >= 0x80 {
			ascii = false
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, c)
		start = i + 1
	}
	if !ascii && !utf8.ValidString(s) {
		return nil, errNotUTF8
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"'), nil
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\t':
		return append(dst, '\\', 't')
	case '\n':
		return append(dst, '\\', 'n')
	case '\f':
		return append(dst, '\\', 'f')
	case '\r':
		return append(dst, '\\', 'r')
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
}
