package spec

import (
	"cmp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// notNFC names the character at which s leaves Unicode normal form C, or is empty. Text that looks the same must be the
// same bytes, else two names or two policies that look equal are not (T61). The check is that of UAX #15 for the whole
// text: no character that NFC replaces, marks in their order, and nothing that NFC would compose. It only refuses; it
// never rewrites what a person wrote.
func notNFC(s string) string {
	seg := []rune{0} // a character of class 0 and the marks on it; marks at the start stand on nothing
	for _, r := range s {
		if r >= 0x300 && inRanges(neverNFC, r) >= 0 {
			return sayRune(r)
		}
		if r >= 0x300 && classOf(r) != 0 {
			seg = append(seg, r)
			continue
		}
		if n := len(seg); n > 1 && !slices.Equal(seg, compose(seg)) {
			return sayRune(seg[n-1])
		} else if n == 1 && compose2(seg[0], r) != 0 {
			return sayRune(r)
		}
		seg = append(seg[:0], r)
	}
	if n := len(seg); n > 1 && !slices.Equal(seg, compose(seg)) {
		return sayRune(seg[n-1])
	}
	return ""
}

// compose takes a character and the marks on it apart, puts the marks in order and composes them again.
func compose(seg []rune) []rune {
	var parts []rune
	for _, r := range seg {
		parts = decompose(parts, r)
	}
	slices.SortStableFunc(parts[1:], func(a, b rune) int { return cmp.Compare(classOf(a), classOf(b)) })
	out := parts[:1:1]
	class := 0 // of the last mark that stayed
	for _, r := range parts[1:] {
		c := classOf(r)
		if both := compose2(out[0], r); both != 0 && class < c && classOf(out[0]) == 0 {
			out[0] = both
			continue
		}
		out, class = append(out, r), c
	}
	return out
}

func decompose(parts []rune, r rune) []rune {
	if r >= 0xc0 {
		if i := strings.Index(composes, string([]rune{r, ' '})); i > 0 {
			b, n := utf8.DecodeLastRuneInString(composes[:i])
			a, _ := utf8.DecodeLastRuneInString(composes[:i-n])
			if classOf(b) != 0 { // else it is not a mark that could change places
				return append(decompose(parts, a), b)
			}
		}
	}
	return append(parts, r)
}

// compose2 is the one character that NFC writes for a and b, 0 when there is none. Of Hangul it is some other than 0.
func compose2(a, b rune) rune {
	const lBase, vBase, tBase, sBase = 0x1100, 0x1161, 0x11a7, 0xac00
	switch {
	case b < 0x300: // nothing below composes with what stands before it
		return 0
	case a >= lBase && a < lBase+19 && b >= vBase && b < vBase+21, a >= sBase && a < sBase+11172 && (a-sBase)%28 == 0 && b > tBase && b < tBase+28:
		return sBase
	}
	both := string([]rune{' ', a, b})
	i := strings.Index(composes, both)
	if i < 0 {
		return 0
	}
	r, _ := utf8.DecodeRuneInString(composes[i+len(both):])
	return r
}

func classOf(r rune) int { return max(0, inRanges(combining, r)) }

// inRanges looks a character up in a table of nfctable.go: the class of its range, -1 when it is in none.
func inRanges(table string, r rune) int {
	const width = 12
	hex := func(from, to int) rune {
		n, err := strconv.ParseUint(table[from:to], 16, 32)
		if err != nil {
			panic("spec: broken table: " + err.Error())
		}
		return rune(n)
	}
	i := sort.Search(len(table)/width, func(i int) bool { return hex(i*width+5, i*width+10) >= r }) * width
	if i >= len(table) || hex(i, i+5) > r {
		return -1
	}
	return int(hex(i+10, i+12))
}
