package scim

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

const userSchema = "urn:ietf:params:scim:schemas:core:2.0:User"

// SlackSchema is our extension of a user: further Slack accounts of the same person, which count as one with them in every quorum. Its attribute
// is "accounts", a list of Slack member ids ("U…", or "T…/U…" with several workspaces).
const SlackSchema = "urn:countersign:params:scim:schemas:extension:slack:2.0:User"

type slackAccounts struct {
	Accounts []string `json:"accounts"`
}

var slackID = regexp.MustCompile(`^(?:[TE][A-Z0-9]{5,20}/)?[UW][A-Z0-9]{5,20}$`)

type user struct {
	Schemas []string          `json:"schemas"`
	ID      string            `json:"id,omitempty"`
	Name    string            `json:"userName"`
	Display string            `json:"displayName,omitempty"`
	Active  json.RawMessage   `json:"active,omitempty"`
	Emails  []email           `json:"emails,omitempty"`
	Slack   *slackAccounts    `json:"urn:countersign:params:scim:schemas:extension:slack:2.0:User,omitempty"`
	Meta    map[string]string `json:"meta,omitempty"`
}

type email struct {
	Value   string `json:"value"`
	Primary bool   `json:"primary,omitempty"`
}

func userOf(p Person) user {
	active := json.RawMessage("true")
	if !p.Active {
		active = json.RawMessage("false")
	}
	return user{
		Schemas: []string{userSchema}, ID: string(p.ID), Name: p.Email, Display: p.Name, Active: active, Emails: []email{{p.Email, true}},
		Meta: map[string]string{"resourceType": "User", "location": Prefix + "Users/" + string(p.ID)},
	}
}

func (s *Server) find(ctx context.Context, is func(Person) bool) (Person, bool, error) {
	all, err := s.staff.Everybody(ctx)
	if err != nil {
		return Person{}, false, err
	}
	i := slices.IndexFunc(all, is)
	if i < 0 {
		return Person{}, false, nil
	}
	return all[i], true, nil
}

// named is the person of the request's path; the answer has been given when ok is false.
func (s *Server) named(w http.ResponseWriter, r *http.Request) (Person, bool) {
	p, ok, err := s.find(r.Context(), func(p Person) bool { return string(p.ID) == r.PathValue("id") })
	switch {
	case err != nil:
		s.broken(w, r, err)
	case !ok:
		fail(w, http.StatusNotFound, "", "there is no such user")
	}
	return p, ok && err == nil
}

func (s *Server) users(w http.ResponseWriter, r *http.Request) {
	attribute, value, wrong := filter(r)
	if wrong || attribute != "" && attribute != "username" && attribute != "emails.value" && attribute != "id" {
		fail(w, http.StatusBadRequest, "invalidFilter", `filters are userName eq "…", emails.value eq "…" and id eq "…"`)
		return
	}
	all, err := s.staff.Everybody(r.Context())
	if err != nil {
		s.broken(w, r, err)
		return
	}
	var out []any
	for _, p := range all {
		if attribute == "" || attribute == "id" && string(p.ID) == value || attribute != "id" && strings.EqualFold(p.Email, value) {
			out = append(out, userOf(p))
		}
	}
	page(w, r, out)
}

func (s *Server) user(w http.ResponseWriter, r *http.Request) {
	if p, ok := s.named(w, r); ok {
		s.whole(w, r, p, http.StatusOK)
	}
}

// addUser joins a provider's user to the person of the people file that has the address. It makes nobody.
func (s *Server) addUser(w http.ResponseWriter, r *http.Request) {
	u, ok := read[user](w, r)
	if !ok {
		return
	}
	p, ok, err := s.find(r.Context(), func(p Person) bool {
		return p.Email != "" && (strings.EqualFold(p.Email, u.Name) || slices.ContainsFunc(u.Emails, func(e email) bool { return strings.EqualFold(e.Value, p.Email) }))
	})
	switch {
	case err != nil:
		s.broken(w, r, err)
		return
	case !ok:
		fail(w, http.StatusBadRequest, "invalidValue", "nobody in the people file has that address: people are added there, by review")
		return
	}
	s.settle(w, r, p, u.Active, u.Slack, http.StatusCreated)
}

func (s *Server) putUser(w http.ResponseWriter, r *http.Request) {
	p, ok := s.named(w, r)
	if !ok {
		return
	}
	if u, ok := read[user](w, r); ok {
		s.settle(w, r, p, u.Active, u.Slack, http.StatusOK)
	}
}

