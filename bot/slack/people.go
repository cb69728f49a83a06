package slack

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	slackgo "github.com/slack-go/slack"
)

// User is one account as Slack tells it. Only ID with TeamID or EnterpriseID identifies it: names and e-mail can be changed, by the user
// themselves unless single sign-on forbids it.
type User struct {
	ID, TeamID, EnterpriseID    string
	Name, RealName, DisplayName string
	Email                       string // empty without the users:read.email scope
	TZ                          string // IANA name
	TZOffset                    int    // seconds east of UTC, now
	Locale                      string
	Flags                       Flags
}

// Flags say what kind of account it is. Slack leaves out some of them for some accounts: absent means false, except where told.
type Flags struct {
	Deleted, Bot, WorkflowBot, ConnectorBot, AppUser   bool
	Restricted, UltraRestricted, Stranger, InvitedUser bool
	// EmailConfirmed is meaningful only when EmailConfirmedKnown: Slack told it.
	EmailConfirmed, EmailConfirmedKnown bool
}

type userObject struct {
	ID           string `json:"id"`
	TeamID       string `json:"team_id"`
	EnterpriseID string `json:"enterprise_id"`
	Name         string `json:"name"`
	RealName     string `json:"real_name"`
	TZ           string `json:"tz"`
	TZOffset     int    `json:"tz_offset"`
	Locale       string `json:"locale"`
	Profile      struct {
		Email       string `json:"email"`
		RealName    string `json:"real_name"`
		DisplayName string `json:"display_name"`
	} `json:"profile"`
	Enterprise struct {
		EnterpriseID string `json:"enterprise_id"`
	} `json:"enterprise_user"`
	Deleted          bool  `json:"deleted"`
	IsBot            bool  `json:"is_bot"`
	IsWorkflowBot    bool  `json:"is_workflow_bot"`
	IsConnectorBot   bool  `json:"is_connector_bot"`
	IsAppUser        bool  `json:"is_app_user"`
	IsRestricted     bool  `json:"is_restricted"`
	IsUltra          bool  `json:"is_ultra_restricted"`
	IsStranger       bool  `json:"is_stranger"`
	IsInvited        bool  `json:"is_invited_user"`
	IsEmailConfirmed *bool `json:"is_email_confirmed"`
}

// DecodeUser reads a user object as users.info, user_change and team_join carry it. One without id or workspace is an error.
func DecodeUser(raw []byte) (User, error) {
	n, err := parse(raw, maxBody)
	if err != nil {
		return User{}, &Malformed{Kind: "user", Err: err}
	}
	r := &reader{}
	for _, name := range identifying() {
		r.get(n, name)
	}
	if r.required(n, "id") == "" || r.err != nil {
		return User{}, &Malformed{Kind: "user", Err: r.err}
	}
	var o userObject
	if err := json.Unmarshal(raw, &o); err != nil {
		return User{}, &Malformed{Kind: "user", Err: err}
	}
	return o.user(), nil
}

// identifying are the fields of a user object that decide who somebody is and what they may do; none may have a twin.
func identifying() []string {
	return []string{
		"id", "team_id", "enterprise_id", "enterprise_user", "profile", "deleted", "is_bot", "is_workflow_bot", "is_connector_bot", "is_app_user",
		"is_restricted", "is_ultra_restricted", "is_stranger", "is_invited_user", "is_email_confirmed",
	}
}

func (o userObject) user() User {
	u := User{
		ID: o.ID, TeamID: o.TeamID, EnterpriseID: o.EnterpriseID, Name: o.Name, RealName: o.RealName, DisplayName: o.Profile.DisplayName,
		Email: o.Profile.Email, TZ: o.TZ, TZOffset: o.TZOffset, Locale: o.Locale,
		Flags: Flags{
			Deleted: o.Deleted, Bot: o.IsBot, WorkflowBot: o.IsWorkflowBot, ConnectorBot: o.IsConnectorBot, AppUser: o.IsAppUser,
			Restricted: o.IsRestricted, UltraRestricted: o.IsUltra, Stranger: o.IsStranger, InvitedUser: o.IsInvited,
		},
	}
	if u.EnterpriseID == "" {
		u.EnterpriseID = o.Enterprise.EnterpriseID
	}
	if u.RealName == "" {
		u.RealName = o.Profile.RealName
	}
	if o.IsEmailConfirmed != nil {
		u.Flags.EmailConfirmed, u.Flags.EmailConfirmedKnown = *o.IsEmailConfirmed, true
	}
	return u
}

