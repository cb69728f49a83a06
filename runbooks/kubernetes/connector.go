package kubernetes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
)

// Describe says what bindings, or tokens, can do.
func (c *Connector) Describe() runbooks.Capabilities {
	caps := runbooks.Capabilities{
		Name: "kubernetes", RevokeLatency: 100 * time.Millisecond, Timeout: callTimeout,
		RevokeLeaves: "A watch, a log stream or a shell in a container that is already open goes on until it is closed.",
	}
	if c.cfg.Tokens {
		caps.NativeExpiry, caps.MinTTL, caps.RevokeLatency, caps.Mints = true, minTTL, tokenLatency, true
		caps.RevokeLeaves = "The cluster goes on taking the token for up to ten seconds; a watch, a log stream or a shell that is already open goes on until it is closed."
	}
	return caps
}

// order is a grant read and found sound.
type order struct {
	runbooks.Grant
	namespace string // "*": everywhere
	role      reference
	subject   subject
	service   string // for tokens: the service account
	audience  string
}

// readOrder reads a grant; its errors are refusals that name the word.
func (c *Connector) readOrder(g runbooks.Grant) (order, error) {
	known := []string{ParamNamespace, ParamClusterRole, ParamRole, ParamSubject}
	if c.cfg.Tokens {
		known = []string{ParamNamespace, ParamServiceAccount, ParamAudience}
	}
	words, err := runbooks.ReadTerms(g, known...)
	if err != nil {
		return order{}, err
	}
	o := order{Grant: g, namespace: words[ParamNamespace], service: words[ParamServiceAccount], audience: words[ParamAudience]}
	switch {
	case o.namespace == "*" && c.cfg.Tokens, o.namespace != "*" && !isLabel(o.namespace):
		return o, refuse("the entitlement's params: %q is not the name of a namespace", ParamNamespace)
	case !c.covers(o.namespace):
		return o, refuse("the entitlement's params: %q is none of those that the target's settings allow", ParamNamespace)
	case c.cfg.Tokens && !isDNS(o.service):
		return o, refuse("the entitlement's params: %q is not the name of a service account", ParamServiceAccount)
	case c.cfg.Tokens:
		return o, nil
	}
	if err := o.readRole(words); err != nil {
		return o, err
	}
	return o, o.readSubject(words[ParamSubject])
}

func (o *order) readRole(words map[string]string) error {
	o.role = reference{groupRBAC, "ClusterRole", words[ParamClusterRole]}
	if name, ok := words[ParamRole]; ok {
		if o.role.Name != "" || o.namespace == "*" {
			return refuse("the entitlement's params: %q goes with a namespace and without %q", ParamRole, ParamClusterRole)
		}
		o.role.Kind, o.role.Name = "Role", name
	}
	if !isSegment(o.role.Name) {
		return refuse("the entitlement's params: %q or %q is missing or not the name of a role", ParamClusterRole, ParamRole)
	}
	return nil
}

func (o *order) readSubject(kind string) error {
	switch {
	case o.Account == "":
		return refuse("there is no account")
	case len(o.Account) > maxAccount:
		return refuse("the account is longer than %d bytes", maxAccount)
	case kind == "" || kind == "User":
		if strings.HasPrefix(o.Account, "system:") {
			return refuse("the account is one of the cluster's own")
		}
		o.subject = subject{APIGroup: groupRBAC, Kind: "User", Name: o.Account}
	case kind == "ServiceAccount":
		namespace, name, _ := strings.Cut(o.Account, "/")
		if !isLabel(namespace) || !isDNS(name) {
			return refuse("the account is not a service account written as namespace/name")
		}
		o.subject = subject{Kind: kind, Namespace: namespace, Name: name}
	default:
		return refuse("the entitlement's params: %q is neither User nor ServiceAccount", ParamSubject)
	}
	return nil
}

func refuse(format string, args ...any) error {
	return runbooks.Errorf(runbooks.Refuse, nil, format, args...)
}

