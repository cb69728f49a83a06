package x509

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
)

// The settings of a target: what the authority certifies there. Where one of them is set, nothing else is certified there.
const (
	SettingOrganizations = "organizations"  // names with spaces between
	SettingCanary        = "canary_address" // host:port of a server that drills show the canary's certificate to
	SettingCanaryRoots   = "canary_ca_file" // certificate authorities in PEM that this server's own certificate is checked with, instead of the system's
	SettingSPIFFE        = "spiffe_ids"     // SPIFFE IDs, or their beginnings with a star at the end, with spaces between
)

// Target is the authority within the limits of one target. Its methods may be called by several goroutines.
type Target struct {
	*Connector
	organizations, ids []string
	canary             canary
}

// For reads the settings of a target.
func (c *Connector) For(settings map[string]string) (*Target, error) {
	if err := runbooks.KnownSettings(settings, SettingOrganizations, SettingSPIFFE, SettingCanary, SettingCanaryRoots); err != nil {
		return nil, err
	}
	t := &Target{Connector: c, organizations: strings.Fields(settings[SettingOrganizations]), ids: strings.Fields(settings[SettingSPIFFE])}
	for _, o := range t.organizations {
		if !isName(o) {
			return nil, fmt.Errorf("setting %s: %q is no name of up to %d characters", SettingOrganizations, o, maxName)
		}
	}
	for _, id := range t.ids {
		if prefix, ok := strings.CutSuffix(id, "/*"); (&terms{}).readID(prefix+map[bool]string{true: "/x"}[ok]) != nil {
			return nil, fmt.Errorf("setting %s: %q is no SPIFFE ID such as spiffe://example.org/payments/api or spiffe://example.org/payments/*", SettingSPIFFE, id)
		}
	}
	var err error
	t.canary, err = readCanary(settings[SettingCanary], settings[SettingCanaryRoots])
	return t, err
}

// within refuses what lies outside of the target's limits.
func (t *Target) within(g runbooks.Grant) error {
	for _, o := range g.Params[ParamOrganization] {
		if t.isLimited() && !slices.Contains(t.organizations, o) {
			return refuse("the organization %.60q is none that this target certifies (its setting %s)", o, SettingOrganizations)
		}
	}
	for _, id := range g.Params[ParamSPIFFE] {
		if t.isLimited() && !slices.ContainsFunc(t.ids, func(limit string) bool {
			prefix, whole := strings.CutSuffix(limit, "*")
			return id == limit || whole && strings.HasPrefix(id, prefix)
		}) {
			return refuse("the SPIFFE ID is none that this target certifies (its setting %s)", SettingSPIFFE)
		}
	}
	if t.isLimited() && len(g.Params[ParamOrganization])+len(g.Params[ParamSPIFFE]) == 0 {
		return refuse("this target certifies organizations and SPIFFE IDs that its settings name, and the entitlement has neither")
	}
	return nil
}

func (t *Target) isLimited() bool { return len(t.organizations)+len(t.ids) > 0 }

// Grant certifies what lies within the limits.
func (t *Target) Grant(ctx context.Context, g runbooks.Grant) (runbooks.Receipt, error) {
	if err := t.within(g); err != nil {
		return runbooks.Receipt{}, err
	}
	return t.Connector.Grant(ctx, g)
}

// Plan refuses what Grant would refuse.
func (t *Target) Plan(ctx context.Context, g runbooks.Grant) (runbooks.Plan, error) {
	if err := t.within(g); err != nil {
		return runbooks.Plan{}, err
	}
	return t.Connector.Plan(ctx, g)
}

// ListOffers gives the organizations and the SPIFFE IDs of the settings. Of a beginning there is nothing to list.
func (t *Target) ListOffers(ctx context.Context) iter.Seq2[runbooks.Offer, error] {
	return func(yield func(runbooks.Offer, error) bool) {
		for _, word := range []struct {
			param, what string
			values      []string
		}{
			{ParamOrganization, "client certificates of this organization", t.organizations}, {ParamSPIFFE, "X.509-SVIDs of this identity", t.ids},
		} {
			for _, v := range word.values {
				o := runbooks.Offer{Name: v, Params: map[string][]string{word.param: {v}}, Description: word.what, Account: word.param == ParamOrganization}
				switch {
				case ctx.Err() != nil:
					yield(runbooks.Offer{}, runbooks.Errorf(runbooks.Retry, ctx.Err(), "the call was cut short"))
					return
				case strings.HasSuffix(v, "*"):
				case !yield(o, nil):
					return
				}
			}
		}
		if err := ctx.Err(); err != nil {
			yield(runbooks.Offer{}, runbooks.Errorf(runbooks.Retry, err, "the call was cut short"))
		}
	}
}

// IsUnlisted tells that the settings leave open what is certified, or name a beginning alone.
func (t *Target) IsUnlisted(_ context.Context, params map[string][]string) bool {
	return !t.isLimited() || slices.ContainsFunc(t.ids, func(id string) bool { return strings.HasSuffix(id, "*") }) && len(params[ParamSPIFFE]) > 0
}
