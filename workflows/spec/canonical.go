package spec

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
)

// maxSafeInt is the largest integer that survives a JSON reader that uses doubles (RFC 8785, 3.2.2.3).
const maxSafeInt = 1<<53 - 1

// canonical writes v in the profile of JSON that hashes are made of: RFC 8785 with objects, arrays, strings, booleans and
// whole numbers only. The ledger's own encoder writes the same bytes; this one stands here because compiling a policy
// must not depend on the store, and a test holds it to an independent implementation of the RFC.
func canonical(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding policy: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, fmt.Errorf("encoding policy: %w", err)
	}
	out, err := appendCanonical(make([]byte, 0, len(raw)), tree, "")
	if err != nil {
		return nil, fmt.Errorf("encoding policy: %w", err)
	}
	return out, nil
}

func appendCanonical(b []byte, v any, path string) ([]byte, error) {
	switch v := v.(type) {
	case map[string]any:
		return appendMembers(b, v, path)
	case []any:
		b = append(b, '[')
		for i, x := range v {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = appendCanonical(b, x, path+"["+strconv.Itoa(i)+"]"); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	case string:
		return appendString(b, v, path)
	case bool:
		return strconv.AppendBool(b, v), nil
	case json.Number:
		n, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil || n > maxSafeInt || n < -maxSafeInt {
			return nil, fmt.Errorf("%s: %q is not a whole number in range", path, v)
		}
		return strconv.AppendInt(b, n, 10), nil
	default:
		return nil, fmt.Errorf("%s: %v has no canonical form", path, v)
	}
}

func appendMembers(b []byte, m map[string]any, path string) ([]byte, error) {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	slices.SortFunc(names, byUTF16)
	b = append(b, '{')
	for i, k := range names {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendString(b, k, path); err != nil {
			return nil, err
		}
		b = append(b, ':')
		if b, err = appendCanonical(b, m[k], join(path, k)); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// byUTF16 is the order of RFC 8785, 3.2.3: by UTF-16 code units, which differs from bytes above U+FFFF.
func byUTF16(a, b string) int {
	return cmp.Or(slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b))), cmp.Compare(a, b))
}

// appendString escapes what RFC 8785, 3.2.2.2 escapes and nothing else.
func appendString(b []byte, s, path string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("%s: %q is not UTF-8", path, s)
	}
	b = append(b, '"')
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c >= 0x20:
			b = append(b, c)
		case c == '\b':
			b = append(b, `\b`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\f':
			b = append(b, `\f`...)
		case c == '\r':
			b = append(b, `\r`...)
		default:
			b = fmt.Appendf(b, `\u%04x`, c)
		}
	}
	return append(b, '"'), nil
}

// hashOf names exact bytes.
func hashOf(b []byte) workflows.DocHash {
	sum := sha256.Sum256(b)
	return workflows.DocHash("sha256:" + hex.EncodeToString(sum[:]))
}
