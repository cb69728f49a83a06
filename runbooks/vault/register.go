package vault

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

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

func (c *client) file(id workflows.GrantID) string {
	return filepath.Join(c.cfg.Dir, string(id)+".json") // an id is letters, digits, _ and -: checked before
}

// load reads what is known of a grant; false when nothing is.
func (c *client) load(id workflows.GrantID) (record, bool, error) {
	r, err := readRecord(c.file(id))
	if errors.Is(err, os.ErrNotExist) {
		return record{}, false, nil
	}
	if err != nil {
		return record{}, false, runbooks.Errorf(runbooks.Broken, err, "the register of what Vault gave cannot be read")
	}
	return r, true, nil
}

func readRecord(path string) (record, error) {
	f, err := os.Open(path)
	if err != nil {
		return record{}, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxRecord))
	if err != nil {
		return record{}, err
	}
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return record{}, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// save writes a record so that a crash leaves the old one or the new one.
func (c *client) save(r record) (err error) {
	defer func() {
		if err != nil {
			err = runbooks.Errorf(runbooks.Broken, err, "what Vault gave could not be written down")
		}
	}()
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(c.cfg.Dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err = f.Write(raw); err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), c.file(r.Grant)); err != nil {
		return err
	}
	dir, err := os.Open(c.cfg.Dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// forget removes a record.
func (c *client) forget(id workflows.GrantID) error {
	if err := os.Remove(c.file(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return runbooks.Errorf(runbooks.Broken, err, "the register of what Vault gave cannot be written")
	}
	return nil
}

// records gives all that are kept, one at a time.
func (c *client) records() iter.Seq2[record, error] {
	return func(yield func(record, error) bool) {
		entries, err := os.ReadDir(c.cfg.Dir)
		if err != nil {
			yield(record{}, runbooks.Errorf(runbooks.Broken, err, "the register of what Vault gave cannot be read"))
			return
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") {
				continue
			}
			r, err := readRecord(filepath.Join(c.cfg.Dir, e.Name()))
			if errors.Is(err, os.ErrNotExist) {
				continue // it went meanwhile
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}
