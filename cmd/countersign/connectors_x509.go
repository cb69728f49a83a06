package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/x509"
	"github.com/countersign-bot/countersign/workflows/spec"
)

func x509Params() *spec.Params {
	return &spec.Params{Known: []string{x509.ParamName, x509.ParamOrganization, x509.ParamSPIFFE, x509.ParamField, x509.ParamKey}, Lists: []string{x509.ParamOrganization, x509.ParamSPIFFE}}
}

func (c Config) x509Dir() string { return filepath.Join(c.Data, "x509") }

// openX509 gives the one authority that serves all targets, within the limits of one of them.
func openX509(at opening) (runbooks.Connector, error) {
	if at.all.x509 == nil {
		if err := openAuthority(at); err != nil {
			return nil, err
		}
	}
	return opened(at.all.x509.For(at.target.Settings))
}

func openAuthority(at opening) error {
	dir := at.cfg.x509Dir()
	if at.keys == nil {
		return errors.New("the authority is open in serve")
	}
	_, err := os.Lstat(filepath.Join(dir, "register.json"))
	seed, err := at.keys.lateSeed(keyX509, !errors.Is(err, fs.ErrNotExist))
	if err != nil {
		return err
	}
	con, err := x509.Open(x509.Config{Seed: seed, Dir: dir, Now: wall(at.clock), PublicURL: at.cfg.publicURL()})
	if err != nil {
		return err
	}
	if at.keys.waiting(keyX509) { // its certificate may not have been announced before a crash
		next, err := at.keys.seed(keyX509 + suffixNext)
		if err == nil {
			err = con.Announce(next)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("announcing the authority's next key: %w", err), con.Close())
		}
	}
	at.all.x509 = con
	at.all.closing(con.Close)
	return nil
}

// x509Routes adds what servers fetch that trust the authority.
func (o *connectors) x509Routes(mux *http.ServeMux) {
	if o.x509 != nil {
		for _, path := range []string{x509.PathList, x509.PathPEM, x509.PathCA} {
			mux.Handle(path, o.x509.Handler())
		}
	}
}

// x509 says what doctor can see of an authority from outside.
func (d *doctor) x509(t spec.Target) {
	d.say(d.cfg.PublicURL != "", "target "+string(t.ID)+": servers fetch the list of revoked certificates from "+d.cfg.publicURL()+x509.PathList,
		"set "+prefix+"_PUBLIC_URL to where servers reach this bot: the address stands in every certificate")
}