// again asks a question again whose answer was lost: it changes nothing, and a decision that cannot be checked is refused.
func again(ctx context.Context, ask func() error) error {
	for _, wait := range [...]time.Duration{askAgainFirst, askAgainThen} {
		err := ask()
		var lost *Ambiguous
		var unreached *Unreached
		if !errors.As(err, &lost) && !errors.As(err, &unreached) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
	return ask()
}

// UserInfo returns one account (users.info). An unknown one is *Permanent with code user_not_found.
func (s *Sender) UserInfo(ctx context.Context, id string) (User, error) {
	u, err := s.user(ctx, "users.info", url.Values{"user": {id}, "include_locale": {"true"}})
	if err == nil && u.ID != id {
		return User{}, &Permanent{Method: "users.info", Code: "another_user_was_returned"}
	}
	return u, err
}

// LookupByEmail returns the account with an e-mail address (users.lookupByEmail); the code is users_not_found where there is none.
func (s *Sender) LookupByEmail(ctx context.Context, email string) (User, error) {
	return s.user(ctx, "users.lookupByEmail", url.Values{"email": {email}})
}

func (s *Sender) user(ctx context.Context, method string, form url.Values) (User, error) {
	var u User
	err := again(ctx, func() error {
		return s.call(ctx, method, form, func(body []byte) error {
			var answer struct {
				User json.RawMessage `json:"user"`
			}
			if err := json.Unmarshal(body, &answer); err != nil {
				return err
			}
			var err error
			u, err = DecodeUser(answer.User)
			return err
		})
	})
	if err != nil {
		return User{}, err
	}
	return u, nil
}

// UsergroupMembers returns the ids of a user group's members (usergroups.users.list; Tier 2: keep the answer a while).
func (s *Sender) UsergroupMembers(ctx context.Context, group string) ([]string, error) {
	ids, err := s.api.GetUserGroupMembersContext(ctx, group)
	if err != nil {
		return nil, translate("usergroups.users.list", err)
	}
	return ids, nil
}

// Conversation is a channel as far as it matters for what may be posted there.
type Conversation struct {
	ID, Name                               string
	Archived, Private, IM, MPIM, Member    bool
	ExtShared, PendingExtShared, OrgShared bool
}

// ConversationInfo returns one channel (conversations.info).
func (s *Sender) ConversationInfo(ctx context.Context, channel string) (Conversation, error) {
	const method = "conversations.info"
	var ch *slackgo.Channel
	err := again(ctx, func() (err error) {
		ch, err = s.api.GetConversationInfoContext(ctx, &slackgo.GetConversationInfoInput{ChannelID: channel})
		return translate(method, err)
	})
	if err != nil {
		return Conversation{}, err
	}
	if ch.ID == "" {
		return Conversation{}, &Ambiguous{Method: method, Code: "no_channel"}
	}
	return Conversation{
		ID: ch.ID, Name: ch.Name, Archived: ch.IsArchived, Private: ch.IsPrivate, IM: ch.IsIM, MPIM: ch.IsMpIM, Member: ch.IsMember,
		ExtShared: ch.IsExtShared, PendingExtShared: ch.IsPendingExtShared || len(ch.PendingShared) > 0, OrgShared: ch.IsOrgShared,
	}, nil
}

// ConversationMembers returns the ids of everybody in a channel (conversations.members), up to ten thousand; more is an error, because a
// cut list would make members look like outsiders.
func (s *Sender) ConversationMembers(ctx context.Context, channel string) ([]string, error) {
	const method = "conversations.members"
	var out []string
	cursor := ""
	for range maxPages {
		ids, next, err := s.api.GetUsersInConversationContext(ctx, &slackgo.GetUsersInConversationParameters{
			ChannelID: channel, Cursor: cursor, Limit: pageSize,
		})
		if err != nil {
			return nil, translate(method, err)
		}
		out = append(out, ids...)
		if cursor = next; cursor == "" {
			return out, nil
		}
	}
	return nil, &Permanent{Method: method, Code: "too_many_members"}
}

// Identity is whom the bot token speaks for.
type Identity struct {
	Installation
	UserID, BotID string // of the bot
	Team, URL     string // name and address of the workspace
	Scopes        string // granted to the token, as Slack's header lists them
	Date          string // Slack's own clock at the answer, as the Date header has it
}

// AuthTest asks Slack who we are (auth.test, and bots.info where that does not name the app).
func (s *Sender) AuthTest(ctx context.Context) (Identity, error) {
	var a struct {
		TeamID       string `json:"team_id"`
		EnterpriseID string `json:"enterprise_id"`
		OrgWide      bool   `json:"is_enterprise_install"`
		AppID        string `json:"app_id"`
		UserID       string `json:"user_id"`
		BotID        string `json:"bot_id"`
		Team         string `json:"team"`
		URL          string `json:"url"`
	}
	var scopes, date string
	ctx = context.WithValue(ctx, headerKey{}, func(h http.Header) { scopes, date = h.Get("X-OAuth-Scopes"), h.Get("Date") })
	err := s.call(ctx, "auth.test", nil, func(body []byte) error { return json.Unmarshal(body, &a) })
	if err != nil {
		return Identity{}, err
	}
	if a.AppID == "" && a.BotID != "" {
		bot, err := s.api.GetBotInfoContext(ctx, slackgo.GetBotInfoParameters{Bot: a.BotID})
		if err != nil {
			return Identity{}, translate("bots.info", err)
		}
		a.AppID = bot.AppID
	}
	return Identity{
		Installation: Installation{AppID: a.AppID, TeamID: a.TeamID, EnterpriseID: a.EnterpriseID, OrgWide: a.OrgWide},
		UserID:       a.UserID, BotID: a.BotID, Team: a.Team, URL: a.URL, Scopes: scopes, Date: date,
	}, nil
}
