package screens

import "fmt"

// Sentence is a sentence of ours that waits for its reader's language: what the machine says of itself goes to a log and a probe in English, and to
// people in theirs. What is filled in may be sentences again.
type Sentence struct {
	format string
	args   []any
	glue   string // of what is joined; then args are sentences
}

// Sentencef is a sentence with something filled in, as with fmt.Sprintf.
func Sentencef(format string, args ...any) Sentence { return Sentence{format: format, args: args} }

// Plain is what no language changes: a name, a number, the words of a system.
func Plain(text string) Sentence { return Sentence{args: []any{text}} }

// Joined are sentences one after the other, with glue between them.
func Joined(glue string, list ...Sentence) Sentence {
	s := Sentence{glue: glue}
	for _, x := range list {
		s.args = append(s.args, x)
	}
	return s
}

// String is the sentence in English.
func (s Sentence) String() string { return Locale{}.Sentence(s) }

// Sentence is a sentence in the reader's language, as plain text.
func (l Locale) Sentence(s Sentence) string {
	own := make([]any, len(s.args))
	for i, a := range s.args {
		if x, ok := a.(Sentence); ok {
			a = l.Sentence(x)
		}
		own[i] = a
	}
	if s.format != "" {
		return l.Say(s.format, own...)
	}
	out := ""
	for i, x := range own {
		if i > 0 {
			out += s.glue
		}
		out += fmt.Sprint(x)
	}
	return out
}
