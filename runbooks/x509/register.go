package x509

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

const (
	registerFile = "register.json"

	// registerFormat is the version of the file. A newer one is refused, because an older program would drop what it does not
	// know.
	registerFormat = 1
)

// register is what must survive: the authority's certificate, the certificates that were made, which are revoked, and the list. It
// is written as a whole: a kill -9 at any point leaves the old or the new one. It is not in the database on purpose: the list must
// be served when that cannot be opened.
type register struct {
	Format int                           `json:"format"`
	CA     []byte                        `json:"ca"`             // DER
	Next   []byte                        `json:"next,omitempty"` // DER, of the authority that follows
	Number int64                         `json:"number"`         // of the list; grows with every list that is signed
	Signed int64                         `json:"signed"`         // when the list was signed, Unix seconds
	List   []byte                        `json:"list"`           // DER
	Issued map[workflows.GrantID]*issued `json:"issued"`
}

// issued is a certificate that was made, or, without one, a grant that was taken back before its certificate was made.
type issued struct {
	Until   int64  `json:"until"` // Unix seconds
	Cert    []byte `json:"cert,omitempty"`
	Terms   string `json:"terms"` // SHA-256 of what was asked for: granting again must ask for the same
	Revoked int64  `json:"revoked,omitempty"`

	Retired int64     `json:"retired,omitempty"` // of Cert alone, when another one replaced it; Unix seconds
	Next    []renewed `json:"next,omitempty"`    // what replaced it, oldest first; a program that does not know these refuses the file
}

func (r *register) clone() *register {
	out := *r
	out.Issued = make(map[workflows.GrantID]*issued, len(r.Issued)+1)
	for id, x := range r.Issued {
		y := *x
		y.Next = slices.Clone(x.Next)
		out.Issued[id] = &y
	}
	return &out
}

// revoked are the certificates on the list, in order: those of grants that were taken back, each since then or since it was replaced, and those that were replaced.
func (r *register) revoked() (out []certificate) {
	for _, id := range slices.Sorted(maps.Keys(r.Issued)) {
		x := r.Issued[id]
		for _, c := range x.certificates(id) {
			if c.retired == 0 {
				c.retired = x.Revoked
			}
			if c.retired != 0 {
				out = append(out, c)
			}
		}
	}
	return out
}

// prune forgets certificates that are over even for a server whose clock is behind.
func (r *register) prune(now time.Time) {
	maps.DeleteFunc(r.Issued, func(_ workflows.GrantID, x *issued) bool { return now.Sub(time.Unix(x.Until, 0)) >= margin })
}

// loadRegister reads the register; a folder that never had one gives nil.
func loadRegister(dir *os.Root) (*register, error) {
	raw, err := runbooks.ReadFile(dir, registerFile, maxRegister)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := &register{}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(r); err != nil {
		return nil, err
	}
	if r.Format != registerFormat || r.Issued == nil || slices.Contains(slices.Collect(maps.Values(r.Issued)), nil) {
		return nil, fmt.Errorf("it has format %d, this program knows %d, or it is damaged", r.Format, registerFormat)
	}
	return r, nil
}
