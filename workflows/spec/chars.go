package spec

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// badRune tells whether a character has no place in a file that people read and decide by: controls, bidirectional
// and invisible formatting, line breaks that editors do not show, unassigned and private characters. The joiners that
// Persian and Indic names and emoji need are allowed in text.
func badRune(r rune) bool {
	switch r {
	case '\n', '\u200c', '\u200d':
		return false
	case '\u2028', '\u2029', '\u115f', '\u1160', '\u3164', '\uffa0', utf8.RuneError:
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs) || r >= 0xfff0 && r <= 0xffff
}

// sayRune names a character so that a person can look it up, even one that does not show.
func sayRune(r rune) string {
	what := ""
	switch {
	case r == '\t':
		what = " (tab)"
	case r == '\r':
		what = " (carriage return)"
	case unicode.Is(unicode.Bidi_Control, r):
		what = " (bidirectional control)"
	case unicode.Is(unicode.Cc, r):
		what = " (control character)"
	case unicode.Is(unicode.Cf, r):
		what = " (invisible character)"
	default:
		if s := scriptOf(r); s != "" && s != "Latin" {
			what = " (" + s + ")"
		}
	}
	return fmt.Sprintf("U+%04X%s", r, what)
}

// scriptOf is the script of a letter where confusing it with another is a known trick; empty for everything else.
func scriptOf(r rune) string {
	switch {
	case !unicode.IsLetter(r):
		return ""
	case unicode.Is(unicode.Latin, r):
		return "Latin"
	case unicode.Is(unicode.Cyrillic, r):
		return "Cyrillic"
	case unicode.Is(unicode.Greek, r):
		return "Greek"
	case unicode.Is(unicode.Armenian, r):
		return "Armenian"
	case unicode.Is(unicode.Cherokee, r):
		return "Cherokee"
	}
	return ""
}

// mixedWord finds a word that mixes look-alike scripts: "Аlice" with a Cyrillic first letter.
func mixedWord(s string) (a, b string, mixed bool) {
	for _, r := range s {
		switch sc := scriptOf(r); {
		case unicode.IsSpace(r):
			a = ""
		case sc == "" || sc == a:
		case a == "":
			a = sc
		default:
			return a, sc, true
		}
	}
	return "", "", false
}

// lookalike reads an id as a person would, turning the Cyrillic and Greek letters that look Latin into Latin ones.
func lookalike(s string) string {
	out := make([]rune, 0, len(s))
	for _, r := range s {
		if l, ok := latinTwin(r); ok {
			r = l
		}
		out = append(out, unicode.ToLower(r))
	}
	return string(out)
}

func latinTwin(r rune) (rune, bool) {
	from := []rune("аеорсухіјѕԁԛһӏьгпбвтмнкзαονυρκιτ")
	to := []rune("aeopcyxijsdqhlbrn6btmhk3aovupkit")
	for i, f := range from {
		if f == unicode.ToLower(r) {
			return to[i], true
		}
	}
	return 0, false
}
