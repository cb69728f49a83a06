package intake

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// Item is one identity as a file says it. Owner, Backup, Business, Sponsor, Person and Creator are as written: the key or e-mail address of a person, or
// "group:" and a name; whoever takes the item in finds out who that is.
type Item struct {
	Place    string // "row 12", "item 3"
	ID       workflows.IdentityID
	Says     identities.Entry
	Owner    string
	Backup   string
	Business string
	Sponsor  string
	Person   string
	Creator  string
	Account  string
	Store    string // reference of the place of its secret
	Path     string // how to take it back in an emergency
}

// Problem is something that a file cannot say.
type Problem struct {
	Place  string `json:"place"`
	Column string `json:"column,omitempty"`
	Text   string `json:"text"`
}

// String is the problem as one line.
func (p Problem) String() string {
	if p.Column == "" {
		return p.Place + ": " + p.Text
	}
	return p.Place + ", " + p.Column + ": " + p.Text
}

// Problems are what is wrong with a file. Nothing of it is used.
type Problems []Problem

// Error implements error: the first ten, one a line.
func (p Problems) Error() string {
	var lines []string
	for _, x := range p[:min(len(p), 10)] {
		lines = append(lines, x.String())
	}
	if len(p) > 10 {
		lines = append(lines, fmt.Sprintf("and %d more", len(p)-10))
	}
	return strings.Join(lines, "\n")
}

// ErrTooLarge says that a file is larger than MaxBytes.
var ErrTooLarge = fmt.Errorf("the file has more than %d MiB: split it", MaxBytes>>20)

// Formats that Read knows.
const (
	CSV  = "csv"
	JSON = "json"
	YAML = "yaml"
)

// reading is one file being read.
type reading struct {
	items    []Item
	problems Problems
	seen     map[workflows.IdentityID]string
}

// Read reads a whole file and checks it. The error is Problems when the file says something that cannot be; then no item is given.
func Read(r io.Reader, format string) ([]Item, error) {
	x := &reading{seen: map[workflows.IdentityID]string{}}
	in := &counting{r: r}
	var err error
	switch format {
	case CSV:
		err = x.csv(in)
	case JSON:
		err = x.json(in)
	case YAML:
		err = x.yaml(in)
	default:
		return nil, fmt.Errorf("there is no format %q: csv, json or yaml", format)
	}
	switch {
	case in.over:
		return nil, ErrTooLarge
	case err != nil && !errors.Is(err, errEnough):
		return nil, err
	}
	x.rounds()
	if len(x.problems) > 0 {
		return nil, x.problems
	}
	return x.items, nil
}

// errEnough stops the reading of a file with too many problems.
var errEnough = errors.New("enough is wrong")

// counting ends a file that is too large, having kept nothing of it.
type counting struct {
	r    io.Reader
	n    int64
	over bool
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if c.n += int64(n); c.n > MaxBytes {
		c.over = true
		return 0, ErrTooLarge
	}
	return n, err
}

func (x *reading) wrong(place, column, format string, args ...any) {
	x.problems = append(x.problems, Problem{place, column, fmt.Sprintf(format, args...)})
}

// take adds an item made of named cells.
func (x *reading) take(place string, cells map[string]string) error {
	before := len(x.problems)
	it := Item{Place: place}
	for _, name := range sortedKeys(cells) {
		if v := strings.TrimSpace(cells[name]); v != "" {
			if problem := it.set(name, v); problem != "" {
				x.wrong(place, name, "%s", problem)
			}
		}
	}
	switch {
	case it.ID == "":
		x.wrong(place, "id", "it is missing")
	case !isID(string(it.ID)):
		x.wrong(place, "id", "%q: want up to 60 characters of a-z, 0-9 and -", it.ID)
	case x.seen[it.ID] != "":
		x.wrong(place, "id", "%s is in the file already, at %s", it.ID, x.seen[it.ID])
	}
	if it.Says.Class == "" {
		x.wrong(place, "kind", "it is missing")
	}
	x.seen[it.ID] = place
	switch {
	case len(x.problems) >= maxProblems:
		return errEnough
	case len(x.items) >= MaxRows:
		x.wrong(place, "", "the file has more than %d identities", MaxRows)
		return errEnough
	case len(x.problems) == before:
		x.items = append(x.items, it)
	}
	return nil
}

// rounds finds identities that are to own each other: an owner is a person or a team.
func (x *reading) rounds() {
	owner := map[string]string{}
	for _, it := range x.items {
		owner[string(it.ID)] = it.Owner
	}
	for _, it := range x.items {
		if _, machine := owner[it.Owner]; !machine || it.Owner == "" {
			continue
		}
		way := []string{string(it.ID)}
		for k := it.Owner; k != ""; k = owner[k] {
			if i := slices.Index(way, k); i >= 0 {
				x.wrong(it.Place, "owner", "identities own each other in a circle: %s", strings.Join(append(way[i:], k), " -> "))
				break
			}
			way = append(way, k)
		}
		if n := len(x.problems); n == 0 || x.problems[n-1].Place != it.Place {
			x.wrong(it.Place, "owner", "%s is an identity: an owner is a person or a group", it.Owner)
		}
		if len(x.problems) >= maxProblems {
			return
		}
	}
}
