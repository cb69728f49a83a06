package identities

import (
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Sources that are no file, import or target.
const (
	SourceFile     = "file"     // identities.yaml of the configuration folder
	SourceDecision = "decision" // what people decided about it here
)

// Kinds of source; the rest of a source's name follows a slash.
const (
	sourceImport    = "import"
	sourceDiscovery = "discovery"
)

// ImportSource names an import, DiscoverySource a target that was looked at.
func ImportSource(name string) string { return sourceImport + "/" + name }

// DiscoverySource names a target that was asked what identities it has.
func DiscoverySource(t workflows.TargetID) string { return sourceDiscovery + "/" + string(t) }

// Claim is what a source says of an identity now.
type Claim struct {
	Source   string
	Says     Entry
	HasPlace bool
	HasPath  bool
	Account  string // erasable, as Place and Path
	Place    string
	Path     string
	Hint     string
	At       workflows.Instant
	Seq      int64
	Gone     bool    // it used to know the identity
	since    []int64 // of each field: the entry since which it says so
}

// entry is what the file says.
func (r Registered) entry() Entry {
	e := Entry{
		Class: r.Class, Name: r.Name, Owner: string(r.Owner), Backup: string(r.Backup), Purpose: r.Purpose, Environment: r.Environment,
	}
	if day, err := time.Parse(time.DateOnly, r.Expires); err == nil {
		e.Expires = workflows.StampOf(day.AddDate(0, 0, 1)) // it ends with the day
	}
	return e
}

func (s *IdentityState) claim(source string, says Entry, c Claimed, r workflows.Record) {
	next := Claim{
		Source: source, Says: says, HasPlace: c.HasPlace, HasPath: c.HasPath, Account: c.Account, Place: c.Place, Path: c.Path, Hint: c.Hint, At: r.At, Seq: r.Seq,
	}
	all := fields()
	next.since = make([]int64, len(all))
	i := slices.IndexFunc(s.Claims, func(o Claim) bool { return o.Source == source })
	for k, f := range all {
		next.since[k] = r.Seq
		if i >= 0 && f.value(&s.Claims[i].Says) == f.value(&says) {
			next.since[k] = s.Claims[i].since[k]
		}
	}
	if i < 0 {
		s.Claims = append(slices.Clip(s.Claims), next)
		return
	}
	s.Claims = slices.Clone(s.Claims)
	s.Claims[i] = next
}

// leave marks that a source knows the identity no more; false when it never did.
func (s *IdentityState) leave(source string) bool {
	i := slices.IndexFunc(s.Claims, func(o Claim) bool { return o.Source == source })
	if i < 0 {
		return false
	}
	s.Claims = slices.Clone(s.Claims)
	s.Claims[i].Gone = true
	return true
}

// rank orders sources for a field, the lowest first. What people decide about an identity is said by the file and by decisions, and the later word
// counts; what is so on the target is told by the target.
func (c Claim) rank(f field) int {
	kind, _, _ := strings.Cut(c.Source, "/")
	switch {
	case kind == sourceImport:
		return 1
	case kind == sourceDiscovery == f.fact:
		return 0
	}
	return 2
}

// Entry is what holds, weighed field by field: of those who say something the best source, and of equal ones the one that said it last.
func (s IdentityState) Entry() Entry {
	var out Entry
	for k, f := range fields() {
		best := -1
		for i := range s.Claims {
			c := &s.Claims[i]
			if c.Gone || f.value(&c.Says) == "" {
				continue
			}
			if best < 0 || c.rank(f) < s.Claims[best].rank(f) || c.rank(f) == s.Claims[best].rank(f) && c.since[k] > s.Claims[best].since[k] {
				best = i
			}
		}
		if best >= 0 {
			f.take(&out, &s.Claims[best].Says)
		}
	}
	return out
}

// contested are the fields about which sources must not differ: which of them is right is for people to say.
const contested = " kind owner environment target person "

// Conflict is a field that sources say different things of. One is used, and never silently.
type Conflict struct {
	Field  string            `json:"field"`
	Used   string            `json:"used"`
	Others map[string]string `json:"others"` // source -> what it says instead
}

// Conflicts are the fields that sources disagree about. The file, decisions and approved requests do not: the later word is a change of mind.
func (s IdentityState) Conflicts() []Conflict {
	var out []Conflict
	holds := s.Entry()
	for _, f := range fields() {
		if !strings.Contains(contested, " "+f.name+" ") {
			continue
		}
		c := Conflict{Field: f.name, Used: f.value(&holds), Others: map[string]string{}}
		for i := range s.Claims {
			x := &s.Claims[i]
			v := f.value(&x.Says)
			if v != "" && v != c.Used && !x.Gone && x.Source != SourceFile && x.Source != SourceDecision && !strings.HasPrefix(x.Source, workflows.KindRequest+"/") {
				c.Others[x.Source] = v
			}
		}
		if len(c.Others) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// Sources are those who say that the identity exists.
func (s IdentityState) Sources() []string {
	var out []string
	for _, c := range s.Claims {
		if !c.Gone {
			out = append(out, c.Source)
		}
	}
	slices.Sort(out)
	return out
}

// Texts are the erasable texts that hold: of each the one said last.
func (s IdentityState) Texts() (account, place, path string) {
	var at [3]int64
	pick := func(i int, dst *string, v string, seq int64) {
		if v != "" && seq > at[i] {
			*dst, at[i] = v, seq
		}
	}
	for _, c := range s.Claims {
		if !c.Gone {
			pick(0, &account, c.Account, c.Seq)
			pick(1, &place, c.Place, c.Seq)
			pick(2, &path, c.Path, c.Seq)
		}
	}
	return account, place, path
}

// Hint is whom a target names as owner, as it was said last; empty where none does. It proves nothing.
func (s IdentityState) Hint() string {
	out, at := "", int64(0)
	for _, c := range s.Claims {
		if !c.Gone && c.Hint != "" && c.Seq > at {
			out, at = c.Hint, c.Seq
		}
	}
	return out
}
