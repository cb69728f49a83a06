package main

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/seal"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
	"github.com/countersign-bot/countersign/workflows/intake"
)

// keyedPrint names something that must not stand in the ledger so that it can be found again: by who has it, and by nobody who guesses.
func (s *serving) keyedPrint(text string) string {
	if strings.HasPrefix(text, "hmac:") {
		return text
	}
	seed, err := s.keys.seed(keyFingerprint)
	if err != nil {
		s.log.Error("the key of fingerprints cannot be read", "err", err)
		return ""
	}
	return printBy(seed, text)
}

func printBy(seed []byte, text string) string {
	mac := hmac.New(sha256.New, seed)
	mac.Write([]byte("identity " + text))
	return "hmac:" + hex.EncodeToString(mac.Sum(nil)[:16])
}

// keyedPrints are the names that a text may have been given: by the key of today first, then by those before it.
func (s *serving) keyedPrints(text string) []string {
	first := s.keyedPrint(text)
	if first == "" || first == text {
		return []string{first}
	}
	out := []string{first}
	old, err := s.keys.retained(keyFingerprint)
	if err != nil {
		s.log.Error("the old keys of fingerprints cannot be read: what they named is not recognised", "err", err)
	}
	for _, seed := range old {
		out = append(out, printBy(seed, text))
	}
	return out
}

// handedPrints are the names that a text has in the ledger if it was handed over as a secret.
func (s *serving) handedPrints(text string) []string {
	seed, err := s.keys.seed(keyFingerprint)
	if err != nil {
		return nil // keyedPrint says so
	}
	out := []string{seal.Fingerprint(seed, text)}
	old, _ := s.keys.retained(keyFingerprint) // keyedPrints says what is wrong with them
	for _, seed := range old {
		out = append(out, seal.Fingerprint(seed, text))
	}
	return out
}

// mayTakeIn tells whether somebody may say what the inventory holds.
func (s *serving) mayTakeIn(ctx context.Context, p workflows.PersonID) bool {
	return s.desk.HasRole(ctx, desk.RoleSecurity, p) || s.desk.HasRole(ctx, desk.RoleOwner, p)
}

// intakeActor is who sends a file, if they may.
func (s *serving) intakeActor(ctx context.Context, verb string) (workflows.Acting, *reply, error) {
	by, no, err := s.unixActor(ctx)
	if err == nil && no == nil && !s.mayTakeIn(ctx, by.Person) {
		no = workflows.Refuse(workflows.CodeNotYours, "Only owners of Countersign and security say what the inventory holds.", "")
	}
	if err != nil || no == nil {
		return by, nil, err
	}
	r, err := s.refuse(ctx, "", by, verb, no)
	return by, &r, err
}

var sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// importIdentities takes a file in: all of it, or nothing.
func (s *serving) importIdentities(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, "import", func(ctx context.Context) (reply, error) {
		by, refused, err := s.intakeActor(ctx, "import")
		if err != nil || refused != nil {
			return deref(refused), err
		}
		q := r.URL.Query()
		if !sourceName.MatchString(q.Get("source")) {
			return refusedReply(workflows.Refuse(workflows.CodeBadField, "The source is a name of a-z, 0-9 and -.", "-source cmdb")), nil
		}
		if r.ContentLength > intake.MaxBytes {
			return refusedReply(workflows.Refuse(workflows.CodeTooLong, intake.ErrTooLarge.Error()+".", "")), nil
		}
		items, err := intake.Read(r.Body, q.Get("format"))
		var bad intake.Problems
		switch {
		case errors.As(err, &bad):
			return problemsReply(bad), nil
		case err != nil:
			return refusedReply(workflows.Refuse(workflows.CodeBadField, "The file was not taken: "+err.Error()+".", "")), nil
		}
		claims, bad := s.claimsOf(ctx, items, identities.ImportSource(q.Get("source")))
		if len(bad) > 0 {
			return problemsReply(bad), nil
		}
		if q.Get("dry") != "" {
			return reply{OK: true, Text: quantity(len(claims), "identity", "identities") + " can be taken in; nothing was."}, nil
		}
		n, err := s.desk.TakeIn(ctx, by, claims)
		if err != nil {
			return reply{}, err
		}
		out := reply{OK: true, Text: fmt.Sprintf("Taken in: %d new, %d changed, %d as they were.", n.New, n.Changed, n.Same)}
		out.Data, err = json.Marshal(n)
		return out, err
	})
}

func deref(r *reply) reply {
	if r == nil {
		return reply{}
	}
	return *r
}

func problemsReply(bad intake.Problems) reply {
	out := refusedReply(workflows.Refusef(workflows.CodeBadField, "Repair it and send it again.", "Nothing was taken in: %s.", quantity(len(bad), "thing is wrong", "things are wrong")))
	for _, p := range bad {
		out.Lines = append(out.Lines, p.String())
	}
	return out
}

