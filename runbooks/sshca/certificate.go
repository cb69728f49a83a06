package sshca

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
)

// The entitlement's words that this connector understands.
const (
	ParamPrincipals    = "principals"     // login roles; "${account}" stands for the holder's account
	ParamExtensions    = "extensions"     // "none", or names such as permit-pty; absent: permit-pty
	ParamForceCommand  = "force_command"  // one line that replaces whatever the holder runs
	ParamSourceAddress = "source_address" // addresses or prefixes that may log in
	ParamHost          = "host"           // for the command that is shown
	ParamPort          = "port"           // likewise
	ParamUser          = "user"           // likewise; "${account}" as above; absent: the first principal
	ParamKeyField      = "key_field"      // which form field holds the pasted key; absent: see pastedKey
	ParamHostGroup     = "host_group"     // a group of hosts of the target's settings: principals hold there alone, as "deploy@web"
	ParamSudo          = "sudo"           // commands that the holder's own account may run as another user on those hosts, or ALL; see sudo.go
	ParamSudoAs        = "sudo_as"        // that user; absent: root
)

// account is the only placeholder: the words of an entitlement are data and are never evaluated as a template.
const account = "${account}"

var (
	principalGrammar = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}$`)
	hostGrammar      = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$|^[0-9a-fA-F:]{2,45}$`)
	holderUnsafe     = regexp.MustCompile(`[^A-Za-z0-9.@_+-]`)
	grantGrammar     = regexp.MustCompile(`^g_[0-9A-Za-z_-]{1,80}$`)
)

// terms are a grant read and found sound: all that goes into its certificate and into the words for its holder.
type terms struct {
	key        ssh.PublicKey
	principals []string
	extensions map[string]string
	critical   map[string]string
	user       string
	host, port string
	group      string
	sudo       *sudoRule
}

// readTerms reads a grant. Its errors are sentences for the requester.
func (a *Authority) readTerms(g runbooks.Grant) (t terms, err error) {
	if err := checkParams(g.Params); err != nil {
		return t, err
	}
	if t.key, err = a.pastedKey(g); err != nil {
		return t, err
	}
	if t.principals, err = readPrincipals(g); err != nil {
		return t, err
	}
	if t.extensions, err = readExtensions(g.Params[ParamExtensions]); err != nil {
		return t, err
	}
	if t.critical, err = readCritical(g.Params); err != nil {
		return t, err
	}
	if g.Brokered {
		if err := t.checkBastion(g.Params); err != nil {
			return t, err
		}
	}
	if err := t.readPlace(g); err != nil {
		return t, err
	}
	if err := t.readGroup(g); err != nil {
		return t, err
	}
	t.sudo, err = readSudo(g, t.user)
	return t, err
}

// checkParams refuses words that nobody reads: a misspelled restriction would not restrict.
func checkParams(params map[string][]string) error {
	known := []string{
		ParamPrincipals, ParamExtensions, ParamForceCommand, ParamSourceAddress, ParamHost, ParamPort, ParamUser, ParamKeyField, ParamHostGroup,
		ParamSudo, ParamSudoAs,
	}
	for name, values := range params {
		if !slices.Contains(known, name) {
			return fmt.Errorf("the entitlement has a parameter %q that an SSH certificate does not know", name)
		}
		single := !slices.Contains([]string{ParamPrincipals, ParamExtensions, ParamSourceAddress, ParamSudo}, name)
		if single && len(values) > 1 {
			return fmt.Errorf("the entitlement's parameter %q takes one value", name)
		}
	}
	return nil
}

// pastedKey finds the key among the form's fields: the field that the entitlement names, or else the only field that
// holds a public key. Two of them are refused rather than guessed at.
func (a *Authority) pastedKey(g runbooks.Grant) (ssh.PublicKey, error) {
	if name := one(g.Params, ParamKeyField); name != "" {
		return a.parseKey(g.Fields[name])
	}
	var names []string
	for name, value := range g.Fields {
		if looksLikeKey(value) {
			names = append(names, name)
		}
	}
	switch len(names) {
	case 1:
		return a.parseKey(g.Fields[names[0]])
	case 0:
		return a.parseKey(g.Fields["public_key"])
	}
	slices.Sort(names)
	return nil, fmt.Errorf("there are public keys in several fields (%s): the entitlement must name one", strings.Join(names, ", "))
}

