package spec

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Workload says whose token lets its bearer act as a non-human identity: a job of a CI system, a pod of a cluster, a SPIFFE workload. Every
// value must be equal, letter by letter.
type Workload struct {
	Issuer   string            // https://… of OpenID Connect discovery, spiffe://trust-domain, or tls://name of an authority of client certificates
	Audience string            // must be among the token's audiences
	Subject  string            // the token's "sub"
	Claims   map[string]string // further claims and their values
	Keys     string            // JSON Web Key Set of the issuer, bundle of the trust domain, or PEM of the authorities; empty: fetched from the issuer
	Hours    string            // as workflows/calendar.ParseHours reads it; empty: always
	Zone     string            // of Hours
	CRL      string            // address of the authority's list of revoked client certificates; empty: none is asked for

	KillSwitch bool // its tokens may take everything away from anybody
}

const (
	schemeSPIFFE = "spiffe"
	schemeTLS    = "tls"
)

func workloadShape() shape {
	return object(
		key{"issuer", true, issuer(), "Who signs its tokens: the address of an OpenID Connect issuer, or a SPIFFE trust domain. tls:// and a name of yours: another authority, whose client certificates are taken where this bot speaks TLS itself."},
		key{"audience", true, plainWord("an audience such as countersign.example.com"), "The audience that its tokens must be made for. One that is this bot's alone. Of client certificates (tls://) the host name that is called."},
		key{"subject", true, plainWord("a subject, letter by letter"), "The exact subject (sub) of its tokens. Of client certificates (tls://) dns:, uri: or email: and the certificate's only name of that kind, or dn: and its whole subject, CN=…,O=…."},
		key{"claims", false, tableOf(maxTokenClaims, claimName(), plainWord("a value, letter by letter")), "Further claims that its tokens must have, and their exact values: repository_id, environment, job_workflow_ref."},
		key{"keys", false, keySet(), "The issuer's public keys, as a JSON Web Key Set; of a SPIFFE trust domain its bundle as it is published: with jwt-svid keys its tokens are taken, with x509-svid keys its client certificates, where this bot speaks TLS itself. Of another authority (tls://) its certificates in PEM. Without them an issuer's are fetched and follow its rotation."},
		key{"hours", false, hours(), "When it may ask."},
		key{"zone", false, zone(), "Time zone of the hours."},
		key{"crl", false, crlAddress(), "Of client certificates (tls://) where the authority publishes its list of revoked ones, in DER or PEM. It is read every 5 minutes; one that is out of date, or not signed by the authority that signed the certificate, lets nobody in."},
		key{"kill_switch", false, flag(), "true: its tokens may take all access away from anybody and quarantine them (POST /v1/revoke-all), as security's own automation does. Without it only from itself. It gives nothing. Default false."},
	)
}

func issuer() shape {
	https := address("https")
	return text("an issuer such as https://token.actions.githubusercontent.com or spiffe://prod.example.com", func(s string) (string, string) {
		rest, is := strings.CutPrefix(s, schemeSPIFFE+"://")
		if name, other := strings.CutPrefix(s, schemeTLS+"://"); other {
			if !authorityName.MatchString(name) {
				return fmt.Sprintf("bad name of an authority %q", s), "tls:// and up to 60 characters of a-z, 0-9, . and -"
			}
			return "", ""
		}
		if !is {
			return https.check(&value{text: s})
		}
		if u, err := url.Parse(s); err != nil || u.Host == "" || u.Host != rest {
			return fmt.Sprintf("bad trust domain %q", s), "spiffe:// and the name of the trust domain, nothing more"
		}
		return "", ""
	})
}

// crlAddress is that of a list which its authority signed: plain http serves, and many are published so.
func crlAddress() shape {
	https := address("https")
	return text("an address such as http://pki.example.com/corp.crl", func(s string) (string, string) {
		if rest, plain := strings.CutPrefix(s, "http://"); plain {
			s = "https://" + rest
		}
		return https.check(&value{text: s})
	})
}

