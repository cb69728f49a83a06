package scim

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// Person is somebody of the people file.
type Person struct {
	ID     workflows.PersonID
	Name   string
	Email  string
	Active bool // has not left
}

// Staff is what the door opens to. Package cmd implements it on the desk.
type Staff interface {
	// Everybody gives all people, by id.
	Everybody(ctx context.Context) ([]Person, error)
	// Groups gives the groups of the people file by name.
	Groups(ctx context.Context) (map[string][]workflows.PersonID, error)
	// Left records that somebody left, Moved that they have another role, Back that they are there again. Each may be repeated.
	Left(ctx context.Context, p workflows.PersonID, detail string) error
	Moved(ctx context.Context, p workflows.PersonID, detail string) error
	Back(ctx context.Context, p workflows.PersonID) error
	// Accounts are the Slack accounts, "U…" or "T…/U…", that the provider names as a person's beside the people file's; Adopt makes them those,
	// and gives ErrTaken for one of somebody else.
	Accounts(ctx context.Context, p workflows.PersonID) ([]string, error)
	Adopt(ctx context.Context, p workflows.PersonID, accounts []string) error
}

// ErrTaken is Adopt's answer about an account that belongs to another person of the people file.
var ErrTaken = errors.New("one of these accounts belongs to another person of the people file")

// Limits of what a provider sends.
const (
	maxBody    = 1 << 20 // a group of some thousand members
	maxChanges = 1000    // operations of one PATCH
	maxPage    = 200
	maxSlack   = 16 // Slack accounts of one person
)

// Prefix is where the door stands.
const Prefix = "/scim/v2/"

// Server answers an identity provider.
type Server struct {
	staff Staff
	token [32]byte // SHA-256 of the bearer token
	log   *slog.Logger
}

// MinToken is how long a bearer token must be.
const MinToken = 32

// New makes a Server that lets in who has the token.
func New(staff Staff, token string, log *slog.Logger) (*Server, error) {
	if len(token) < MinToken {
		return nil, fmt.Errorf("the SCIM token has %d characters: at least %d are needed", len(token), MinToken)
	}
	return &Server{staff, sha256.Sum256([]byte(token)), log}, nil
}

// Handler answers below Prefix.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Prefix+"ServiceProviderConfig", s.config)
	mux.HandleFunc("GET "+Prefix+"Users", s.users)
	mux.HandleFunc("POST "+Prefix+"Users", s.addUser)
	mux.HandleFunc("GET "+Prefix+"Users/{id}", s.user)
	mux.HandleFunc("PUT "+Prefix+"Users/{id}", s.putUser)
	mux.HandleFunc("PATCH "+Prefix+"Users/{id}", s.patchUser)
	mux.HandleFunc("DELETE "+Prefix+"Users/{id}", s.deleteUser)
	mux.HandleFunc("GET "+Prefix+"Groups", s.groups)
	mux.HandleFunc("POST "+Prefix+"Groups", s.addGroup)
	mux.HandleFunc("GET "+Prefix+"Groups/{id}", s.group)
	mux.HandleFunc("PUT "+Prefix+"Groups/{id}", s.putGroup)
	mux.HandleFunc("PATCH "+Prefix+"Groups/{id}", s.patchGroup)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.isLetIn(r) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			fail(w, http.StatusUnauthorized, "", "a bearer token is needed")
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		mux.ServeHTTP(w, r)
	})
}

func (s *Server) isLetIn(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	sum := sha256.Sum256([]byte(token))
	return ok && subtle.ConstantTimeCompare(sum[:], s.token[:]) == 1
}

// failure is an error as RFC 7644 §3.12 spells it.
type failure struct {
	Schemas []string `json:"schemas"`
	Status  string   `json:"status"`
	Type    string   `json:"scimType,omitempty"`
	Detail  string   `json:"detail"`
}

func fail(w http.ResponseWriter, status int, kind, detail string) {
	answer(w, status, failure{[]string{"urn:ietf:params:scim:api:messages:2.0:Error"}, strconv.Itoa(status), kind, detail})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/scim+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// broken answers for something that went wrong here; the provider tries again.
func (s *Server) broken(w http.ResponseWriter, r *http.Request, err error) {
	s.log.ErrorContext(r.Context(), "an identity provider was not answered", "path", r.URL.Path, "err", err)
	fail(w, http.StatusServiceUnavailable, "", "it could not be recorded; send it again")
}

func read[T any](w http.ResponseWriter, r *http.Request) (v T, ok bool) {
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		fail(w, http.StatusBadRequest, "invalidSyntax", "the body is not the JSON of SCIM: "+err.Error())
		return v, false
	}
	return v, true
}

func (s *Server) config(w http.ResponseWriter, _ *http.Request) {
	no := map[string]bool{"supported": false}
	answer(w, http.StatusOK, map[string]any{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"}, "patch": map[string]bool{"supported": true},
		"bulk": map[string]any{"supported": false, "maxOperations": 0, "maxPayloadSize": 0}, "filter": map[string]any{"supported": true, "maxResults": maxPage},
		"changePassword": no, "sort": no, "etag": no,
		"authenticationSchemes": []map[string]string{{"type": "oauthbearertoken", "name": "Bearer token", "description": "The token of the operator's configuration."}},
	})
}

// list is a page of resources.
type list struct {
	Schemas []string `json:"schemas"`
	Total   int      `json:"totalResults"`
	Start   int      `json:"startIndex"`
	Per     int      `json:"itemsPerPage"`
	Items   []any    `json:"Resources"`
}

func page(w http.ResponseWriter, r *http.Request, all []any) {
	start, _ := strconv.Atoi(r.URL.Query().Get("startIndex"))
	count, err := strconv.Atoi(r.URL.Query().Get("count"))
	if err != nil || count > maxPage {
		count = maxPage
	}
	start = max(start, 1)
	from := min(start-1, len(all))
	items := all[from:min(from+max(count, 0), len(all))]
	answer(w, http.StatusOK, list{[]string{"urn:ietf:params:scim:api:messages:2.0:ListResponse"}, len(all), start, len(items), append([]any{}, items...)})
}

// equality is the one filter that providers use: userName eq "x".
var equality = regexp.MustCompile(`^\s*([A-Za-z.]+)\s+[eE][qQ]\s+"([^"]*)"\s*$`)

// filter reads the filter of a list; wrong tells that there is one that nobody here understands.
func filter(r *http.Request) (attribute, value string, wrong bool) {
	text := r.URL.Query().Get("filter")
	if text == "" {
		return "", "", false
	}
	m := equality.FindStringSubmatch(text)
	if m == nil {
		return "", "", true
	}
	return strings.ToLower(m[1]), m[2], false
}

// operation is one of a PATCH. Entra writes "Replace" and texts where Okta writes "replace" and values.
type operation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value"`
}

type patch struct {
	Operations []operation `json:"Operations"`
}

// isActive reads a boolean as either provider writes it.
func isActive(raw json.RawMessage) (value, ok bool) {
	var b bool
	if json.Unmarshal(raw, &b) == nil {
		return b, true
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		v, err := strconv.ParseBool(strings.ToLower(text))
		return v, err == nil
	}
	return false, false
}

func sortedNames(m map[string][]workflows.PersonID) []string {
	out := make([]string, 0, len(m))
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}
