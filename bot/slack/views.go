package slack

import (
	"context"

	slackgo "github.com/slack-go/slack"
)

// ViewRef names an open view. Hash is the version Slack stored; an update with an older one ends in *Conflict.
type ViewRef struct{ ID, ExternalID, Hash string }

// OpenView opens a modal for the person whose trigger it is (views.open). *Expired means that they must click again.
func (s *Sender) OpenView(ctx context.Context, triggerID string, view slackgo.ModalViewRequest) (ViewRef, error) {
	resp, err := s.api.OpenViewContext(ctx, triggerID, view)
	return viewRef("views.open", resp, err)
}

// PushView puts a modal on top of an open one (views.push); three is the most.
func (s *Sender) PushView(ctx context.Context, triggerID string, view slackgo.ModalViewRequest) (ViewRef, error) {
	resp, err := s.api.PushViewContext(ctx, triggerID, view)
	return viewRef("views.push", resp, err)
}

// UpdateView replaces an open modal (views.update), named by ID or ExternalID. With a Hash it replaces only that version.
func (s *Sender) UpdateView(ctx context.Context, at ViewRef, view slackgo.ModalViewRequest) (ViewRef, error) {
	external := at.ExternalID
	if at.ID != "" {
		external = "" // Slack takes one name only
	}
	resp, err := s.api.UpdateViewContext(ctx, view, external, at.Hash, at.ID)
	return viewRef("views.update", resp, err)
}

// PublishHome replaces a user's Home tab (views.publish). With a hash it replaces only that version.
func (s *Sender) PublishHome(ctx context.Context, user, hash string, view slackgo.HomeTabViewRequest) (ViewRef, error) {
	req := slackgo.PublishViewContextRequest{UserID: user, View: view}
	if hash != "" {
		req.Hash = &hash
	}
	resp, err := s.api.PublishViewContext(ctx, req)
	return viewRef("views.publish", resp, err)
}

func viewRef(method string, resp *slackgo.ViewResponse, err error) (ViewRef, error) {
	switch {
	case err != nil && resp == nil && isLocal(err):
		return ViewRef{}, &Permanent{Method: method, Code: err.Error()}
	case err != nil:
		return ViewRef{}, translate(method, err)
	case resp.ID == "":
		return ViewRef{}, &Ambiguous{Method: method, Code: "no_view"}
	}
	return ViewRef{ID: resp.ID, ExternalID: resp.ExternalID, Hash: resp.Hash}, nil
}

// isLocal recognises what slack-go refuses before it calls Slack.
func isLocal(err error) bool {
	return err == slackgo.ErrParametersMissing || err == slackgo.ErrBlockIDNotUnique
}
