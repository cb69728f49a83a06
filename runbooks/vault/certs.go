package vault

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// AccessKey is the grant's id: Vault gives the serial number only with the certificate.
func (s *Signed) AccessKey(g runbooks.Grant) string {
	if _, err := s.readOrder(g); err != nil {
		return ""
	}
	return "grant " + string(g.ID)
}

// ListAccess lists what is signed and good. Of the pki engine that is every certificate of the scope's engines, by whoever it was asked for; of
// SSH what the register knows, since Vault keeps no list of signed keys.
func (s *Signed) ListAccess(ctx context.Context) iter.Seq2[runbooks.Access, error] {
	return func(yield func(runbooks.Access, error) bool) {
		ours := map[string]bool{} // serial numbers
		for rec, err := range s.records() {
			if err != nil {
				yield(runbooks.Access{}, err)
				return
			}
			ours[plain(rec.Serial)] = true
			if live := !s.ended(rec) && (!rec.Revoked || s.engine == EngineSSH); live && !yield(s.access(rec), nil) {
				return
			}
		}
		for _, mount := range s.mounts("sign") {
			if s.engine == EnginePKI && !s.foreign(ctx, mount, ours, yield) {
				return
			}
		}
		if err := ctxError(ctx); err != nil {
			yield(runbooks.Access{}, err)
		}
	}
}

func (s *Signed) access(rec record) runbooks.Access {
	end, _ := time.Parse(time.RFC3339, rec.End)
	a := runbooks.Access{
		Key: "grant " + string(rec.Grant), Account: rec.Account, What: "signed at " + rec.Path + ", serial number " + rec.Serial,
		Params: map[string][]string{ParamPath: {rec.Path}}, Ours: true, Grant: rec.Grant, MadeBy: "countersign", Ends: end.UTC(),
	}
	if a.Account == "" {
		a.Account = string(rec.Grant)
	}
	return a
}

// plain is a serial number without its colons.
func plain(serial string) string { return strings.ToLower(strings.ReplaceAll(serial, ":", "")) }

// foreign tells of certificates that the register does not know, and whether to go on.
func (s *Signed) foreign(ctx context.Context, mount string, ours map[string]bool, yield func(runbooks.Access, error) bool) bool {
	serials, _, err := s.keys(ctx, "listing the certificates", mount+"/certs")
	if err != nil {
		yield(runbooks.Access{}, err)
		return false
	}
	for _, serial := range serials {
		if ours[plain(serial)] || !isSerial(serial) {
			continue
		}
		a, live, err := s.certificate(ctx, mount, serial)
		if err != nil {
			yield(runbooks.Access{}, err)
			return false
		}
		if live && !yield(a, nil) {
			return false
		}
	}
	return true
}

func isSerial(s string) bool {
	return runbooks.Pattern(`[0-9a-fA-F]{2}(?:[:-]?[0-9a-fA-F]{2}){0,40}`)(s)
}

// certificate reads one back; those of authorities, and those that ended or were revoked, are no access. A young one may be ours, made after the
// register was read: the next sweep tells.
func (s *Signed) certificate(ctx context.Context, mount, serial string) (runbooks.Access, bool, error) {
	const what = "looking at a certificate"
	var out struct {
		Data struct {
			Certificate string `json:"certificate"`
			Revoked     int64  `json:"revocation_time"`
		} `json:"data"`
	}
	r, err := s.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: v1(mount + "/cert/" + serial)})
	if err != nil || r.Status == http.StatusNotFound { // tidied away meanwhile
		return runbooks.Access{}, false, err
	}
	if err := s.api.Judge(what, r); err != nil {
		return runbooks.Access{}, false, err
	}
	if err := s.api.Into(what, r, &out); err != nil {
		return runbooks.Access{}, false, err
	}
	block, _ := pem.Decode([]byte(out.Data.Certificate))
	if block == nil {
		return runbooks.Access{}, false, runbooks.Errorf(runbooks.Broken, nil, "%s: Vault's answer holds none", what)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return runbooks.Access{}, false, runbooks.Errorf(runbooks.Broken, err, "%s: it cannot be read", what)
	}
	name := rest.Clean(cert.Subject.CommonName, maxWords)
	if name == "" {
		name = "no name"
	}
	return runbooks.Access{
		Key: "certificate " + mount + " " + plain(serial), Account: name, What: rest.Clean("a certificate of "+mount+" in the name of "+name, maxWords),
		MadeAt: cert.NotBefore.UTC(), Ends: cert.NotAfter.UTC(),
	}, !cert.IsCA && out.Data.Revoked == 0 && s.now().Before(cert.NotAfter) && s.now().Sub(cert.NotBefore) > young, nil
}

// RemoveAccess revokes a certificate that is listed. A signed SSH key cannot be taken back.
func (s *Signed) RemoveAccess(ctx context.Context, a runbooks.Access) (runbooks.Receipt, error) {
	out := runbooks.Receipt{Ref: a.Key}
	if s.engine == EngineSSH {
		return runbooks.Receipt{}, refuse("Vault cannot take a signed SSH key back: it ends at %s", a.Ends.UTC().Format(time.RFC3339))
	}
	if mount, serial, ok := strings.Cut(strings.TrimPrefix(a.Key, "certificate "), " "); ok && strings.HasPrefix(a.Key, "certificate ") && isPath(mount) && isSerial(serial) {
		return out, s.revokeSerial(ctx, record{Path: mount + "/sign/", Serial: colons(serial)})
	}
	if a.Grant == "" || a.Key != "grant "+string(a.Grant) || !runbooks.Pattern(`g_[0-9A-Za-z_-]{1,120}`)(string(a.Grant)) {
		return runbooks.Receipt{}, refuse("that is no access as this target lists it")
	}
	release, err := s.hold(ctx, a.Grant)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	defer release()
	rec, known, err := s.load(a.Grant)
	if err != nil || !known {
		return out, err
	}
	return out, s.end(ctx, rec)
}

// colons is a serial number as Vault takes it.
func colons(serial string) string {
	serial = plain(strings.ReplaceAll(serial, "-", ""))
	var parts []string
	for i := 0; i < len(serial); i += 2 {
		parts = append(parts, serial[i:min(i+2, len(serial))])
	}
	return strings.Join(parts, ":")
}