var authorityName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,59}$`)

// plainWord is compared letter by letter, so what looks like a pattern is a mistake.
func plainWord(want string) shape {
	return text(want, func(s string) (string, string) {
		switch {
		case s == "" || len(s) > maxClaimBytes:
			return fmt.Sprintf("want 1 to %d bytes", maxClaimBytes), want
		case strings.ContainsAny(s, "*?"):
			return fmt.Sprintf("%q looks like a pattern, and is compared letter by letter", s), "write out the one value; name each further workload in an entry of its own"
		}
		return "", ""
	})
}

func claimName() shape {
	return matching("the name of a claim", `[A-Za-z][A-Za-z0-9_.:/-]{0,80}`, "such as repository_id")
}

// keySet takes public keys only.
func keySet() shape {
	return text("a JSON Web Key Set", func(s string) (string, string) {
		var set struct {
			Keys []map[string]any `json:"keys"`
		}
		if strings.HasPrefix(s, beginCertificate) && len(s) <= maxKeySet {
			return badAuthorities(s)
		}
		if err := json.Unmarshal([]byte(s), &set); err != nil || len(set.Keys) == 0 || len(s) > maxKeySet {
			return "this is no JSON Web Key Set", `as the issuer publishes it, {"keys": [...]}, on one line`
		}
		for i, k := range set.Keys {
			for _, private := range [...]string{"d", "p", "q", "k"} {
				if _, has := k[private]; has {
					return fmt.Sprintf("key %d of the set is not a public key", i+1), "publish the public half only, and replace the key: its private half has been in a file"
				}
			}
			if kty := k["kty"]; kty != "RSA" && kty != "EC" && kty != "OKP" {
				return fmt.Sprintf("key %d of the set is of the kind %v", i+1, kty), "RSA, EC or OKP"
			}
			if k["use"] == "x509-svid" && !isAuthority(k["x5c"]) {
				return fmt.Sprintf("key %d of the set is for x509-svid and has no certificate of an authority (x5c)", i+1), "the bundle of the trust domain as it is published, not a workload's certificate"
			}
		}
		return "", ""
	})
}

// badAuthorities says what is wrong with a text that is to hold certificates of authorities in PEM, and nothing else.
func badAuthorities(s string) (string, string) {
	list, ok := certificatesIn(s)
	if !ok || slices.ContainsFunc(list, func(c *x509.Certificate) bool { return !c.IsCA }) {
		return "this is no certificate of an authority", "the authority that signs the clients' certificates, not one of theirs"
	}
	return "", ""
}

// certificatesIn reads a text that is certificates in PEM and nothing else: those are public, and may stand in a folder.
func certificatesIn(s string) (out []*x509.Certificate, ok bool) {
	for rest := []byte(s); len(bytes.TrimSpace(rest)) > 0; {
		block, after := pem.Decode(rest)
		if block == nil || block.Type != "CERTIFICATE" || !bytes.HasPrefix(bytes.TrimSpace(rest), []byte(beginCertificate)) {
			return nil, false
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, false
		}
		out, rest = append(out, c), after
	}
	return out, len(out) > 0
}

const beginCertificate = "-----BEGIN CERTIFICATE-----"

// isAuthority tells whether the x5c of a key is one certificate that may sign others.
func isAuthority(x5c any) bool {
	list, _ := x5c.([]any)
	if len(list) != 1 {
		return false
	}
	text, _ := list[0].(string)
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	cert, err := x509.ParseCertificate(raw)
	return err == nil && cert.IsCA
}

// checkWorkloads finds two identities that one token could act as, and tokens of a kind of issuer that too much of the world can have.
func (c *checker) checkWorkloads() {
	seen := map[string]*value{}
	for _, i := range c.f.identities {
		for _, w := range i.list("workloads") {
			c.checkWorkload(w)
			claims, _ := json.Marshal(table(w, "claims")) // texts always marshal, keys in order
			key := strings.Join([]string{w.str("issuer"), w.str("subject"), string(claims)}, " ")
			if first, twice := seen[key]; twice {
				c.at(w.get("subject"), "one token acts as one identity: pin a claim that tells them apart", "the same workload is already on line %d", first.line)
			}
			seen[key] = w
		}
	}
}

func (c *checker) checkWorkload(w *value) {
	iss, sub := w.str("issuer"), w.str("subject")
	if w.has("hours") != w.has("zone") {
		c.at(w, "give both or none", "a workload has hours without a zone, or a zone without hours")
	}
	isPEM := strings.HasPrefix(w.str("keys"), beginCertificate)
	if strings.HasPrefix(iss, schemeTLS+"://") {
		c.checkCertificates(w, isPEM)
		return
	}
	if w.has("crl") {
		c.at(w.get("crl"), "leave it out, or issuer: tls:// and a name", "lists of revoked certificates are for client certificates of an authority")
	}
	if isPEM {
		c.at(w.get("keys"), "the issuer's JSON Web Key Set, or issuer: tls:// and a name for client certificates of this authority", "tokens of %s are not signed by certificates", iss)
	}
	if strings.HasPrefix(iss, schemeSPIFFE+"://") {
		if !strings.HasPrefix(sub, iss+"/") {
			c.at(w.get("subject"), "it begins with "+iss+"/", "%q is no workload of the trust domain", sub)
		}
		if !w.has("keys") {
			c.at(w, "keys: the trust domain's bundle", "the keys of a trust domain are not fetched")
		}
		return
	}
	for _, shared := range sharedIssuers() {
		if iss != shared.issuer {
			continue
		}
		for _, claim := range shared.claims {
			if table(w, "claims")[claim] == "" {
				c.at(w, "claims: "+claim, "everybody in the world gets tokens of %s: the claim %s must be pinned", iss, claim)
			}
		}
	}
}

// checkCertificates is checkWorkload for client certificates.
func (c *checker) checkCertificates(w *value, isPEM bool) {
	if hasBad(w) {
		return
	}
	if !isPEM {
		c.at(w.or("keys"), "keys: the authority's certificate in PEM", "who signs the client certificates of %s is not said", w.str("issuer"))
	}
	if w.has("claims") {
		c.at(w.get("claims"), "leave it out", "a certificate has no claims")
	}
	kind, name, _ := strings.Cut(w.str("subject"), ":")
	if name == "" || kind != "dns" && kind != "uri" && kind != "email" && kind != "dn" {
		c.at(w.get("subject"), "dns:build-7.example.com, uri:…, email:… or dn:CN=build-7,O=Example", "%q does not say which name of the certificate is meant", w.str("subject"))
	}
	if strings.HasPrefix(w.str("subject"), "uri:"+schemeSPIFFE+"://") {
		c.at(w.get("subject"), "issuer: "+schemeSPIFFE+":// and the trust domain", "the name of a SPIFFE workload belongs to its trust domain")
	}
}

// sharedIssuers sign for anybody; these claims say for whom, by ids that are never given to somebody else.
func sharedIssuers() []struct {
	issuer string
	claims []string
} {
	return []struct {
		issuer string
		claims []string
	}{
		{"https://token.actions.githubusercontent.com", []string{"repository_id", "environment"}},
		{"https://gitlab.com", []string{"project_id", "environment"}},
		{"https://agent.buildkite.com", []string{"organization_id", "pipeline_id"}},
		{"https://oidc.circleci.com", []string{"oidc.circleci.com/project-id"}},
		{"https://accounts.google.com", []string{"email"}},
	}
}

// table reads a table of texts.
func table(v *value, key string) map[string]string {
	out := map[string]string{}
	if t := v.get(key); t != nil {
		for _, e := range t.entries {
			out[e.key] = e.value.scalar()
		}
	}
	return out
}

func (c *compiler) workloads(i *value) (out []Workload) {
	for _, w := range i.list("workloads") {
		out = append(out, Workload{
			Issuer: w.str("issuer"), Audience: w.str("audience"), Subject: w.str("subject"), Claims: table(w, "claims"),
			Keys: w.str("keys"), Hours: w.str("hours"), Zone: w.str("zone"), CRL: w.str("crl"), KillSwitch: w.flag("kill_switch"),
		})
	}
	return out
}
