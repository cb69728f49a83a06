package github

import (
	"context"
	"net/http"
	"strings"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/rest"
	"github.com/countersign-bot/countersign/workflows"
)

// Covers takes issues and pull requests of the scope: "northwind/shop#12", spelled as the repository is.
func (c *Connector) Covers(ref string) bool {
	t, _, ok := readRef(ref)
	return ok && c.inScope(t)
}

func readRef(ref string) (t terms, number string, ok bool) {
	repo, number, _ := strings.Cut(ref, "#")
	if !isRepository(repo) || !runbooks.Pattern(`[1-9][0-9]{0,9}`)(number) {
		return terms{}, "", false
	}
	t.owner, t.name, _ = strings.Cut(repo, "/")
	return t, number, true
}

// Task asks for the issue; a pull request is one, too, closed when it is merged. GitHub answers 404 also for what the
// credentials may not see: that the repository can be seen is asked before an issue is said not to exist. It needs the
// permissions "Issues: read" and "Pull requests: read".
func (c *Connector) Task(ctx context.Context, ref string) (workflows.Task, error) {
	const what = "asking for the issue"
	t, number, ok := readRef(ref)
	none := workflows.Task{Ref: ref}
	if !ok || !c.inScope(t) {
		return none, nil
	}
	r, err := c.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: rest.Path("repos", t.owner, t.name, "issues", number)})
	if err != nil {
		return none, err
	}
	if r.Status == http.StatusNotFound || r.Status == http.StatusGone || r.Status == http.StatusMovedPermanently {
		_, err := c.api.Ask(ctx, "looking for the repository", rest.Call{Method: http.MethodGet, Path: rest.Path("repos", t.owner, t.name)}, nil)
		return none, err
	}
	if err := c.api.Judge(what, r); err != nil {
		return none, err
	}
	var out struct {
		Title   string
		State   string
		Reason  string                   `json:"state_reason"`
		HTMLURL string                   `json:"html_url"`
		Assigns []struct{ Login string } `json:"assignees"`
		Pull    *struct {
			MergedAt string `json:"merged_at"`
		} `json:"pull_request"`
	}
	if err := c.api.Into(what, r, &out); err != nil {
		return none, err
	}
	if out.State != "open" && out.State != "closed" {
		return none, runbooks.Errorf(runbooks.Broken, nil, "%s: GitHub does not say in which state it is", what)
	}
	task := workflows.Task{
		Ref: ref, Exists: true, Open: out.State == "open", Status: rest.Clean(strings.TrimSpace(out.State+" "+out.Reason), maxStatus),
		Title: rest.Clean(out.Title, maxShown),
	}
	if out.Pull != nil && out.Pull.MergedAt != "" {
		task.Status = "merged"
	}
	if strings.HasPrefix(out.HTMLURL, "https://") {
		task.Link = rest.Clean(out.HTMLURL, maxFinding)
	}
	for _, a := range out.Assigns[:min(len(out.Assigns), maxGrants)] {
		task.Assignees = append(task.Assignees, strings.ToLower(rest.Clean(a.Login, maxShown)))
	}
	return task, nil
}
