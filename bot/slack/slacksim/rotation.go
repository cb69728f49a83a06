package slacksim

import (
	"fmt"
	"slices"
	"time"
)

// tokenLife is how long a bot token lasts where tokens rotate.
const tokenLife = 12 * time.Hour

// activeTokens is how many bot tokens of an installation are good at once; an exchange beyond it ends the oldest.
const activeTokens = 2

// rotated is what oauth.v2.access gave out.
type rotated struct {
	given []string
	until []time.Time
	used  int // refresh tokens that were exchanged
}

func (r *rotated) gave(token string) bool { return slices.Contains(r.given, token) }

// state is the error code of a token that was given out, or nothing when it is good.
func (r *rotated) state(token string, now time.Time) string {
	i := slices.Index(r.given, token)
	switch {
	case i < len(r.given)-activeTokens:
		return "token_revoked"
	case !now.Before(r.until[i]):
		return "token_expired"
	}
	return ""
}

// oauthAccess answers grant_type=refresh_token only: nobody installs the app here through a browser.
func oauthAccess(c *call) Object {
	w := c.w
	app := &w.cfg.App
	secret, refresh := c.str("client_secret"), c.str("refresh_token")
	delete(c.args, "client_secret") // the page shows what is called
	delete(c.args, "refresh_token")
	switch {
	case c.str("client_id") != app.ClientID || app.ClientID == "":
		return fail("invalid_client_id")
	case secret != app.ClientSecret:
		return fail("bad_client_secret")
	case c.str("grant_type") != "refresh_token":
		return fail("invalid_grant_type")
	case app.RefreshToken == "":
		return fail("token_rotation_not_enabled")
	case refresh != app.RefreshToken || w.revoked:
		return fail("invalid_refresh_token")
	}
	r := &w.rotated
	r.used++
	access := fmt.Sprintf("xoxe.xoxb-1-%s-%d", w.stableID("", "rotated bot token"), r.used)
	app.RefreshToken = fmt.Sprintf("xoxe-1-%s-%d", w.stableID("", "refresh token"), r.used)
	r.given, r.until = append(r.given, access), append(r.until, w.now().Add(tokenLife))
	return Object{
		"ok": true, "access_token": access, "refresh_token": app.RefreshToken, "expires_in": int(tokenLife / time.Second), "token_type": "bot",
		"app_id": app.ID, "bot_user_id": app.BotUserID, "scope": "", "team": Object{"id": w.cfg.Team.ID, "name": w.cfg.Team.Name},
		"enterprise": nil, "is_enterprise_install": false,
	}
}