// uploadWithin is the time for a file and what comes of it: 100,000 identities take a minute, more on a busy machine. Only people on the bot's host send any.
const uploadWithin = 15 * time.Minute

// answer runs one upload like an order. It has more time than other calls.
func (s *serving) answer(w http.ResponseWriter, r *http.Request, verb string, fn func(context.Context) (reply, error)) {
	c, until := http.NewResponseController(w), time.Now().Add(uploadWithin)
	if err := errors.Join(c.SetReadDeadline(until), c.SetWriteDeadline(until)); err != nil {
		s.log.Warn("an upload has no more time than other calls", "do", verb, "err", err)
	}
	out, err := fn(r.Context())
	if err != nil {
		ref := clockIDs{s.clock}.New("")[18:]
		s.log.Error("a command was not carried out", "do", verb, "ref", ref, "err", err)
		http.Error(w, "something went wrong (ref "+ref+"); the operator's log says more", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(out)
}

// claimsOf turns the items of a file into claims, finding out who the people are. Each owner is asked about once.
func (s *serving) claimsOf(ctx context.Context, items []intake.Item, source string) ([]desk.IdentityClaim, intake.Problems) {
	var bad intake.Problems
	now := workflows.StampOf(s.clock.Now().Wall)
	known := map[string]struct{ id, problem string }{}
	who := func(it intake.Item, column, word string) string {
		if word == "" {
			return ""
		}
		k, ok := known[word]
		if !ok {
			id, no := s.ownerNamed(word)
			if no == nil {
				no = s.desk.MayOwn(ctx, id)
			}
			k.id = id
			if no != nil {
				k.problem = no.Sentence
			}
			known[word] = k
		}
		if k.problem != "" && len(bad) < 100 {
			bad = append(bad, intake.Problem{Place: it.Place, Column: column, Text: fmt.Sprintf("%q: %s", word, k.problem)})
		}
		return k.id
	}
	out := make([]desk.IdentityClaim, 0, len(items))
	for _, it := range items {
		says := it.Says
		says.Owner, says.Backup, says.Business = who(it, "owner", it.Owner), who(it, "backup", it.Backup), who(it, "business_owner", it.Business)
		says.Sponsor, says.Person = workflows.PersonID(who(it, "sponsor", it.Sponsor)), workflows.PersonID(who(it, "person", it.Person))
		if it.Creator != "" {
			says.Creator = cmp.Or(s.personNamed(it.Creator), identities.NobodyNow)
		}
		if most := s.desk.Policy().Stands(says.Risk); says.Expires > now.Add(most) && most < identities.MaxLife {
			bad = append(bad, intake.Problem{Place: it.Place, Column: "expires", Text: fmt.Sprintf("an identity of the risk %s ends within %s, as risk.yaml says: give an earlier day", says.Risk, workflows.SpanOf(most))})
		}
		if says.Print != "" {
			says.Print = s.keyedPrint(says.Print)
		}
		if it.Account != "" {
			says.Mark = s.accountMark(says.Target, it.Account)
		}
		if _, isKey := s.desk.Policy().People[workflows.PersonID(it.ID)]; isKey {
			bad = append(bad, intake.Problem{Place: it.Place, Column: "id", Text: "it is a person's"})
		}
		out = append(out, desk.IdentityClaim{ID: it.ID, Claim: identities.Claimed{
			Source: source, Says: says, HasPlace: it.Store != "", HasPath: it.Path != "", Account: it.Account, Place: it.Store, Path: it.Path, Channel: viaCLI,
		}})
	}
	return out, bad
}

// accountMark is the pseudonym of an account on a target.
func (s *serving) accountMark(t workflows.TargetID, account string) string {
	return s.keyedPrint(accountText(t, account))
}

func accountText(t workflows.TargetID, account string) string {
	return "account " + string(t) + " " + account
}

// discoverTimeout bounds what one target is asked for.
const discoverTimeout = 5 * time.Minute

// discoverIdentities asks targets what identities they have, and takes in what is not a person's.
func (s *serving) discoverIdentities(ctx context.Context, by workflows.Acting, only string) (reply, error) {
	if !s.mayTakeIn(ctx, by.Person) {
		return s.refuse(ctx, "", by, "discover", workflows.Refuse(workflows.CodeNotYours, "Only owners of Countersign and security say what the inventory holds.", ""))
	}
	out := reply{OK: true}
	all := map[string]desk.Intake{}
	for _, t := range s.discoverable(only) {
		n, people, err := s.discoverTarget(ctx, workflows.TargetID(t))
		if err != nil {
			out.Lines = append(out.Lines, fmt.Sprintf("%s: %v", t, err))
			continue
		}
		all[t] = n
		out.Lines = append(out.Lines, fmt.Sprintf("%s: %d new, %d changed, %d as they were, %d gone; %s are people's own", t, n.New, n.Changed, n.Same, n.Gone, quantity(people, "account", "accounts")))
	}
	if len(out.Lines) == 0 {
		out.Text = "No target that can be asked is configured under that name."
	}
	var err error
	out.Data, err = json.Marshal(all)
	return out, err
}

// discoverable are the targets that can tell what identities they have.
func (s *serving) discoverable(only string) []string {
	var out []string
	for t := range s.desk.Policy().Targets {
		c, ok := s.runner.Connector(string(t))
		if _, can := c.(runbooks.Discoverer); ok && can && (only == "" || only == string(t)) {
			out = append(out, string(t))
		}
	}
	slices.Sort(out)
	return out
}

// discoverTarget takes in what a target has. What it had and has no more is marked, only if it told everything.
func (s *serving) discoverTarget(ctx context.Context, t workflows.TargetID) (desk.Intake, int, error) {
	ctx, cancel := context.WithTimeout(ctx, discoverTimeout)
	defer cancel()
	c, _ := s.runner.Connector(string(t))
	d, ok := c.(runbooks.Discoverer)
	if !ok {
		return desk.Intake{}, 0, fmt.Errorf("target %q cannot tell what identities it has", t)
	}
	var sum desk.Intake
	people, seen := 0, map[workflows.IdentityID]bool{}
	var batch []desk.IdentityClaim
	flush := func() error {
		n, err := s.desk.TakeIn(ctx, workflows.System, batch)
		sum.New, sum.Changed, sum.Same = sum.New+n.New, sum.Changed+n.Changed, sum.Same+n.Same
		batch = batch[:0]
		return err
	}
	for x, err := range d.Discover(ctx) {
		if err != nil {
			return sum, people, fmt.Errorf("asking what identities it has: %w", err)
		}
		claim, person, err := s.discovered(ctx, t, x)
		switch {
		case err != nil:
			return sum, people, err
		case person:
			people++
			continue
		case claim.ID == "" || seen[claim.ID]:
			continue
		}
		seen[claim.ID] = true
		if batch = append(batch, claim); len(batch) == cap(batch) || len(batch) >= 48 {
			if err := flush(); err != nil {
				return sum, people, err
			}
		}
	}
	if err := flush(); err != nil {
		return sum, people, err
	}
	source := identities.DiscoverySource(t)
	err := s.desk.EachIdentity(ctx, workflows.InventoryQuery{Target: t}, func(r workflows.InventoryRow) error {
		if seen[r.ID] || !slices.Contains(r.Sources, source) {
			return nil
		}
		sum.Gone++
		return s.desk.Forget(ctx, r.ID, source, "the target does not have it any more")
	})
	return sum, people, err
}

// importLeavers reads what HR says: a CSV of person, change (left, moved, back).
func (s *serving) importLeavers(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, "leavers", func(ctx context.Context) (reply, error) {
		by, refused, err := s.intakeActor(ctx, "leavers")
		if err != nil || refused != nil {
			return deref(refused), err
		}
		list, bad := s.readLeavers(http.MaxBytesReader(w, r.Body, maxLeavers))
		if len(bad) > 0 {
			return problemsReply(bad), nil
		}
		for _, d := range list {
			d.By = by
			if err := s.desk.Depart(ctx, d); err != nil {
				return reply{}, err
			}
		}
		return reply{OK: true, Text: quantity(len(list), "person", "people") + " on record; what they hold ends now, and what they answer for is handed over."}, nil
	})
}

const maxLeavers = 4 << 20 // bytes: the whole staff of a large company

func (s *serving) readLeavers(r io.Reader) ([]desk.Departure, intake.Problems) {
	var bad intake.Problems
	var out []desk.Departure
	c := csv.NewReader(r)
	c.FieldsPerRecord = -1
	for n := 0; ; n++ {
		record, err := c.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		line, _ := c.FieldPos(0)
		place := fmt.Sprintf("row %d", line)
		wrong := func(column, text string) {
			bad = append(bad, intake.Problem{Place: place, Column: column, Text: text})
		}
		switch {
		case err != nil:
			wrong("", err.Error())
			return nil, bad
		case n == 0 && !slices.Equal(record, []string{"person", "change"}):
			wrong("", "the first row must be: person,change")
			return nil, bad
		case n == 0:
			continue
		case len(record) != 2:
			wrong("", "want two cells: a key or e-mail address, and left, moved or back")
			continue
		}
		d := desk.Departure{Person: s.personNamed(strings.TrimSpace(record[0])), Source: "csv"}
		why, ok := map[string]string{"left": identities.LeftCompany, "moved": identities.LeftRole, "back": ""}[strings.TrimSpace(record[1])]
		d.Why = why
		if d.Person == "" {
			wrong("person", fmt.Sprintf("nobody in the people file is called %q", record[0]))
		}
		if !ok {
			wrong("change", fmt.Sprintf("%q: want left, moved or back", record[1]))
		}
		out = append(out, d)
	}
	return out, bad
}
