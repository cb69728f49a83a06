package slack

import (
	"context"
	"time"

	slackgo "github.com/slack-go/slack"
)

// QuietUntil says until when somebody is not to be disturbed, by their schedule or because they snoozed (dnd.info, scope dnd:read); the zero
// time when they may be disturbed at that moment.
func (s *Sender) QuietUntil(ctx context.Context, user string, at time.Time) (time.Time, error) {
	const method = "dnd.info"
	d, err := s.api.GetDNDInfoContext(ctx, &user)
	if err != nil {
		return time.Time{}, translate(method, err)
	}
	now := at.Unix()
	var until int64
	if d.Enabled && int64(d.NextStartTimestamp) <= now && now < int64(d.NextEndTimestamp) {
		until = int64(d.NextEndTimestamp)
	}
	if d.SnoozeEnabled && int64(d.SnoozeEndTime) > max(now, until) {
		until = int64(d.SnoozeEndTime)
	}
	if until == 0 {
		return time.Time{}, nil
	}
	return time.Unix(until, 0), nil
}

// GroupMembers lists every user group with its members, by handle and by id (usergroups.list with users): one call of Slack's Tier 2 whatever
// their number, so that forty groups asked once a minute stay within the twenty calls it allows.
func (s *Sender) GroupMembers(ctx context.Context) (map[string][]string, error) {
	list, err := s.api.GetUserGroupsContext(ctx, slackgo.GetUserGroupsOptionIncludeUsers(true))
	if err != nil {
		return nil, translate("usergroups.list", err)
	}
	out := make(map[string][]string, 2*len(list))
	for _, g := range list {
		if g.DateDelete != 0 {
			continue // a disabled group yields nobody, and asking for it is an error
		}
		out["@"+g.Handle], out[g.ID] = g.Users, g.Users
	}
	return out, nil
}
