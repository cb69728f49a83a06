package ledger

import (
	"bytes"
	"fmt"
)

// glimpse is what a verifier needs of each of a million leaves: the envelope, pointing into the leaf. It accepts exactly what Decode
// accepts.
type glimpse struct {
	typ, id, stream, policy []byte
	seq, time, mono         int64
	sealed                  []byte // the object of commitments as it stands in the leaf
	commitments             int
	first                   [2]sealedField // of them
}

// sealedField is a commitment with the name of its field.
type sealedField struct{ name, commitment []byte }

func (g *glimpse) read(b []byte) error { return g.scan(&scanner{b: b}) }

// scan is read with a scanner that the caller uses again: one allocation less for each of a million leaves. For the same reason it
// goes through the members itself, with what walkLeaf and scanner.members do written out: calls through functions took half the time.
func (g *glimpse) scan(s *scanner) error {
	*g = glimpse{}
	if err := checkLeafBytes(s.b); err != nil {
		return err
	}
	if err := s.expect('{'); err != nil {
		return err
	}
	seen, prev := 0, []byte(nil)
	for first := true; s.peek() != '}'; first = false {
		if !first {
			if err := s.expect(','); err != nil {
				return err
			}
		}
		key, err := s.key(prev, first)
		if err != nil {
			return err
		}
		bit, err := g.member(s, key)
		if err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
		seen, prev = seen|bit, key
	}
	s.i++
	return endOfLeaf(s, seen)
}

// member reads one value and gives the bit of its name among the required ones.
func (g *glimpse) member(s *scanner, name []byte) (bit int, err error) {
	switch string(name) {
	case "type":
		g.typ, err = s.name(maxName)
		return 1 << 10, err
	case "id":
		g.id, err = s.name(maxName)
		return 1 << 2, err
	case "stream":
		g.stream, err = s.name(maxStream)
		return 1 << 8, err
	case "actor", "person", "cause":
		_, err = s.name(maxStream)
	case "policy":
		if g.policy, err = s.text(); err == nil && !isDocumentHash(g.policy) {
			err = fmt.Errorf("%q is not the hash of a document", g.policy)
		}
	case "seq":
		g.seq, err = s.positive()
		return 1 << 7, err
	case "v":
		_, err = s.positive()
		return 1 << 11, err
	case "time":
		g.time, err = s.time()
		return 1 << 9, err
	case "mono":
		g.mono, err = s.mono()
		return 1 << 3, err
	case "sealed":
		start := s.i
		err = s.sealed(func(k, c []byte) {
			if g.commitments < len(g.first) {
				g.first[g.commitments] = sealedField{k, c}
			}
			g.commitments++
		})
		g.sealed = s.b[start:s.i]
	default:
		err = s.skip(2)
	}
	return 0, err
}

func (s *scanner) name(limit int) ([]byte, error) {
	raw, escaped, err := s.str()
	if err != nil {
		return nil, err
	}
	// Unescaped, the leaf's UTF-8 has been checked and str lets no control character pass but this one.
	if !escaped && len(raw) > 0 && len(raw) <= limit && bytes.IndexByte(raw, 0x7F) < 0 {
		return raw, nil
	}
	if len(raw) == 0 {
		return nil, errEmpty
	}
	b := unescape(raw, escaped)
	if !isName(b, limit) {
		err = fmt.Errorf("%q is not printable or longer than %d bytes", b, limit)
	}
	return b, err
}

func (s *scanner) positive() (int64, error) {
	n, err := s.integer()
	if err == nil && n < 1 {
		err = fmt.Errorf("%d is not a positive number", n)
	}
	return n, err
}

// commitment finds one field among the sealed ones.
func (g *glimpse) commitment(field string) []byte {
	for _, f := range g.first[:min(g.commitments, len(g.first))] {
		if string(f.name) == field {
			return f.commitment
		}
	}
	if g.commitments <= len(g.first) {
		return nil
	}
	var found []byte
	s := scanner{b: g.sealed}
	_ = s.sealed(func(k, c []byte) { // read without error once already
		if string(k) == field {
			found = c
		}
	})
	return found
}