func looksLikeKey(value string) bool {
	if len(value) > maxPastedKey {
		return false
	}
	_, _, _, _, err := ssh.ParseAuthorizedKey([]byte(value))
	return err == nil
}

func readPrincipals(g runbooks.Grant) ([]string, error) {
	var out []string
	for _, p := range g.Params[ParamPrincipals] {
		if p == account {
			p = g.Account
		}
		if !principalGrammar.MatchString(p) {
			return nil, fmt.Errorf("%q cannot be a principal: letters, digits and . _ @ - only", p)
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	switch {
	case len(out) == 0:
		// OpenSSH reads an empty list as "any principal" in some settings; here it means nobody.
		return nil, errors.New("the entitlement names no principal, so nobody could log in")
	case len(out) > maxPrincipals:
		return nil, fmt.Errorf("the entitlement names %d principals, more than %d", len(out), maxPrincipals)
	}
	return out, nil
}

func readExtensions(names []string) (map[string]string, error) {
	if len(names) == 0 {
		names = []string{"permit-pty"}
	}
	if slices.Equal(names, []string{"none"}) {
		return nil, nil
	}
	known := []string{"permit-X11-forwarding", "permit-agent-forwarding", "permit-port-forwarding", "permit-pty", "permit-user-rc"}
	out := map[string]string{}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("%q is not an extension of SSH certificates (known: %s)", name, strings.Join(known, ", "))
		}
		out[name] = ""
	}
	return out, nil
}

func readCritical(params map[string][]string) (map[string]string, error) {
	out := map[string]string{}
	if values, ok := params[ParamForceCommand]; ok {
		command := strings.Join(values, "")
		if command == "" || len(command) > maxForcedCommand || strings.ContainsFunc(command, isControl) {
			return nil, fmt.Errorf("the forced command must be one line of 1 to %d characters", maxForcedCommand)
		}
		out["force-command"] = command
	}
	if values, ok := params[ParamSourceAddress]; ok {
		list, err := readAddresses(values)
		if err != nil {
			return nil, err
		}
		out["source-address"] = list
	}
	return out, nil
}

// BrokeredParams are the parameters without which a certificate keeps nobody to a bastion and one command.
func BrokeredParams() []string { return []string{ParamForceCommand, ParamSourceAddress} }

// AroundBastion are the extensions that lead past a forced command: tunnels, forwarded agents, a script of the user's own.
func AroundBastion() []string {
	return []string{"permit-X11-forwarding", "permit-agent-forwarding", "permit-port-forwarding", "permit-user-rc"}
}

