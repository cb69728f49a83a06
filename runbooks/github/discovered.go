package github

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

func pageQuery(page int) url.Values {
	return url.Values{"per_page": {strconv.Itoa(pageSize)}, "page": {strconv.Itoa(page)}}
}

// reach says which of an organisation's repositories an App sees.
func reach(selection, org string) string {
	if selection == "all" {
		return "all repositories of " + org
	}
	return "selected repositories of " + org
}

// discovered is what the inventory is told; vendor is the account that owns the App, empty where GitHub does not tell.
func (x installation) discovered(org, vendor string) runbooks.Discovered {
	d := runbooks.Discovered{
		Ref: fmt.Sprintf(refApp+"%s/%d", org, x.ID), Kind: "integration", Name: rest.Clean(x.Slug, maxShown), MadeAt: at(x.CreatedAt),
		Facts: map[string]string{"repositories": rest.Clean(x.Selection, maxShown), runbooks.FactReach: reach(x.Selection, org)},
	}
	if vendor != "" {
		d.Facts[runbooks.FactVendor] = rest.Clean(vendor, maxShown)
	}
	if x.SuspendedAt != "" {
		d.Facts["suspended"] = rest.Clean(x.SuspendedAt, maxShown)
	}
	for _, name := range slices.Sorted(maps.Keys(x.Permissions)) {
		level := x.Permissions[name]
		if len(d.Grants) < maxGrants {
			d.Grants = append(d.Grants, rest.Clean(name+": "+level, maxShown))
		}
		d.Strong = d.Strong || level == "admin" || level == "write" && (name == "administration" || name == "organization_administration" || name == "members")
	}
	return d
}

func (x personalToken) discovered(org string) runbooks.Discovered {
	return runbooks.Discovered{
		Ref: fmt.Sprintf(refToken+"%s/%d", org, x.ID), Kind: "oauth_token", Name: rest.Clean(x.Name, maxShown), Owner: rest.Clean(x.Owner.Login, maxShown),
		Of: "user " + rest.Clean(x.Owner.Login, maxShown), MadeAt: at(x.GrantedAt), LastUsed: at(x.LastUsed), Expires: at(x.Expires),
	}
}

func (x deployKey) discovered(place terms) runbooks.Discovered {
	can := "writes to " + place.owner + "/" + place.name
	if x.ReadOnly {
		can = "reads " + place.owner + "/" + place.name
	}
	print := ""
	if key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(x.Key)); err == nil {
		print = ssh.FingerprintSHA256(key)
	}
	return runbooks.Discovered{
		Fingerprint: print,
		Ref:         fmt.Sprintf(refKey+"%s/%s/%d", place.owner, place.name, x.ID), Kind: "ssh_key", Name: rest.Clean(x.Title, maxShown),
		MadeBy: rest.Clean(x.AddedBy, maxShown), Owner: rest.Clean(x.AddedBy, maxShown), MadeAt: at(x.CreatedAt), LastUsed: at(x.LastUsed),
		Grants: []string{can},
	}
}

// at reads a time; zero where there is none.
func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
