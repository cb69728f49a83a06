package scim

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

const groupSchema = "urn:ietf:params:scim:schemas:core:2.0:Group"

type group struct {
	Schemas []string          `json:"schemas"`
	ID      string            `json:"id,omitempty"`
	Name    string            `json:"displayName"`
	Members []member          `json:"members"`
	Meta    map[string]string `json:"meta,omitempty"`
}

type member struct {
	Value string `json:"value"`
}

func groupOf(name string, members []workflows.PersonID) group {
	g := group{Schemas: []string{groupSchema}, ID: name, Name: name, Members: []member{}, Meta: map[string]string{"resourceType": "Group", "location": Prefix + "Groups/" + name}}
	for _, p := range members {
		g.Members = append(g.Members, member{string(p)})
	}
	return g
}

func (s *Server) groups(w http.ResponseWriter, r *http.Request) {
	attribute, value, wrong := filter(r)
	if wrong || attribute != "" && attribute != "displayname" && attribute != "id" {
		fail(w, http.StatusBadRequest, "invalidFilter", `filters are displayName eq "…" and id eq "…"`)
		return
	}
	all, err := s.staff.Groups(r.Context())
	if err != nil {
		s.broken(w, r, err)
		return
	}
	var out []any
	for _, name := range sortedNames(all) {
		if attribute == "" || name == value {
			out = append(out, groupOf(name, all[name]))
		}
	}
	page(w, r, out)
}

// of is a group of the people file; the answer has been given when ok is false.
func (s *Server) of(w http.ResponseWriter, r *http.Request, name string) ([]workflows.PersonID, bool) {
	all, err := s.staff.Groups(r.Context())
	if err != nil {
		s.broken(w, r, err)
		return nil, false
	}
	members, ok := all[name]
	if !ok {
		fail(w, http.StatusNotFound, "", "there is no such group in the people file: groups are added there, by review")
	}
	return members, ok
}

func (s *Server) group(w http.ResponseWriter, r *http.Request) {
	if members, ok := s.of(w, r, r.PathValue("id")); ok {
		answer(w, http.StatusOK, groupOf(r.PathValue("id"), members))
	}
}

func (s *Server) addGroup(w http.ResponseWriter, r *http.Request) {
	g, ok := read[group](w, r)
	if !ok {
		return
	}
	if members, ok := s.of(w, r, g.Name); ok {
		answer(w, http.StatusCreated, groupOf(g.Name, members))
	}
}

// putGroup takes the whole list: whoever of ours is not on it has another role.
func (s *Server) putGroup(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("id")
	members, ok := s.of(w, r, name)
	if !ok {
		return
	}
	g, ok := read[group](w, r)
	if !ok {
		return
	}
	var gone []workflows.PersonID
	for _, p := range members {
		if !slices.ContainsFunc(g.Members, func(m member) bool { return m.Value == string(p) }) {
			gone = append(gone, p)
		}
	}
	s.moved(w, r, name, members, gone)
}

// oneMember is how a provider names a member in a path: members[value eq "p_…"].
var oneMember = regexp.MustCompile(`^members\[value eq "([^"]+)"\]$`)

// patchGroup reads the removals of Okta ({"op":"remove","path":"members[value eq \"…\"]"}) and of Entra ({"op":"Remove","path":"members",
// "value":[{"value":"…"}]}). Who is added gains nothing here: the people file says who is in a group.
func (s *Server) patchGroup(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("id")
	members, ok := s.of(w, r, name)
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
	var gone []workflows.PersonID
	leave := func(id string) {
		if isIn(members, id) && !isIn(gone, id) {
			gone = append(gone, workflows.PersonID(id))
		}
	}
	for _, o := range change.Operations {
		s.removals(o, members, leave)
	}
	s.moved(w, r, name, members, gone)
}

func (s *Server) removals(o operation, members []workflows.PersonID, leave func(string)) {
	var list []member
	_ = json.Unmarshal(o.Value, &list) // another shape names nobody
	var whole struct {
		Members *[]member `json:"members"`
	}
	if o.Path == "" && json.Unmarshal(o.Value, &whole) == nil && whole.Members != nil { // RFC 7644 §3.5.2.3: the attributes themselves
		list, o.Path = *whole.Members, "members"
	}
	switch m := oneMember.FindStringSubmatch(o.Path); {
	case strings.EqualFold(o.Op, "remove") && m != nil:
		leave(m[1])
	case strings.EqualFold(o.Op, "remove") && o.Path == "members":
		for _, x := range list {
			leave(x.Value)
		}
		if len(o.Value) == 0 {
			for _, p := range members {
				leave(string(p))
			}
		}
	case strings.EqualFold(o.Op, "replace") && o.Path == "members":
		for _, p := range members {
			if !slices.Contains(list, member{string(p)}) {
				leave(string(p))
			}
		}
	}
}

func (s *Server) moved(w http.ResponseWriter, r *http.Request, name string, members, gone []workflows.PersonID) {
	for _, p := range gone {
		if err := s.staff.Moved(r.Context(), p, "removed from the group "+name+" by the identity provider"); err != nil {
			s.broken(w, r, err)
			return
		}
	}
	left := slices.DeleteFunc(slices.Clone(members), func(p workflows.PersonID) bool { return slices.Contains(gone, p) })
	answer(w, http.StatusOK, groupOf(name, left))
}