// checkBastion refuses a brokered certificate that would let its holder log in from elsewhere, or do more than the one command.
func (t terms) checkBastion(params map[string][]string) error {
	for _, name := range BrokeredParams() {
		if len(params[name]) == 0 {
			return fmt.Errorf("the target is brokered, and the entitlement has no %s", name)
		}
	}
	for _, around := range AroundBastion() {
		if _, has := t.extensions[around]; has {
			return fmt.Errorf("the target is brokered, and the entitlement has %s, which leads around the bastion", around)
		}
	}
	for _, from := range strings.Split(t.critical["source-address"], ",") {
		if p, err := netip.ParsePrefix(from); err != nil || p.Bits() == 0 {
			return fmt.Errorf("the target is brokered, and %q is no address of a bastion", from)
		}
	}
	return nil
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

func readAddresses(values []string) (string, error) {
	if len(values) == 0 || len(values) > maxAddresses {
		return "", fmt.Errorf("the source addresses must be 1 to %d", maxAddresses)
	}
	var out []string
	for _, v := range values {
		prefix, err := netip.ParsePrefix(v)
		if addr, bad := netip.ParseAddr(v); bad == nil && addr.Zone() == "" {
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			return "", fmt.Errorf("%q is not an address or a prefix such as 10.0.0.0/8", v)
		}
		// sshd refuses a prefix with host bits set, and then the whole certificate.
		if prefix != prefix.Masked() {
			return "", fmt.Errorf("the prefix %q has bits set outside its mask (did you mean %s?)", v, prefix.Masked())
		}
		out = append(out, prefix.String())
	}
	return strings.Join(out, ","), nil
}

// readPlace reads where to log in; it is only for the words on the card, and must be harmless to paste into a shell.
func (t *terms) readPlace(g runbooks.Grant) error {
	t.host, t.port, t.user = one(g.Params, ParamHost), one(g.Params, ParamPort), one(g.Params, ParamUser)
	switch t.user {
	case account:
		t.user = g.Account
	case "":
		t.user = t.principals[0]
	}
	if !principalGrammar.MatchString(t.user) {
		return fmt.Errorf("%q cannot be a login name", t.user)
	}
	if t.host != "" && !hostGrammar.MatchString(t.host) {
		return fmt.Errorf("%q cannot be a host name", t.host)
	}
	if n, err := strconv.ParseUint(t.port, 10, 16); t.port != "" && (err != nil || n == 0) {
		return fmt.Errorf("%q cannot be a port", t.port)
	}
	return nil
}

// certify makes the certificate of a grant: always the same bytes for the same grant.
func (a *Authority) certify(g runbooks.Grant, t terms) (*ssh.Certificate, error) {
	cert := &ssh.Certificate{
		Key:             t.key,
		Serial:          Serial(g.ID),
		CertType:        ssh.UserCert,
		KeyId:           keyID(g),
		ValidPrincipals: t.principals,
		ValidAfter:      uint64(g.Start.Add(-skew).Unix()),
		ValidBefore:     uint64(g.End.Unix()),
		Permissions:     ssh.Permissions{CriticalOptions: t.critical, Extensions: t.extensions},
	}
	return cert, a.sign(g.ID, cert)
}

// keyID is what sshd writes into its log at every login: it leads to the grant and to the human.
func keyID(g runbooks.Grant) string {
	holder := holderUnsafe.ReplaceAllString(g.Holder, "_")
	return fmt.Sprintf("countersign/%s/%s", g.ID, holder[:min(len(holder), maxHolder)])
}

// fileName is where the holder saves the certificate. The id is one that we made, and is checked again all the same.
func fileName(g runbooks.Grant) string { return string(g.ID) + "-cert.pub" }

// receipt tells what was made; it holds nothing that differs between two calls for the same grant.
func (a *Authority) receipt(g runbooks.Grant, t terms, cert *ssh.Certificate) runbooks.Receipt {
	serial := strconv.FormatUint(cert.Serial, 10)
	line := cert.Type() + " " + base64.StdEncoding.EncodeToString(cert.Marshal()) + " " + cert.KeyId + "\n"
	file := fileName(g)
	r := runbooks.Receipt{
		Ref: "serial " + serial,
		Facts: map[string]string{
			"serial":       serial,
			"key":          ssh.FingerprintSHA256(t.key),
			"ca":           ssh.FingerprintSHA256(a.PublicKey()),
			"valid_before": time.Unix(int64(cert.ValidBefore), 0).UTC().Format(time.RFC3339),
		},
		Personal: map[string]string{"key_id": cert.KeyId},
		Use: runbooks.Use{
			Steps: []string{
				"Save the certificate as ~/.ssh/" + file + ".",
				"Log in with the private key that belongs to the public key you pasted; if it is not ~/.ssh/id_ed25519, change the command.",
			},
			Command: command(t, file),
			Host:    t.host,
			Files:   map[string]string{file: line},
		},
	}
	if t.group != "" {
		r.Facts["host_group"] = t.group
	}
	if t.sudo != nil {
		r.Facts["sudo"] = t.sudo.words()
		r.Use.Steps = append(r.Use.Steps, "On the host, run with sudo: "+t.sudo.words()+". It works once the host has pulled, which takes about a minute, and sudo itself ends it.")
	}
	return r
}

func command(t terms, file string) string {
	host := t.host
	if host == "" {
		host = "HOST"
	}
	line := "ssh -i ~/.ssh/id_ed25519 -o CertificateFile=~/.ssh/" + file + " " + t.user + "@" + host
	if t.port != "" && t.port != "22" {
		line += " -p " + t.port
	}
	return line
}

func one(params map[string][]string, name string) string {
	if values := params[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}
