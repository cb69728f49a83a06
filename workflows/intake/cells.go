package intake

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// Columns are the names that a file may use, in the order in which export writes them.
func Columns() []string {
	return []string{
		"id", "kind", "name", "owner", "backup", "business_owner", "purpose", "environment", "target", "account", "scope", "used", "uses", "stored",
		"secret_ref", "revocation", "managed_by", "risk", "vendor", "sponsor", "contract_end", "ticket", "created", "last_used", "rotated", "expires",
		"rotate_every", "review_every", "issuer", "subject", "serial", "last_four", "fingerprint", "model", "tools", "data_reach", "autonomy",
		"kill_tested", "retire_plan", "person", "tags", "creator",
	}
}

// set puts one cell into the item; a problem says why it cannot.
func (it *Item) set(name, v string) string {
	if problem := unfit(v); problem != "" {
		return problem
	}
	e := &it.Says
	if dst := it.texts()[name]; dst != nil {
		*dst = v
		return it.words(name, v)
	}
	switch name {
	case "id":
		it.ID = workflows.IdentityID(v)
	case "target":
		e.Target = workflows.TargetID(v)
	case "scope":
		return list(&e.Scope, v)
	case "used":
		return list(&e.Used, v)
	case "uses":
		return list(&e.Uses, v)
	case "tools":
		return list(&e.Tools, v)
	case "tags":
		return list(&e.Tags, v)
	case "created":
		return moment(&e.Created, v, false)
	case "last_used":
		return moment(&e.LastUsed, v, false)
	case "rotated":
		return moment(&e.Rotated, v, false)
	case "kill_tested":
		return moment(&e.KillTested, v, false)
	case "expires":
		return moment(&e.Expires, v, true)
	case "contract_end":
		return moment(&e.ContractEnd, v, true)
	case "rotate_every":
		return span(&e.RotateEvery, v)
	case "review_every":
		return span(&e.ReviewEvery, v)
	default:
		return "there is no such column"
	}
	return ""
}

func (it *Item) texts() map[string]*string {
	e := &it.Says
	return map[string]*string{
		"kind": &e.Class, "name": &e.Name, "owner": &it.Owner, "backup": &it.Backup, "business_owner": &it.Business, "purpose": &e.Purpose,
		"environment": &e.Environment, "account": &it.Account, "stored": &e.Stored, "secret_ref": &it.Store, "revocation": &it.Path,
		"managed_by": &e.ManagedBy, "risk": &e.Risk, "vendor": &e.Vendor, "sponsor": &it.Sponsor, "ticket": &e.Ticket, "issuer": &e.Issuer,
		"subject": &e.Subject, "serial": &e.Serial, "last_four": &e.LastFour, "fingerprint": &e.Print, "model": &e.Model, "data_reach": &e.DataReach,
		"autonomy": &e.Autonomy, "retire_plan": &e.RetirePlan, "person": &it.Person, "creator": &it.Creator,
	}
}

// words checks the cells that take one of a few words.
func (it *Item) words(name, v string) string {
	of := func(list ...string) string {
		if slices.Contains(list, v) {
			return ""
		}
		return fmt.Sprintf("%q: want one of %s", v, strings.Join(list, ", "))
	}
	switch name {
	case "kind":
		return of(append(identities.MachineKinds(), identities.KindContractor)...)
	case "stored":
		return of(identities.StoredVault, identities.StoredNative, identities.StoredNone, identities.StoredUnmanaged)
	case "managed_by":
		return of(identities.ManagedInternal, identities.ManagedContractor, identities.ManagedVendor, identities.ManagedLowCode)
	case "risk":
		return of("low", "medium", "high", "critical")
	case "secret_ref":
		if strings.Contains(v, " ") || !strings.Contains(v, ":") && !strings.Contains(v, "/") {
			return "want a reference such as vault:kv/app, never the secret itself"
		}
	case "last_four":
		if utf8.RuneCountInString(v) > 8 {
			return "want the last characters only, at most eight: the rest is a secret"
		}
	}
	return ""
}

// unfit finds what no cell may hold: other encodings, control characters, formulas.
func unfit(v string) string {
	switch {
	case !utf8.ValidString(v):
		return "it is not UTF-8: save the file as UTF-8"
	case len(v) > maxCell:
		return fmt.Sprintf("it has more than %d bytes", maxCell)
	case strings.ContainsFunc(v, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }):
		return "it holds characters that do not show"
	case strings.ContainsAny(v[:1], "=+@|") || v[0] == '-' && len(v) > 1:
		return "it begins like a formula of a spreadsheet"
	}
	return ""
}

func list(dst *[]string, v string) string {
	for item := range strings.SplitSeq(v, ";") {
		if item = strings.TrimSpace(item); item != "" {
			*dst = append(*dst, item)
		}
	}
	if len(*dst) > maxList {
		return fmt.Sprintf("it lists more than %d items", maxList)
	}
	return ""
}

func moment(dst *workflows.Stamp, v string, end bool) string {
	if t, err := time.Parse(time.RFC3339, v); err == nil {
		*dst = workflows.StampOf(t)
		return ""
	}
	t, err := time.Parse(time.DateOnly, v)
	if err != nil || t.Year() < 1990 || t.Year() > 2999 {
		return fmt.Sprintf("%q: want a day such as 2027-06-30, or a moment such as 2027-06-30T12:00:00Z", v)
	}
	if end {
		t = t.AddDate(0, 0, 1) // it ends with the day
	}
	*dst = workflows.StampOf(t)
	return ""
}

func span(dst *workflows.Span, v string) string {
	d, ok := workflows.ParseSpan(v)
	if !ok {
		return fmt.Sprintf("%q: want a length of time such as 90d", v)
	}
	*dst = d
	return ""
}

func isID(s string) bool {
	if s == "" || len(s) > 60 || s[0] == '-' || strings.HasPrefix(s, "p_") {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
