package sshca

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

// registerFormat is the version of the register's file. Fields are only ever added with a new number; a newer number
// than this is refused, because an older program would drop what it does not know. 2 came with whose a certificate is.
const registerFormat = 2

// register is what must survive: which certificates were made, which serials are revoked, and the list's version. It is
// written as a whole, to a second file that is flushed, renamed over the first, and made durable by flushing the folder:
// a kill -9 at any point leaves the old or the new one. It is not a database on purpose: the database belongs to another
// room, and the list must be served when that one cannot be opened.
type register struct {
	Format    int               `json:"format"`
	Version   uint64            `json:"version"`   // of the list; grows with every change to it
	Generated int64             `json:"generated"` // when it last changed, Unix seconds
	Total     uint64            `json:"total"`     // serials ever put on the list
	Dropped   uint64            `json:"dropped"`   // serials that left it because their certificates are long expired
	CAs       []string          `json:"cas"`       // wire form in base64; entries name them by index
	Issued    map[uint64]issued `json:"issued"`
	Revoked   []revoked         `json:"revoked"`
}

// issued is a certificate that was handed out.
type issued struct {
	Until  int64  `json:"until"`  // ValidBefore, Unix seconds
	Digest string `json:"digest"` // SHA-256 of the certificate and its rule of sudo: granting again must give this one

	// What format 1 did not keep; empty for certificates of that time.
	From       int64             `json:"from,omitempty"` // start of the grant, Unix seconds
	Grant      workflows.GrantID `json:"grant,omitempty"`
	Account    string            `json:"account,omitempty"`    // whose it is, on the hosts
	Principals string            `json:"principals,omitempty"` // separated by commas
	Group      string            `json:"group,omitempty"`      // of hosts
	Sudo       *sudoRule         `json:"sudo,omitempty"`
}

// isSame tells whether two entries are about one certificate; what format 1 did not keep cannot differ.
func (x issued) isSame(y issued) bool { return x.Until == y.Until && x.Digest == y.Digest }

// revoked is a serial on the list.
type revoked struct {
	Serial  uint64 `json:"serial"`
	Until   int64  `json:"until"`   // ValidBefore of its certificate
	CA      int    `json:"ca"`      // index into CAs
	Version uint64 `json:"version"` // of the first list that had it
}

func newRegister() *register {
	return &register{Format: registerFormat, Issued: map[uint64]issued{}}
}

// clone copies what mutate may change, so that a failed write leaves the old state in memory, too.
func (r *register) clone() *register {
	c := *r
	c.CAs = slices.Clone(r.CAs)
	c.Revoked = slices.Clone(r.Revoked)
	c.Issued = make(map[uint64]issued, len(r.Issued)+1)
	for k, v := range r.Issued {
		c.Issued[k] = v
	}
	return &c
}

func (r *register) find(serial uint64) (revoked, bool) {
	i := slices.IndexFunc(r.Revoked, func(x revoked) bool { return x.Serial == serial })
	if i < 0 {
		return revoked{}, false
	}
	return r.Revoked[i], true
}

// revoke puts a serial on the next list.
func (r *register) revoke(ca ssh.PublicKey, serial uint64, until, now time.Time) {
	key := base64.StdEncoding.EncodeToString(ca.Marshal())
	i := slices.Index(r.CAs, key)
	if i < 0 {
		i = len(r.CAs)
		r.CAs = append(r.CAs, key)
	}
	r.Version++
	r.Total++
	r.Generated = now.Unix()
	r.Revoked = append(r.Revoked, revoked{Serial: serial, Until: until.Unix(), CA: i, Version: r.Version})
}

// isStale tells whether prune would change the list.
func (r *register) isStale(now time.Time) bool {
	return slices.ContainsFunc(r.Revoked, func(x revoked) bool { return isOver(x.Until, now) })
}

// prune forgets certificates that are expired even on a host whose clock is behind.
func (r *register) prune(now time.Time) {
	before := len(r.Revoked)
	r.Revoked = slices.DeleteFunc(r.Revoked, func(x revoked) bool { return isOver(x.Until, now) })
	if n := before - len(r.Revoked); n > 0 {
		r.Dropped += uint64(n)
		r.Version++
		r.Generated = now.Unix()
	}
	for serial, x := range r.Issued {
		if isOver(x.Until, now) {
			delete(r.Issued, serial)
		}
	}
}

func isOver(until int64, now time.Time) bool { return now.Sub(time.Unix(until, 0)) >= margin }

// tally is the list's comment: how many serials it ever had and how many left it. A host that holds an older list can
// tell from it whether every serial that is missing in a newer one was meant to leave (see pull.go).
type tally struct{ total, dropped uint64 }

func (t tally) String() string {
	return fmt.Sprintf("countersign total=%d dropped=%d", t.total, t.dropped)
}

func parseTally(comment string) (t tally, err error) {
	if _, err = fmt.Sscanf(comment, "countersign total=%d dropped=%d", &t.total, &t.dropped); err != nil || t.String() != comment {
		return tally{}, errors.New("the list's comment is not one of ours")
	}
	return t, nil
}

// list is the current list; the same version always has the same bytes.
func (r *register) list() ([]byte, error) {
	l := List{
		Version: r.Version, Generated: time.Unix(r.Generated, 0),
		Comment: tally{r.Total, r.Dropped}.String(),
		CAs:     make([]Revocations, len(r.CAs)),
	}
	for i, key := range r.CAs {
		raw, err := base64.StdEncoding.DecodeString(key)
		if err != nil {
			return nil, fmt.Errorf("reading CA %d of the register: %w", i, err)
		}
		if l.CAs[i].CA, err = ssh.ParsePublicKey(raw); err != nil {
			return nil, fmt.Errorf("reading CA %d of the register: %w", i, err)
		}
	}
	for _, x := range r.Revoked {
		l.CAs[x.CA].Serials = append(l.CAs[x.CA].Serials, x.Serial)
	}
	return l.Encode(), nil
}

// check refuses a register that contradicts itself: better no list at all, which is noticed, than a wrong one.
func (r *register) check() error {
	switch {
	case r.Format < 1 || r.Format > registerFormat:
		return fmt.Errorf("format %d, this program knows %d", r.Format, registerFormat)
	case len(r.Issued) > maxIssued || len(r.Revoked) > maxRevoked:
		return errors.New("more entries than allowed")
	case r.Total-r.Dropped != uint64(len(r.Revoked)):
		return fmt.Errorf("%d serials are listed, the counts say %d", len(r.Revoked), r.Total-r.Dropped)
	}
	seen := map[uint64]bool{}
	for _, x := range r.Revoked {
		if x.CA < 0 || x.CA >= len(r.CAs) || x.Serial == 0 || x.Version > r.Version || seen[x.Serial] {
			return fmt.Errorf("the entry of serial %d is damaged", x.Serial)
		}
		seen[x.Serial] = true
	}
	_, err := r.list()
	return err
}

const registerFile = "register.json"

// loadRegister reads the register; a folder that never had one gives an empty one.
func loadRegister(dir *os.Root) (*register, error) {
	raw, err := runbooks.ReadFile(dir, registerFile, maxRegister)
	if errors.Is(err, fs.ErrNotExist) {
		return newRegister(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the register: %w", err)
	}
	r := newRegister()
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(r); err != nil {
		return nil, fmt.Errorf("reading the register: %w", err)
	}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("reading the register: %w", err)
	}
	if r.Issued == nil {
		r.Issued = map[uint64]issued{}
	}
	r.Format = registerFormat
	return r, nil
}
