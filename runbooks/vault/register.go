package vault

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

// record is what is known of a grant. Nothing in it opens anything: an accessor can end its token and not use it, a lease
// can be ended, a certificate is public.
type record struct {
	Grant    workflows.GrantID `json:"grant"`
	Account  string            `json:"account"`
	Path     string            `json:"path"`
	Digest   string            `json:"digest"`             // of the grant that it was made for
	Accessor string            `json:"accessor,omitempty"` // of the grant's token
	Lease    string            `json:"lease,omitempty"`
	Pending  string            `json:"pending,omitempty"` // the accessor of a control group's request
	Serial   string            `json:"serial,omitempty"`
	Signed   string            `json:"signed,omitempty"` // the certificate
	End      string            `json:"end"`              // RFC 3339
	Revoked  bool              `json:"revoked,omitempty"`
}

// file is the name of a grant's record in the register's folder, which nothing outside of it can be reached through.
func file(id workflows.GrantID) string { return string(id) + ".json" }

// load reads what is known of a grant; false when nothing is.
func (c *client) load(id workflows.GrantID) (record, bool, error) {
	r, err := c.readRecord(file(id))
	if errors.Is(err, os.ErrNotExist) {
		return record{}, false, nil
	}
	if err != nil {
		return record{}, false, runbooks.Errorf(runbooks.Broken, err, "the register of what Vault gave cannot be read")
	}
	return r, true, nil
}

func (c *client) readRecord(name string) (record, error) {
	raw, err := runbooks.ReadFile(c.dir, name, maxRecord)
	if err != nil {
		return record{}, err
	}
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return record{}, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

// save writes a record so that a crash leaves the old one or the new one. Who calls has the grant to itself.
func (c *client) save(r record) error {
	raw, err := json.Marshal(r)
	if err == nil {
		err = runbooks.ReplaceFile(c.dir, file(r.Grant), raw, 0o600)
	}
	if err != nil {
		return runbooks.Errorf(runbooks.Broken, err, "what Vault gave could not be written down")
	}
	return nil
}

// forget removes a record.
func (c *client) forget(id workflows.GrantID) error {
	if err := c.dir.Remove(file(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return runbooks.Errorf(runbooks.Broken, err, "the register of what Vault gave cannot be written")
	}
	return nil
}

// records gives all that are kept, one at a time.
func (c *client) records() iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		entries, err := fs.ReadDir(c.dir.FS(), ".")
		if err != nil {
			yield(record{}, runbooks.Errorf(runbooks.Broken, err, "the register of what Vault gave cannot be read"))
			return
		}
		for _, e := range entries {
			if filepath.Ext(e.Name()) != ".json" {
				continue // one that was being written
			}
			r, err := c.readRecord(e.Name())
			if errors.Is(err, os.ErrNotExist) {
				continue // it went meanwhile
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}
