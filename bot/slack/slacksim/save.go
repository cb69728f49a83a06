package slacksim

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
)

// saved is a workspace on paper: people, places, messages and Home tabs. Modals, ephemerals, triggers and connections end with the
// process, as they do when a Slack client is closed.
type saved struct {
	Version  int            `json:"version"`
	LastTS   int64          `json:"last_ts"`
	Users    []User         `json:"users"`
	Groups   []Group        `json:"groups"`
	Channels []savedChannel `json:"channels"`
	Homes    []savedHome    `json:"homes"`
}

type savedChannel struct {
	Channel
	IM       string            `json:"im,omitempty"`
	MPIM     bool              `json:"mpim,omitempty"`
	Created  int64             `json:"created"`
	Read     map[string]string `json:"read,omitempty"`
	Messages []Message         `json:"messages"`
}

type savedHome struct {
	User     string   `json:"user"`
	ID       string   `json:"id"`
	Hash     string   `json:"hash"`
	Callback string   `json:"callback_id"`
	External string   `json:"external_id"`
	Metadata string   `json:"private_metadata"`
	Blocks   []Object `json:"blocks"`
}

const savedVersion = 1

// Save writes the workspace as JSON, for Restore in a later process.
func (w *Workspace) Save(out io.Writer) error {
	w.mu.Lock()
	s := saved{Version: savedVersion, LastTS: w.lastTS}
	for _, u := range w.users {
		s.Users = append(s.Users, *u)
	}
	for _, g := range w.groups {
		s.Groups = append(s.Groups, g.Group)
	}
	for _, id := range w.order {
		c := w.channels[id]
		s.Channels = append(s.Channels, savedChannel{
			Channel: c.Channel, IM: c.im, MPIM: c.mpim, Created: c.created, Read: maps.Clone(c.read),
			Messages: copies(c.messages, func(*Message) bool { return true }),
		})
	}
	for _, user := range slices.Sorted(maps.Keys(w.homes)) {
		h := w.homes[user]
		s.Homes = append(s.Homes, savedHome{
			User: user, ID: h.id, Hash: h.hash, Callback: h.callbackID, External: h.externalID, Metadata: h.metadata, Blocks: h.blocks,
		})
	}
	w.mu.Unlock()
	if err := json.NewEncoder(out).Encode(s); err != nil {
		return fmt.Errorf("saving the workspace: %w", err)
	}
	return nil
}

// Restore replaces people, places, messages and Home tabs by saved ones. Call it before the handler is served.
func (w *Workspace) Restore(in io.Reader) error {
	var s saved
	if err := json.NewDecoder(in).Decode(&s); err != nil {
		return fmt.Errorf("restoring the workspace: %w", err)
	}
	if s.Version != savedVersion {
		return fmt.Errorf("restoring the workspace: version %d is not %d", s.Version, savedVersion)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lastTS = max(w.lastTS, s.LastTS)
	w.users, w.groups, w.order = nil, nil, nil
	w.channels, w.homes, w.stacks = map[string]*channel{}, map[string]*view{}, map[string][]*view{}
	for _, u := range s.Users {
		w.users = append(w.users, &u)
	}
	for _, g := range s.Groups {
		w.groups = append(w.groups, &group{Group: g, created: w.now().Unix(), updated: w.now().Unix()})
	}
	for _, c := range s.Channels {
		w.restoreChannel(c)
	}
	for _, h := range s.Homes {
		w.homes[h.User] = &view{
			id: h.ID, rootID: h.ID, user: h.User, kind: "home", hash: h.Hash, callbackID: h.Callback, externalID: h.External, metadata: h.Metadata,
			blocks: h.Blocks, state: initialValues(h.Blocks, nil), offered: suggestions{},
		}
	}
	w.touch()
	return nil
}

func (w *Workspace) restoreChannel(s savedChannel) {
	c := &channel{Channel: s.Channel, im: s.IM, mpim: s.MPIM, created: s.Created, read: s.Read, ephemeral: map[string][]*Message{}}
	if c.read == nil {
		c.read = map[string]string{}
	}
	for _, m := range s.Messages {
		c.messages = append(c.messages, &m)
	}
	w.channels[c.ID] = c
	w.order = append(w.order, c.ID)
}