// objectName names what a grant makes where names are those of DNS: another one for each grant.
func objectName(g runbooks.Grant) string {
	rest := strings.TrimPrefix(string(g.ID), "g_")
	if isLabel(rest) && len(rest) <= 48 {
		return "countersign-g-" + rest
	}
	sum := sha256.Sum256([]byte(g.ID))
	return "countersign-h-" + hex.EncodeToString(sum[:16])
}

// notes are the annotations of what a grant makes. Whoever reads the object or its audit log finds the grant and the human.
func (o order) notes() map[string]string {
	notes := map[string]string{
		noteGrant: string(o.ID), noteRequest: string(o.Request), noteHolder: o.Holder, noteEnd: o.End.UTC().Truncate(time.Second).Format(time.RFC3339),
	}
	if o.service != "" {
		notes[noteAccount], notes[noteAudience] = o.service, o.audience
	}
	return notes
}

// isSame tells whether an object was made for this very grant: the holder's name may have been erased meanwhile.
func (o order) isSame(m meta) bool {
	for name, want := range o.notes() {
		if name != noteHolder && m.Annotations[name] != want {
			return false
		}
	}
	return m.Labels[labelManaged] == managed
}

func otherContents() error { return refuse("this grant was already made with other contents") }

// Grant makes the binding, or the token.
func (c *Connector) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	o, err := c.readOrder(g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	if c.cfg.Tokens {
		return c.issue(ctx, o)
	}
	if err := c.bind(ctx, o); err != nil {
		return runbooks.Receipt{}, err
	}
	return o.receipt(), nil
}

// Revoke deletes what the grant made.
func (c *Connector) Revoke(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	o, err := c.readOrder(g)
	if err != nil {
		return runbooks.Receipt{}, err
	}
	if c.cfg.Tokens {
		err = c.withdraw(ctx, o)
	} else {
		err = c.remove(ctx, "deleting the binding", o.path())
	}
	if err != nil {
		return runbooks.Receipt{}, err
	}
	r := o.receipt()
	r.Use = runbooks.Use{}
	return r, nil
}

// Check reads back what the grant made, and for bindings whether another one gives the same.
func (c *Connector) Check(ctx context.Context, g runbooks.Grant) (runbooks.Presence, error) {
	o, err := c.readOrder(g)
	if err != nil {
		return runbooks.Unconfirmed, err
	}
	there := false
	if c.cfg.Tokens {
		there, err = c.isIssued(ctx, o)
	} else {
		there, err = c.isBound(ctx, o)
	}
	switch {
	case err != nil:
		return runbooks.Unconfirmed, err
	case there:
		return runbooks.Present, nil
	}
	return runbooks.Absent, nil
}

// receipt is the same for every call of the same grant.
func (o order) receipt() runbooks.Receipt {
	if o.service != "" {
		return runbooks.Receipt{
			Ref:   "token of " + o.namespace + "/" + o.service,
			Facts: map[string]string{"namespace": o.namespace, "service_account": o.service, "object": objectName(o.Grant)},
			Use: runbooks.Use{Steps: []string{
				"Take the token where it is handed over.", "Put it into your kubeconfig, or give it to the program that calls the cluster.",
			}},
		}
	}
	where := "-n " + o.namespace
	if o.namespace == "*" {
		where = "--all-namespaces"
	}
	return runbooks.Receipt{
		Ref:      o.kind() + " " + o.bindingName(),
		Facts:    map[string]string{"namespace": o.namespace, "role": o.role.Kind + " " + o.role.Name, "binding": o.bindingName()},
		Personal: map[string]string{"account": o.Account},
		Use: runbooks.Use{
			Steps:   []string{"Use the cluster with your own account, as always."},
			Command: "kubectl auth can-i --list " + where,
		},
	}
}

// words is a subject for people.
func (s subject) words() string {
	if s.Kind == "ServiceAccount" {
		return fmt.Sprintf("service account %s/%s", s.Namespace, s.Name)
	}
	return strings.ToLower(s.Kind) + " " + s.Name
}
