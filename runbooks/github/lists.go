package github

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
)

// collaborator is somebody who was added to a repository itself.
type collaborator struct {
	Login    string `json:"login"`
	RoleName string `json:"role_name"` // read, triage, write, maintain, admin, or one of the organisation's own
}

// invitation to a repository.
type invitation struct {
	ID          int64        `json:"id"`
	Invitee     collaborator `json:"invitee"`
	Inviter     collaborator `json:"inviter"`
	Permissions string       `json:"permissions"`
	CreatedAt   string       `json:"created_at"`
	Expired     bool         `json:"expired"`
}

func (c *Connector) collaborators(ctx context.Context, owner, name string) iter.Seq2[collaborator, error] {
	return pages[collaborator](ctx, c.api, "listing the collaborators", rest.Path("repos", owner, name, "collaborators"), url.Values{"affiliation": {"direct"}})
}

func (c *Connector) invitations(ctx context.Context, owner, name string) iter.Seq2[invitation, error] {
	return pages[invitation](ctx, c.api, "listing the invitations", rest.Path("repos", owner, name, "invitations"), url.Values{})
}

// pages gives the elements of a list, page after page; it holds one page at a time.
func pages[T any](ctx context.Context, api *rest.Client, what, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		query.Set("per_page", strconv.Itoa(pageSize))
		for page := 1; page <= maxPages; page++ {
			query.Set("page", strconv.Itoa(page))
			var list []T
			if _, err := api.Ask(ctx, what, rest.Call{Method: http.MethodGet, Path: path, Query: query}, &list); err != nil {
				yield(none, err)
				return
			}
			for _, x := range list {
				if !yield(x, nil) {
					return
				}
			}
			if len(list) < pageSize {
				return
			}
		}
		yield(none, runbooks.Errorf(runbooks.Broken, nil, "%s: there are more than %d", what, pageSize*maxPages))
	}
}
