package tasks

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
)

// GitHubHook verifies a webhook of GitHub and gives the issue or pull request that it is about, as owner/name#number; empty
// when it is about something else. It stands here, and not beside the questions in package github, so that all signatures
// of hooks stand together.
func GitHubHook(secret runbooks.Secret, header http.Header, body []byte, _ time.Time) (string, error) {
	if err := bodySignature(secret, header.Get("X-Hub-Signature-256"), "sha256=", body); err != nil {
		return "", err
	}
	var event struct {
		Repository struct {
			FullName string `json:"full_name"`
		}
		Issue       struct{ Number int }
		PullRequest struct{ Number int } `json:"pull_request"`
	}
	if err := json.Unmarshal(body, &event); err != nil {
		return "", errors.New("the webhook cannot be read")
	}
	if n := max(event.Issue.Number, event.PullRequest.Number); n > 0 {
		return fmt.Sprintf("%s#%d", event.Repository.FullName, n), nil
	}
	return "", nil
}
