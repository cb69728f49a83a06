package spec

import (
	"fmt"

	"github.com/goccy/go-yaml/token"
)

// scanTokens refuses, before the parser sees it, what the files never need (anchors, aliases, merge keys, tags,
// directives, further documents, complex keys) and what makes the parser slow: 20,000 opening brackets cost it 0.8 s,
// 80,000 keys in one mapping 14 s. The lexer is linear and has split the text before.
func (r *report) scanTokens(src *source, toks token.Tokens) {
	s := tokenScan{r: r, src: src}
	for i, t := range toks {
		if i >= maxTokens {
			s.refuse(t, "", "more than %d words and signs in one file", maxTokens)
			return
		}
		if !s.allowed(t, i) {
			return // one is enough: what follows may be a consequence
		}
		if !s.nest(t, toks, i) {
			return
		}
	}
}

type tokenScan struct {
	r     *report
	src   *source
	began bool
	flow  []int   // keys of each open bracket
	block []level // open block mappings and sequences, by column
}

type level struct {
	col, keys int
	seq       bool
}

func (s *tokenScan) refuse(t *token.Token, hint, format string, args ...any) bool {
	line, col := 1, 1
	if t.Position != nil {
		line, col = max(1, t.Position.Line), max(1, t.Position.Column)
	}
	s.r.add((&value{src: s.src}).problem(line, col, hint, fmt.Sprintf(format, args...)))
	return false
}

// allowed refuses the parts of YAML that are tricks to a reader.
func (s *tokenScan) allowed(t *token.Token, i int) bool {
	switch t.Type {
	case token.AnchorType:
		return s.refuse(t, "write the value out where it is used", "anchors (&) are not allowed")
	case token.AliasType:
		return s.refuse(t, `write the value out; text that begins with * stands in quotes`, "aliases (*) are not allowed")
	case token.MergeKeyType:
		return s.refuse(t, "write the keys out", "merge keys (<<) are not allowed")
	case token.TagType:
		return s.refuse(t, `text that begins with ! stands in quotes`, "tags (%s) are not allowed", t.Value)
	case token.DirectiveType:
		return s.refuse(t, "", "directives (%%) are not allowed")
	case token.MappingKeyType:
		return s.refuse(t, "", "complex keys (?) are not allowed")
	case token.DocumentEndType:
		return s.refuse(t, "", "document ends (...) are not allowed")
	case token.DocumentHeaderType:
		if s.began || i > 0 {
			return s.refuse(t, "one file holds one document", "a second document (---) is not allowed")
		}
	case token.InvalidType, token.UnknownType:
		return s.refuse(t, "", "not valid YAML: %s", orElse(t.Error, "unreadable"))
	case token.CommentType:
		return true
	}
	s.began = true
	return true
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// nest follows brackets and columns and refuses what is too deep or has too many keys in one place.
func (s *tokenScan) nest(t *token.Token, toks token.Tokens, i int) bool {
	switch t.Type {
	case token.MappingStartType, token.SequenceStartType:
		s.flow = append(s.flow, 0)
	case token.MappingEndType, token.SequenceEndType:
		if len(s.flow) > 0 {
			s.flow = s.flow[:len(s.flow)-1]
		}
	case token.SequenceEntryType:
		if len(s.flow) == 0 {
			s.enter(t.Position.Column, true)
		}
	case token.MappingValueType:
		if keys := s.key(toks, i); keys > maxMapKeys {
			return s.refuse(t, "", "more than %d keys in one place", maxMapKeys)
		}
	default:
		return true
	}
	if len(s.flow)+len(s.block) > maxDepth {
		return s.refuse(t, "", "nested more than %d deep", maxDepth)
	}
	return true
}

// key counts the key before the colon at toks[i] and answers how many its mapping has by now.
func (s *tokenScan) key(toks token.Tokens, i int) int {
	if n := len(s.flow); n > 0 {
		s.flow[n-1]++
		return s.flow[n-1]
	}
	if i == 0 || toks[i-1].Position == nil {
		return 0
	}
	return s.enter(toks[i-1].Position.Column, false)
}

// enter closes the levels that stand further right and counts one more entry at this column.
func (s *tokenScan) enter(col int, seq bool) int {
	for n := len(s.block); n > 0 && s.block[n-1].col > col; n = len(s.block) {
		s.block = s.block[:n-1]
	}
	for n := len(s.block); n > 1 && !seq && s.block[n-1].col == col && s.block[n-1].seq; n = len(s.block) {
		s.block = s.block[:n-1] // a sequence that stood as far left as the key above it
	}
	if n := len(s.block); n > 0 && s.block[n-1].col == col && s.block[n-1].seq == seq {
		if !seq {
			s.block[n-1].keys++
		}
		return s.block[n-1].keys
	}
	s.block = append(s.block, level{col: col, keys: 1, seq: seq})
	return 1
}
