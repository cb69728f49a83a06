package slack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/bot/slack"
)

// callers call each method of the Web API that the sender uses, once.
func callers() map[string]func(context.Context, *slack.Sender) error {
	at := slack.Posted{Channel: "C1", TS: "1.2"}
	modal := slackgo.ModalViewRequest{Type: slackgo.VTModal}
	type does = func(context.Context, *slack.Sender) error
	return map[string]does{
		"chat.postMessage": func(ctx context.Context, s *slack.Sender) error {
			_, err := s.PostMessage(ctx, "C1", slack.Message{Text: "x"})
			return err
		},
		"bots.info": func(ctx context.Context, s *slack.Sender) error { _, err := s.AuthTest(ctx); return err },
		"chat.update": func(ctx context.Context, s *slack.Sender) error {
			return s.UpdateMessage(ctx, at, slack.Message{Text: "x"})
		},
		"chat.postEphemeral": func(ctx context.Context, s *slack.Sender) error {
			return s.Ephemeral(ctx, "C1", "U1", slack.Message{Text: "x"})
		},
		"chat.getPermalink":  func(ctx context.Context, s *slack.Sender) error { _, err := s.Permalink(ctx, at); return err },
		"conversations.open": func(ctx context.Context, s *slack.Sender) error { _, err := s.OpenDM(ctx, "U1"); return err },
		"conversations.members": func(ctx context.Context, s *slack.Sender) error {
			_, err := s.ConversationMembers(ctx, "C1")
			return err
		},
		"conversations.info": func(ctx context.Context, s *slack.Sender) error { _, err := s.ConversationInfo(ctx, "C1"); return err },
		"conversations.list": func(ctx context.Context, s *slack.Sender) error {
			_, err := slack.NewNames(s).ChannelID(ctx, "#access")
			return err
		},
		"conversations.history": func(ctx context.Context, s *slack.Sender) error { _, err := s.OwnTexts(ctx, "C1", "U1"); return err },
		"users.info":            func(ctx context.Context, s *slack.Sender) error { _, err := s.UserInfo(ctx, "U1"); return err },
		"users.lookupByEmail": func(ctx context.Context, s *slack.Sender) error {
			_, err := s.LookupByEmail(ctx, "a@example.com")
			return err
		},
		"usergroups.list":       func(ctx context.Context, s *slack.Sender) error { _, err := s.GroupMembers(ctx); return err },
		"usergroups.users.list": func(ctx context.Context, s *slack.Sender) error { _, err := s.UsergroupMembers(ctx, "S1"); return err },
		"views.open": func(ctx context.Context, s *slack.Sender) error {
			_, err := s.OpenView(ctx, "1.2.3", modal)
			return err
		},
		"views.push": func(ctx context.Context, s *slack.Sender) error {
			_, err := s.PushView(ctx, "1.2.3", modal)
			return err
		},
		"views.update": func(ctx context.Context, s *slack.Sender) error {
			_, err := s.UpdateView(ctx, slack.ViewRef{ID: "V1"}, modal)
			return err
		},
		"views.publish": func(ctx context.Context, s *slack.Sender) error {
			_, err := s.PublishHome(ctx, "U1", "", slackgo.HomeTabViewRequest{Type: slackgo.VTHomeTab})
			return err
		},
		"dnd.info": func(ctx context.Context, s *slack.Sender) error {
			_, err := s.QuietUntil(ctx, "U1", time.Now())
			return err
		},
		"functions.completeSuccess": func(ctx context.Context, s *slack.Sender) error { return s.CompleteStep(ctx, "Fx1", nil) },
		"functions.completeError":   func(ctx context.Context, s *slack.Sender) error { return s.FailStep(ctx, "Fx1", "no") },
	}
}

// kindOf says which of our errors an error is, and what method and code it names.
func kindOf(err error) (kind, method, code string) {
	var (
		permanent *slack.Permanent
		auth      *slack.Auth
		limited   *slack.RateLimited
		lost      *slack.Ambiguous
		conflict  *slack.Conflict
		expired   *slack.Expired
	)
	switch {
	case errors.As(err, &permanent):
		return "permanent", permanent.Method, permanent.Code
	case errors.As(err, &auth):
		return "auth", auth.Method, auth.Code
	case errors.As(err, &limited):
		return "rate limited", limited.Method, ""
	case errors.As(err, &lost):
		return "ambiguous", lost.Method, lost.Code
	case errors.As(err, &conflict):
		return "conflict", conflict.Method, ""
	case errors.As(err, &expired):
		return "expired", expired.Method, ""
	}
	return fmt.Sprintf("%T", err), "", ""
}

// TestSender_EveryPublishedErrorOfEveryMethod lets Slack answer each method that the sender uses with each error that Slack documents for it: the
// caller gets the kind of error that says what to do next, naming the method and the code. What is not injected is not called anywhere.
func TestSender_EveryPublishedErrorOfEveryMethod(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(shared(t, "slack", "methods.json"))
	if err != nil {
		t.Fatal(err)
	}
	var methods map[string]struct{ Errors []string }
	if err := json.Unmarshal(raw, &methods); err != nil {
		t.Fatal(err)
	}
	used, n := callers(), 0
	source := sourceOf(t)
	for method, m := range methods {
		do := used[method]
		if do == nil {
			if strings.Contains(source, `"`+method+`"`) && method != "apps.connections.open" && method != "auth.test" {
				t.Errorf("%s is called and its errors are not injected", method)
			}
			continue
		}
		if len(m.Errors) == 0 {
			t.Errorf("%s: no errors are listed", method)
		}
		bubble(t, func(t *testing.T) {
			answer := ""
			f, stop := newAPI(t, func(w http.ResponseWriter, asked string, _ int) {
				if asked == "auth.test" && method != asked { // it does not name the app, so that bots.info is asked
					_, _ = io.WriteString(w, `{"ok":true,"team_id":"T1","user_id":"U1","bot_id":"B1"}`)
					return
				}
				_, _ = io.WriteString(w, answer)
			})
			defer stop()
			for _, code := range m.Errors {
				n++
				answer = `{"ok":false,"error":"` + code + `"}`
				kind, at, said := kindOf(do(context.Background(), f.s))
				if kind != slack.CodeClass(code) || at != method || !strings.HasPrefix(code, strings.TrimSuffix(said, "…")) { // a long code is cut
					t.Errorf("%s answers %s: %s of %q, %q; want %s", method, code, kind, at, said, slack.CodeClass(code))
				}
			}
		})
	}
	if n < 150 {
		t.Errorf("only %d errors were injected", n)
	}
}

// sourceOf is the room's source, without its tests.
func sourceOf(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err, len(files))
	}
	var all strings.Builder
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}
