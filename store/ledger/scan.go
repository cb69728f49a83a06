package ledger

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"
)

// scanner reads canonical JSON and nothing else: the one spelling of each value that appendValue writes. It assumes that the
// caller has checked the bytes to be valid UTF-8, which also keeps lone surrogates out.
type scanner struct {
	b []byte
	i int
}

// peek returns the next byte, or 0, which stands nowhere in JSON, at the end.
func (s *scanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

// expect steps over c. It is small, so that the compiler puts it where it is called.
func (s *scanner) expect(c byte) error {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return nil
	}
	return s.unexpected(c)
}

func (s *scanner) unexpected(want byte) error {
	return fmt.Errorf("offset %d: want %q, have %s", s.i, want, s.here())
}

func (s *scanner) here() string {
	if s.i >= len(s.b) {
		return "the end"
	}
	return fmt.Sprintf("%q", s.b[s.i])
}

func (s *scanner) word(w string) error {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return fmt.Errorf("offset %d: a value cannot start with %s", s.i, s.here())
	}
	s.i += len(w)
	return nil
}

// str reads a string and returns what stands between its quotes, escapes and all; escaped tells whether there are any.
func (s *scanner) str() (raw []byte, escaped bool, err error) {
	if err := s.expect('"'); err != nil {
		return nil, false, err
	}
	start := s.i
	for s.i < len(s.b) {
		if len(s.b)-s.i >= 8 {
			special := notPlain(binary.LittleEndian.Uint64(s.b[s.i:]))
			if special == 0 {
				s.i += 8
				continue
			}
			s.i += bits.TrailingZeros64(special) / 8
		}
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return s.b[start : s.i-1], escaped, nil
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return nil, false, err
			}
		case c < 0x20:
			return nil, false, fmt.Errorf("offset %d: a control character must be escaped", s.i)
		default:
			s.i++
		}
	}
	return nil, false, fmt.Errorf("offset %d: a string does not end", start)
}

// notPlain has the top bit of the first byte set that is a quote, a backslash or a control character; bits above that one mean nothing.
// It is zero when there is none of them: a verifier spends a third of its time here otherwise. (Bit Twiddling Hacks, "Determine if a
// word has a zero byte", "a byte less than n": what borrows comes from below, so the lowest bit is right.)
func notPlain(w uint64) uint64 {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, slash := w^ones*'"', w^ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*0x20)&^w) & tops
}

// escape steps over one escape and refuses every spelling that is not the canonical one.
func (s *scanner) escape() error {
	rest := s.b[s.i:]
	if len(rest) >= 2 && strings.IndexByte(`"\btnfr`, rest[1]) >= 0 {
		s.i += 2
		return nil
	}
	if len(rest) >= 6 && rest[1] == 'u' && rest[2] == '0' && rest[3] == '0' {
		hi, lo := strings.IndexByte(hexDigits, rest[4]), strings.IndexByte(hexDigits, rest[5])
		if hi >= 0 && hi < 2 && lo >= 0 && len(appendEscape(nil, byte(hi<<4|lo))) == 6 {
			s.i += 6
			return nil
		}
	}
	return fmt.Errorf("offset %d: this escape is not canonical", s.i)
}

// unescape turns the raw inside of a scanned string into its text, which is raw itself where there is no escape.
func unescape(raw []byte, escaped bool) []byte {
	if !escaped {
		return raw
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		switch raw[i] {
		case 'b':
			out = append(out, '\b')
		case 't':
			out = append(out, '\t')
		case 'n':
			out = append(out, '\n')
		case 'f':
			out = append(out, '\f')
		case 'r':
			out = append(out, '\r')
		case 'u':
			out = append(out, byte(strings.IndexByte(hexDigits, raw[i+3])<<4|strings.IndexByte(hexDigits, raw[i+4])))
			i += 4
		default:
			out = append(out, raw[i])
		}
	}
	return out
}

// integer reads an integer in its one spelling: no plus, no leading zero, no minus zero, within ±MaxInt.
func (s *scanner) integer() (int64, error) {
	start := s.i
	neg := s.peek() == '-'
	if neg {
		s.i++
	}
	first, n := s.i, int64(0)
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		if n = n*10 + int64(c-'0'); n > MaxInt {
			return 0, fmt.Errorf("offset %d: %w", start, errBigInt)
		}
		s.i++
	}
	digits := s.i - first
	if digits == 0 || s.b[first] == '0' && (digits > 1 || neg) {
		return 0, fmt.Errorf("offset %d: this number is not canonical", start)
	}
	if c := s.peek(); c == '.' || c == 'e' || c == 'E' {
		return 0, fmt.Errorf("offset %d: %w", start, errFloat)
	}
	if neg {
		n = -n
	}
	return n, nil
}

// skip steps over one value and checks that it is canonical. depth is that of the value, if it is a container.
func (s *scanner) skip(depth int) error {
	switch s.peek() {
	case '"':
		_, _, err := s.str()
		return err
	case '{':
		return s.members(depth, func([]byte) error { return s.skip(depth + 1) })
	case '[':
		return s.elements(depth, func() error { return s.skip(depth + 1) })
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return errNull
	default:
		_, err := s.integer()
		return err
	}
}

// value reads one value as string, int64, bool, []any or map[string]any.
func (s *scanner) value(depth int) (any, error) {
	switch s.peek() {
	case '"':
		raw, escaped, err := s.str()
		return string(unescape(raw, escaped)), err
	case '{':
		m := map[string]any{}
		err := s.members(depth, func(k []byte) (err error) { m[string(k)], err = s.value(depth + 1); return err })
		return m, err
	case '[':
		list := []any{}
		err := s.elements(depth, func() error {
			v, err := s.value(depth + 1)
			list = append(list, v)
			return err
		})
		return list, err
	case 't':
		return true, s.word("true")
	case 'f':
		return false, s.word("false")
	case 'n':
		return nil, errNull
	default:
		return s.integer()
	}
}

// members reads an object whose keys must rise strictly, and hands each key to one, which must read its value.
func (s *scanner) members(depth int, one func(key []byte) error) error {
	if depth > MaxDepth {
		return errDeep
	}
	if err := s.expect('{'); err != nil {
		return err
	}
	var prev []byte
	first := true
	for s.peek() != '}' {
		if !first {
			if err := s.expect(','); err != nil {
				return err
			}
		}
		key, err := s.key(prev, first)
		if err != nil {
			return err
		}
		if err := one(key); err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
		prev, first = key, false
	}
	s.i++
	return nil
}

// key reads a key, which must sort behind prev unless it is the first, and its colon.
func (s *scanner) key(prev []byte, first bool) ([]byte, error) {
	at := s.i
	raw, escaped, err := s.str()
	if err != nil {
		return nil, err
	}
	key := unescape(raw, escaped)
	if !first && compareUTF16(prev, key) >= 0 {
		return nil, fmt.Errorf("offset %d: key %q is repeated or not in order", at, key)
	}
	return key, s.expect(':')
}

func (s *scanner) elements(depth int, one func() error) error {
	if depth > MaxDepth {
		return errDeep
	}
	if err := s.expect('['); err != nil {
		return err
	}
	for first := true; s.peek() != ']'; first = false {
		if !first {
			if err := s.expect(','); err != nil {
				return err
			}
		}
		if err := one(); err != nil {
			return err
		}
	}
	s.i++
	return nil
}
