package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/sshca"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// What the settings of a target of kind sshca say. One CA and one list serve all of them.
const (
	settingHosts      = "hosts"           // that must have pulled before a revocation counts as confirmed
	settingHostGroups = "host_groups"     // "web=web-1,web-2 db=db-1"
	settingCanaryAt   = "canary_address"  // host:port that a drill logs in to
	settingCanaryKey  = "canary_host_key" // its public key, one line
	settingCanaryUser = "canary_user"     // the login there, where the entitlement does not say it
)

func sshcaParams() *spec.Params {
	return &spec.Params{
		Known: []string{
			sshca.ParamPrincipals, sshca.ParamExtensions, sshca.ParamForceCommand, sshca.ParamSourceAddress, sshca.ParamHost, sshca.ParamPort,
			sshca.ParamUser, sshca.ParamKeyField, sshca.ParamHostGroup, sshca.ParamSudo, sshca.ParamSudoAs,
		},
		Needed: []string{sshca.ParamPrincipals},
		Lists:  []string{sshca.ParamHostGroup},
		Acts:   []string{sshca.ParamPrincipals},
		Brokers: &spec.Brokers{
			Needed: sshca.BrokeredParams(), Addresses: sshca.ParamSourceAddress,
			Never: map[string][]string{sshca.ParamExtensions: sshca.AroundBastion()},
		},
	}
}

// sshHosts is what all targets of the CA say of its hosts.
type sshHosts struct {
	names  []string
	groups map[string][]string
	canary sshca.Canary
	bad    map[workflows.TargetID]error // targets whose settings cannot be used; the others are served all the same
}

// collect reads the settings of all targets of kind sshca.
func (h *sshHosts) collect(targets []spec.Target) {
	h.groups, h.bad = map[string][]string{}, map[workflows.TargetID]error{}
	for _, t := range targets {
		if t.Connector == "sshca" {
			if err := h.add(withoutWatch(t.Settings)); err != nil {
				h.bad[t.ID] = err
			}
		}
	}
}

func (h *sshHosts) add(settings map[string]string) error {
	if err := knownSettings(settings, nil, settingHosts, settingHostGroups, settingCanaryAt, settingCanaryKey, settingCanaryUser); err != nil {
		return err
	}
	h.names = append(h.names, words(settings[settingHosts])...)
	groups, err := sshca.ParseGroups(settings[settingHostGroups])
	if err != nil {
		return fmt.Errorf("setting %s: %w", settingHostGroups, err)
	}
	for name, hosts := range groups {
		if old, twice := h.groups[name]; twice && !slices.Equal(old, hosts) {
			return fmt.Errorf("setting %s: another target has the group %q with other hosts", settingHostGroups, name)
		}
	}
	maps.Copy(h.groups, groups)
	if settings[settingCanaryAt] == "" {
		return nil
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(settings[settingCanaryKey]))
	if err != nil {
		return fmt.Errorf("setting %s needs %s, the host's public key as in /etc/ssh/ssh_host_ed25519_key.pub: %w", settingCanaryAt, settingCanaryKey, err)
	}
	if h.canary.Address != "" && h.canary.Address != settings[settingCanaryAt] {
		return errors.New("one CA has one host for drills: name the same in all its targets")
	}
	h.canary = sshca.Canary{Address: settings[settingCanaryAt], HostKey: key, User: settings[settingCanaryUser]}
	return nil
}

func openSSHCA(at opening) (runbooks.Connector, error) {
	if err := at.all.sshHosts.bad[at.target.ID]; err != nil {
		return nil, err
	}
	if at.all.ssh != nil {
		return at.all.ssh, nil
	}
	dir := filepath.Join(at.cfg.Data, "sshca")
	_, err := os.Lstat(filepath.Join(dir, "register.json")) // a first target of this kind on an old ledger gets its key; one that signed is never made anew
	seed, err := at.keys.lateSeed(keySSHCA, !errors.Is(err, fs.ErrNotExist))
	if err != nil {
		return nil, err
	}
	con, err := sshca.Open(sshca.Config{
		Seed: seed, Dir: dir, Now: wall(at.clock), Token: runbooks.NewSecret(at.cfg.SSHToken),
		Hosts: at.all.sshHosts.names, Groups: at.all.sshHosts.groups, Canary: at.all.sshHosts.canary,
	})
	if err != nil {
		return nil, err
	}
	at.all.ssh = con
	at.all.closing(con.Close)
	return con, nil
}

// sshRoutes are what hosts ask for and tell.
func (o *connectors) sshRoutes(mux *http.ServeMux) {
	if o.ssh == nil {
		return
	}
	for _, path := range []string{sshca.PathKRL, sshca.PathCA, sshca.PathHost} {
		mux.Handle(path, o.ssh.Handler())
	}
}
