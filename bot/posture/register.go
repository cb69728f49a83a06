package posture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Observation is one delivery, after its signature was found good.
type Observation struct {
	Subject  string          `json:"subject"`
	Claims   map[string]bool `json:"claims"`
	Observed time.Time       `json:"observed_at"`
	Valid    int64           `json:"valid_seconds,omitempty"`
}

// said is the newest answer to one claim, as the file has it.
type said struct {
	Holds bool            `json:"holds"`
	At    workflows.Stamp `json:"at"`
	Until workflows.Stamp `json:"until"`
}

// Register keeps what was said. It is safe for concurrent use.
type Register struct {
	name string
	path string
	now  func() workflows.Stamp
	who  func(subject string) workflows.IdentityID // empty: nobody

	mu   sync.Mutex
	rows map[workflows.IdentityID]map[string]said
}

// Open reads the register's file, if there is one. now is product time; who resolves a subject.
func Open(name, path string, now func() workflows.Stamp, who func(string) workflows.IdentityID) (*Register, error) {
	r := &Register{name: name, path: path, now: now, who: who, rows: map[workflows.IdentityID]map[string]said{}}
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r, nil
	case err != nil:
		return nil, fmt.Errorf("reading the posture register: %w", err)
	}
	if err := json.Unmarshal(raw, &r.rows); err != nil {
		return nil, fmt.Errorf("reading the posture register %s: %w: remove the file, and what senders report again is known again", path, err)
	}
	return r, nil
}

// Name implements desk.PostureSource.
func (r *Register) Name() string { return r.name }

// Posture implements desk.PostureSource.
func (r *Register) Posture(_ context.Context, holder workflows.IdentityID, claim string) (workflows.Posture, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	x, ok := r.rows[holder][claim]
	return workflows.Posture{Source: r.name, Claim: claim, Said: ok, Holds: x.Holds, At: x.At, Until: x.Until}, nil
}

// claimName is what a claim may be called: as the files have it.
var claimName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

// Take keeps an observation and gives the holder it is about. Claims of which something newer is known stay as they are; of two answers of one
// moment the no counts, in whichever order they come. The error is a sentence for the sender, and nothing of what it refuses is kept.
func (r *Register) Take(o Observation) (workflows.IdentityID, error) {
	holder := r.who(o.Subject)
	now, at := r.now(), workflows.StampOf(o.Observed)
	valid := time.Duration(o.Valid) * time.Second
	switch {
	case holder == "":
		return "", fmt.Errorf("subject: nobody of the people file and no identity of the inventory is called that")
	case len(o.Claims) == 0 || len(o.Claims) > maxClaims:
		return "", fmt.Errorf("claims: want 1 to %d", maxClaims)
	case o.Observed.IsZero() || at > now.Add(ahead):
		return "", fmt.Errorf("observed_at: want a moment that is over, as RFC 3339")
	case o.Valid < 0 || o.Valid > int64(maxValid/time.Second):
		return "", fmt.Errorf("valid_seconds: want at most %d", int64(maxValid/time.Second))
	}
	for c := range o.Claims {
		if !claimName.MatchString(c) {
			return "", fmt.Errorf("claims: a name is of a-z, 0-9 and -, at most 63 of them")
		}
	}
	if valid == 0 {
		valid = usualValid
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep(now)
	row := r.rows[holder]
	if row == nil {
		if len(r.rows) >= maxSubjects {
			return "", fmt.Errorf("the register is full: %d holders", maxSubjects)
		}
		row = map[string]said{}
	}
	fresh := 0
	for c := range o.Claims {
		if _, known := row[c]; !known {
			fresh++
		}
	}
	if fresh > 0 && len(row)+fresh > maxClaims {
		return "", fmt.Errorf("claims: %d of this holder are known already, %d are new, and at most %d are kept", len(row), fresh, maxClaims)
	}
	for c, holds := range o.Claims {
		if old, known := row[c]; !known || old.yieldsTo(holds, at) {
			row[c] = said{holds, at, at.Add(valid)}
		}
	}
	r.rows[holder] = row
	return holder, r.save()
}

// yieldsTo tells whether another answer replaces this one: a newer one, and a no to a yes of the same moment. Senders that stamp whole seconds
// can say both within one; which was last nobody can tell, so it is taken for a no until something newer is said.
func (x said) yieldsTo(holds bool, at workflows.Stamp) bool {
	return at > x.At || at == x.At && x.Holds && !holds
}

// sweep forgets holders of whom everything is too old, once there are many; the caller holds mu.
func (r *Register) sweep(now workflows.Stamp) {
	if len(r.rows) < maxSubjects {
		return
	}
	for h, row := range r.rows {
		fresh := false
		for _, x := range row {
			fresh = fresh || now < x.Until
		}
		if !fresh {
			delete(r.rows, h)
		}
	}
}

// save writes the file anew, beside the old one first; the caller holds mu.
func (r *Register) save() error {
	raw, err := json.Marshal(r.rows)
	if err != nil {
		return fmt.Errorf("writing the posture register: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(r.path), ".posture-*")
	if err != nil {
		return fmt.Errorf("writing the posture register: %w", err)
	}
	_, err = f.Write(raw)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), r.path)
	}
	if err != nil {
		return fmt.Errorf("writing the posture register: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
