package slack

import "slices"

// Installation is where the app is installed: what auth.test says about the bot token. Payloads of any other are not ours.
type Installation struct {
	AppID        string
	TeamID       string // empty for an organisation-wide installation
	EnterpriseID string // empty outside Enterprise Grid
	OrgWide      bool   // installed in the whole organisation: any of its workspaces counts as ours
}

// Foreign tells which claim of a payload did not fit the installation (T04).
type Foreign struct {
	Kind  string
	Field string // api_app_id, enterprise_id, team_id, app_installed_team_id or authorizations
	Got   string
}

// claims are the parts of a payload that say whom it was sent to, beyond what an Interaction carries.
type claims struct {
	enterprises    []string // of authorizations that are organisation-wide
	teams          []string // of authorizations
	authorizations bool
}

// check decides whether a payload is addressed to this installation and marks actors from another organisation. Slack Connect lets
// outsiders see and use cards: their payloads name their own workspace as team and as the actor's, while the view names ours as the
// installed one. Those go on, marked External, so that the person gets a reason; everything else that does not fit is dropped.
func (at Installation) check(in *Interaction, c claims) *Foreign {
	foreign := func(field, got string) *Foreign { return &Foreign{Kind: in.Kind, Field: field, Got: clip(got)} }
	if in.APIAppID != "" && in.APIAppID != at.AppID {
		return foreign("api_app_id", in.APIAppID)
	}
	if c.authorizations && !slices.ContainsFunc(c.teams, at.owns) && !slices.Contains(c.enterprises, at.EnterpriseID) {
		return foreign("authorizations", "")
	}
	in.External = at.external(*in)
	if at.fits(in.TeamID, in.EnterpriseID) || at.orgEvent(*in, c) {
		if v := in.View; v != nil && v.AppInstalledTeamID != "" && !at.fits(v.AppInstalledTeamID, in.EnterpriseID) {
			return foreign("app_installed_team_id", v.AppInstalledTeamID)
		}
		return nil
	}
	shared := in.ExtShared && c.authorizations
	outsider := in.View != nil && at.owns(in.View.AppInstalledTeamID) && in.TeamID != "" && in.UserTeamID == in.TeamID && !at.owns(in.TeamID)
	if shared || outsider {
		in.External = true
		return nil
	}
	if at.owns(in.TeamID) {
		return foreign("enterprise_id", in.EnterpriseID)
	}
	return foreign("team_id", in.TeamID)
}

func (at Installation) owns(team string) bool { return team != "" && team == at.TeamID }

// fits says whether team and enterprise, as a payload names them, are this installation. A workspace id is unique in all of Slack, so an
// enterprise we do not know yet (a workspace that moved into a Grid since auth.test) does not make our own workspace foreign.
func (at Installation) fits(team, enterprise string) bool {
	if at.EnterpriseID != "" && enterprise != "" && enterprise != at.EnterpriseID {
		return false
	}
	if at.OrgWide {
		return at.EnterpriseID != "" && (enterprise == at.EnterpriseID || enterprise == "" && at.owns(team))
	}
	return at.owns(team)
}

// orgEvent recognises events of an organisation-wide installation: they name the workspace they happened in, and the organisation only in
// their authorizations.
func (at Installation) orgEvent(in Interaction, c claims) bool {
	return at.OrgWide && in.EnterpriseID == "" && !in.ExtShared && slices.Contains(c.enterprises, at.EnterpriseID)
}

// external says whether the actor's own workspace is another one. In a Grid a person's workspace may differ while the organisation is
// ours; Slack then names the organisation.
func (at Installation) external(in Interaction) bool {
	if in.UserTeamID == "" || at.owns(in.UserTeamID) {
		return false
	}
	if at.EnterpriseID != "" && (in.UserTeamID == at.EnterpriseID || in.EnterpriseID == at.EnterpriseID) {
		return false
	}
	return true
}

func readClaims(n *node) (claims, error) {
	r := &reader{}
	list := r.array(n, "authorizations")
	c := claims{authorizations: list != nil && len(list.kids) > 0}
	if !c.authorizations {
		return c, r.err
	}
	for _, a := range list.kids {
		if r.flag(a, "is_enterprise_install") {
			if e := r.text(a, "enterprise_id", maxID); e != "" {
				c.enterprises = append(c.enterprises, e)
			}
			continue
		}
		c.teams = append(c.teams, r.text(a, "team_id", maxID))
	}
	return c, r.err
}