// settle makes the record say what the provider says of somebody.
func (s *Server) settle(w http.ResponseWriter, r *http.Request, p Person, raw json.RawMessage, slack *slackAccounts, status int) {
	active := p.Active
	if len(raw) > 0 {
		var ok bool
		if active, ok = isActive(raw); !ok {
			fail(w, http.StatusBadRequest, "invalidValue", "active is true or false")
			return
		}
	}
	if slack != nil && !s.adopt(w, r, p, slack.Accounts) {
		return
	}
	if err := s.make(r.Context(), p, active); err != nil {
		s.broken(w, r, err)
		return
	}
	p.Active = active
	s.whole(w, r, p, status)
}

// whole answers with a user and their accounts.
func (s *Server) whole(w http.ResponseWriter, r *http.Request, p Person, status int) {
	list, err := s.staff.Accounts(r.Context(), p.ID)
	if err != nil {
		s.broken(w, r, err)
		return
	}
	u := userOf(p)
	if len(list) > 0 {
		u.Schemas, u.Slack = append(u.Schemas, SlackSchema), &slackAccounts{list}
	}
	answer(w, status, u)
}

// adopt makes the named accounts the person's; false when it has answered why not.
func (s *Server) adopt(w http.ResponseWriter, r *http.Request, p Person, accounts []string) bool {
	if len(accounts) > maxSlack {
		fail(w, http.StatusBadRequest, "tooMany", "too many Slack accounts of one person")
		return false
	}
	for _, a := range accounts {
		if !slackID.MatchString(a) {
			fail(w, http.StatusBadRequest, "invalidValue", "a Slack account is a member id such as U012AB3CD, or T012AB3CD/U012AB3CD")
			return false
		}
	}
	err := s.staff.Adopt(r.Context(), p.ID, accounts)
	switch {
	case errors.Is(err, ErrTaken):
		fail(w, http.StatusConflict, "uniqueness", ErrTaken.Error())
	case err != nil:
		s.broken(w, r, err)
	}
	return err == nil
}

func (s *Server) make(ctx context.Context, p Person, active bool) error {
	switch {
	case active == p.Active:
		return nil
	case active:
		return s.staff.Back(ctx, p.ID)
	}
	return s.staff.Left(ctx, p.ID, "deactivated by the identity provider")
}

// patchUser reads {"op":"replace","value":{"active":false}} as Okta sends it and {"op":"Replace","path":"active","value":"False"} as Entra does.
// Other attributes are taken note of by the people file, not here.
func (s *Server) patchUser(w http.ResponseWriter, r *http.Request) {
	p, ok := s.named(w, r)
	if !ok {
		return
	}
	change, ok := read[patch](w, r)
	if !ok {
		return
	}
	if len(change.Operations) > maxChanges {
		fail(w, http.StatusRequestEntityTooLarge, "tooMany", "too many operations")
		return
	}
	var last json.RawMessage
	var slack *slackAccounts
	for _, o := range change.Operations {
		if op := strings.ToLower(o.Op); op != "replace" && op != "add" {
			continue
		}
		switch strings.ToLower(o.Path) {
		case "active":
			last = o.Value
		case strings.ToLower(SlackSchema + ":accounts"), strings.ToLower(SlackSchema):
			if slack = accountsOf(o.Value); slack == nil {
				fail(w, http.StatusBadRequest, "invalidValue", "accounts is a list of Slack member ids")
				return
			}
		case "":
			var some struct {
				Active json.RawMessage `json:"active"`
				Slack  *slackAccounts  `json:"urn:countersign:params:scim:schemas:extension:slack:2.0:User"`
			}
			if json.Unmarshal(o.Value, &some) == nil && len(some.Active) > 0 {
				last = some.Active
			}
			if some.Slack != nil {
				slack = some.Slack
			}
		}
	}
	s.settle(w, r, p, last, slack, http.StatusOK)
}

// accountsOf reads a list of accounts, or the extension with its one attribute.
func accountsOf(raw json.RawMessage) *slackAccounts {
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return &slackAccounts{list}
	}
	var x slackAccounts
	if json.Unmarshal(raw, &x) == nil {
		return &x
	}
	return nil
}

func (s *Server) deleteUser(w http.ResponseWriter, r *http.Request) {
	p, ok := s.named(w, r)
	if !ok {
		return
	}
	if err := s.make(r.Context(), p, false); err != nil {
		s.broken(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func isIn(list []workflows.PersonID, id string) bool {
	return slices.Contains(list, workflows.PersonID(id))
}
