package ledger

import "fmt"

// glimpse is what a verifier needs of each of a million leaves: the envelope, pointing into the leaf. It accepts exactly what Decode
// accepts.
type glimpse struct {
	typ, id, stream, policy []byte
	seq, time, mono         int64
	sealed                  []byte // the object of commitments as it stands in the leaf
	commitments             int
}

func (g *glimpse) read(b []byte) error { return g.scan(&scanner{b: b}) }

// scan is read with a scanner that the caller uses again: one allocation less for each of a million leaves.
func (g *glimpse) scan(s *scanner) error {
	*g = glimpse{}
	return walkLeaf(s, g.member)
}

func (g *glimpse) member(s *scanner, name []byte) (err error) {
	switch string(name) {
	case "type":
		g.typ, err = s.name(maxName)
	case "id":
		g.id, err = s.name(maxName)
	case "stream":
		g.stream, err = s.name(maxStream)
	case "actor", "person", "cause":
		_, err = s.name(maxStream)
	case "policy":
		if g.policy, err = s.text(); err == nil && !isDocumentHash(g.policy) {
			err = fmt.Errorf("%q is not the hash of a document", g.policy)
		}
	case "seq":
		g.seq, err = s.positive()
	case "v":
		_, err = s.positive()
	case "time":
		g.time, err = s.time()
	case "mono":
		g.mono, err = s.mono()
	case "sealed":
		start := s.i
		err = s.sealed(func(_, _ []byte) { g.commitments++ })
		g.sealed = s.b[start:s.i]
	default:
		err = s.skip(2)
	}
	return err
}

func (s *scanner) name(limit int) ([]byte, error) {
	b, err := s.text()
	if err == nil && !isName(b, limit) {
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
func (g *glimpse) commitment(field string) string {
	if len(g.sealed) == 0 {
		return ""
	}
	var found string
	s := scanner{b: g.sealed}
	_ = s.sealed(func(k, c []byte) { // read without error once already
		if string(k) == field {
			found = string(c)
		}
	})
	return found
}
