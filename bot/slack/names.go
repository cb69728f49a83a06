package slack

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	slackgo "github.com/slack-go/slack"
)

// Names finds the ids behind the names that people write in files: "#access", "@dba". Both listings belong to Slack's Tier 2, so what
// was asked is kept for namesAge, and an unknown name asks again at most once in namesAgain.
type Names struct {
	sender *Sender

	mu       sync.Mutex
	channels nameList
	groups   nameList
}

type nameList struct {
	ids   map[string]string
	asked time.Time
}

// NewNames asks nothing before the first name.
func NewNames(s *Sender) *Names { return &Names{sender: s} }

// ChannelID resolves "#access"; an id stays as it is. The app must be able to see the channel.
func (n *Names) ChannelID(ctx context.Context, name string) (string, error) {
	bare, isName := strings.CutPrefix(name, "#")
	if !isName {
		return name, nil
	}
	return n.find(ctx, &n.channels, bare, n.sender.channelIDs)
}

// GroupID resolves "@dba"; an id stays as it is.
func (n *Names) GroupID(ctx context.Context, handle string) (string, error) {
	bare, isName := strings.CutPrefix(handle, "@")
	if !isName {
		return handle, nil
	}
	return n.find(ctx, &n.groups, bare, n.sender.groupIDs)
}

func (n *Names) find(ctx context.Context, l *nameList, name string, ask func(context.Context) (map[string]string, error)) (string, error) {
	n.mu.Lock()
	ids, age := l.ids, time.Since(l.asked)
	n.mu.Unlock()
	id, ok := ids[name]
	if ok && age < namesAge {
		return id, nil
	}
	if !ok && ids != nil && age < namesAgain {
		return "", unknownName(name)
	}
	fresh, err := ask(ctx)
	if err != nil {
		if ok {
			return id, nil // an old answer beats none: ids of channels and groups do not change
		}
		return "", fmt.Errorf("resolving %q: %w", name, err)
	}
	n.mu.Lock()
	l.ids, l.asked = fresh, time.Now()
	n.mu.Unlock()
	if id, ok = fresh[name]; !ok {
		return "", unknownName(name)
	}
	return id, nil
}

func unknownName(name string) error {
	return fmt.Errorf("resolving %q: Slack knows no such name, or the app cannot see it", name)
}

// channelIDs lists the channels that the app can see (conversations.list), archived ones left out.
func (s *Sender) channelIDs(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	cursor := ""
	for range maxPages {
		list, next, err := s.api.GetConversationsContext(ctx, &slackgo.GetConversationsParameters{
			Cursor: cursor, ExcludeArchived: true, Limit: 1000, Types: []string{"public_channel", "private_channel"},
		})
		if err != nil {
			return nil, translate("conversations.list", err)
		}
		for _, c := range list {
			out[c.Name] = c.ID
		}
		if next == "" {
			break
		}
		cursor = next
	}
	return out, nil
}

// groupIDs lists the user groups (usergroups.list).
func (s *Sender) groupIDs(ctx context.Context) (map[string]string, error) {
	list, err := s.api.GetUserGroupsContext(ctx)
	if err != nil {
		return nil, translate("usergroups.list", err)
	}
	out := map[string]string{}
	for _, g := range list {
		out[g.Handle] = g.ID
	}
	return out, nil
}

const (
	// namesAge is how long ids behind names are kept: they do not change, but names move.
	namesAge = time.Hour
	// namesAgain spaces questions for unknown names: Tier 2 allows twenty a minute for everything.
	namesAgain = 15 * time.Second
)
