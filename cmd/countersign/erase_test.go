package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// office is a bot without Slack and without sockets: orders reach it with the user id that the kernel would have said.
type office struct {
	*serving
	t    *testing.T
	org  string
	data string
	uids map[string]uint32
}

// newOffice makes a small ledger (Maya asked, Jonas denied) and opens it as serve does. Frida and Sofia are owners, Frida is the auditor.
func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, org: filepath.Join(t.TempDir(), "org"), data: filepath.Join(t.TempDir(), "data"), uids: map[string]uint32{}}
	o.check(writeDemoConfig(o.org, "22"))
	people, err := os.ReadFile(filepath.Join(o.org, "people.yaml"))
	o.check(err)
	text := strings.ReplaceAll(string(people), "    unix: maya\n", "")
	for i, u := range machineUsers(t, 4) {
		key := []string{"frida", "sofia", "maya", "jonas"}[i]
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		o.check(err)
		o.uids[key] = uint32(uid)
		text = strings.Replace(text, "  - key: "+key+"\n", fmt.Sprintf("  - key: %s\n    unix: %s\n", key, u.Username), 1)
	}
	o.check(os.WriteFile(filepath.Join(o.org, "people.yaml"), []byte(text), 0o600))
	o.check(makeFixture(t.Context(), []string{"ledger", o.org, o.data}))
	st, err := openFixture(t.Context(), o.data)
	o.check(err)
	t.Cleanup(func() { st.Close() })
	o.serving = &serving{store: st, clock: st.Clock(), log: slog.New(slog.DiscardHandler)}
	o.load()
	return o
}

func (o *office) check(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// load puts the folder in force.
func (o *office) load() {
	o.t.Helper()
	folder, err := readFolder(o.org)
	o.check(err)
	policy, _, err := compile(o.t.Context(), o.store, folder)
	o.check(err)
	o.desk = desk.New(desk.Config{Ledger: o.store, Directory: everybodyActive{policy}, IDs: clockIDs{o.clock}, Log: o.log})
	o.check(o.desk.Load(o.t.Context(), policy))
}

// as sends an order as somebody.
func (o *office) as(key string, x order) reply {
	o.t.Helper()
	r, err := o.obey(context.WithValue(o.t.Context(), uidKey{}, o.uids[key]), x)
	o.check(err)
	return r
}

// taken sends an order that must be carried out.
func (o *office) taken(key string, x order) reply {
	o.t.Helper()
	r := o.as(key, x)
	if !r.OK {
		o.t.Fatalf("%s %s: %s", key, x.Do, r.Refused)
	}
	return r
}

func (o *office) refused(key string, x order, code string) {
	o.t.Helper()
	if r := o.as(key, x); r.OK || r.Code != code {
		o.t.Errorf("%s %s: %+v, want %s", key, x.Do, r, code)
	}
}

// verify verifies from outside and gives what it says.
func (o *office) verify() string {
	o.t.Helper()
	out, errs, code := runHere(o.t, nil, "ledger", "verify", "-data", o.data)
	if code != exitDone {
		o.t.Errorf("verify: exit %d\n%s%s", code, out, errs)
	}
	return out
}

// leave takes somebody out of the people file and of everything that names them.
func (o *office) leave(key string) {
	o.t.Helper()
	files, err := filepath.Glob(filepath.Join(o.org, "*.yaml"))
	o.check(err)
	chains, err := filepath.Glob(filepath.Join(o.org, "workflows", "*.yaml"))
	o.check(err)
	files = append(files, chains...)
	for _, f := range files {
		b, err := os.ReadFile(f)
		o.check(err)
		text := strings.NewReplacer("["+key+"]", "[priya]", ", "+key+"]", "]", "["+key+", ", "[", ", "+key+",", ",").Replace(string(b))
		if i := strings.Index(text, "  - key: "+key+"\n"); i >= 0 {
			end := len(text)
			for _, next := range []string{"\n  - key: ", "\ngroups:", "\n\n"} {
				if j := strings.Index(text[i+3:], next); j >= 0 {
					end = min(end, i+3+j+1)
				}
			}
			text = text[:i] + text[end:]
		}
		o.check(os.WriteFile(f, []byte(text), 0o600))
	}
	o.load()
}

// inFiles counts a word in the bytes of all files of the ledger.
func (o *office) inFiles(word string) (n int) {
	o.t.Helper()
	list, err := os.ReadDir(o.data)
	o.check(err)
	for _, e := range list {
		if e.Type().IsRegular() && !strings.HasSuffix(e.Name(), "-shm") && e.Name() != "reserve" {
			n += bytes.Count(readByAnother(o.t, filepath.Join(o.data, e.Name())), []byte(word))
		}
	}
	return n
}

// TestErasureByTwoPeople erases what Jonas wrote, with all refusals on the way; entries, verification and a bundle stay, and say what happened.
func TestErasureByTwoPeople(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	ask := order{Do: doErase, Person: "jonas", Reason: "He left and asked for it."}
	o.refused("maya", ask, workflows.CodeNotEligible)
	o.refused("frida", order{Do: doErase, Person: "nobody-here", Reason: "x"}, workflows.CodeUnknown)
	o.refused("frida", order{Do: doErase, Person: "jonas"}, workflows.CodeReasonNeeded)
	p := o.taken("frida", ask)
	said(t, strings.Join(p.Lines, "\n"), "Frida", "erase all texts of Jonas Weber", "Texts that would go: ", "as long as they stand in people.yaml")
	confirm := order{Do: doConfirm, ID: p.ID}
	o.refused("frida", confirm, workflows.CodeSelfApproval)
	o.refused("maya", confirm, workflows.CodeNotEligible)
	o.refused("maya", order{Do: doCustody, ID: p.ID}, workflows.CodeUnknown)
	o.refused("sofia", order{Do: doConfirm, ID: "c_00000000000000000000000000"}, workflows.CodeUnknown)
	if o.inFiles("Not during the sale.") == 0 {
		t.Fatal("his words are not in the files: the test would find nothing")
	}
	said(t, strings.Join(o.taken("sofia", confirm).Lines, "\n"), "Erased: 3 texts, 0 accounts", "messages in Slack")
	o.refused("sofia", confirm, workflows.CodeDecided)
	if n := o.inFiles("Not during the sale."); n != 0 {
		t.Errorf("his words are in the files %d times", n)
	}
	said(t, o.verify(), "is intact")
	for _, args := range [][]string{{"history", "bastion"}, {"search", "denied"}} {
		out, errs, code := runHere(t, nil, append([]string{"ledger", args[0], "-data", o.data}, args[1:]...)...)
		if code != exitDone || !strings.Contains(out, "erased on "+time.Now().UTC().Format(time.DateOnly)+" by Frida") {
			t.Errorf("%v: exit %d\n%s%s", args, code, out, errs)
		}
	}
	bundle := filepath.Join(t.TempDir(), "b")
	if out, errs, code := runHere(t, nil, "ledger", "export", "-data", o.data, "-out", bundle); code != exitDone {
		t.Fatalf("export: %s%s", out, errs)
	}
	page, err := os.ReadFile(filepath.Join(bundle, "index.html"))
	o.check(err)
	said(t, string(page), "as the person asked for it", "texts.erased"[:5], "erased on ")
}

// TestErasureUnnamesWhoLeft takes somebody out of the people file, then erases: nothing leads from the pseudonym to them, in any file and in a
// backup, and what others wrote is there.
func TestErasureUnnamesWhoLeft(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	ref, err := o.store.PersonByKey(t.Context(), "people:kenji")
	o.check(err)
	a, err := o.store.EnsureAccount(t.Context(), "slack", "T1/UKENJICANARY")
	o.check(err)
	o.check(o.desk.Link(t.Context(), ref.Ref, identities.Linked{Account: a.Actor, Medium: "slack", How: "people file", Name: "Kenji Mori"}))
	o.check(o.store.LinkAccount(t.Context(), a.Actor, ref.Ref))
	id, _, err := o.store.PutInbox(t.Context(), "socket", "command", nil, []byte(`{"user_id":"UKENJICANARY","text":"hello"}`))
	o.check(err)
	o.check(o.store.DoneInbox(t.Context(), id))
	o.leave("kenji")
	p := o.taken("frida", order{Do: doErase, Person: "kenji", Reason: "Gone for a year.", Basis: "law"})
	said(t, strings.Join(p.Lines, "\n"), "erase all texts of Kenji Mori", "Their name, ", " accounts and 1 stored message")
	said(t, strings.Join(o.taken("sofia", order{Do: doConfirm, ID: p.ID}).Lines, "\n"), " accounts, 1 stored message")
	backup := filepath.Join(o.data, "copy.db")
	if out, errs, code := runHere(t, nil, "backup", backup, "-data", o.data); code != exitDone {
		t.Fatalf("backup: %s%s", out, errs)
	}
	for _, word := range []string{"Kenji", "kenji@", "people:kenji", "UKENJICANARY"} {
		if n := o.inFiles(word); n != 0 {
			t.Errorf("%q is in the files %d times", word, n)
		}
	}
	if row, err := o.store.PersonByRef(t.Context(), ref.Ref); err != nil || row.Ref != "" {
		t.Errorf("the person is still there: %+v, %v", row, err)
	}
	said(t, o.verify(), "is intact")
}

// TestErasureOfOneField erases a text that should never have been written.
func TestErasureOfOneField(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	out, _, _ := runHere(t, nil, "ledger", "search", "-data", o.data, "-json", "answers 502")
	var entry int64
	if _, err := fmt.Sscanf(out, `{"entry":%d,`, &entry); err != nil {
		t.Fatal(err, out)
	}
	o.refused("frida", order{Do: doErase, Entry: entry, Reason: "x"}, workflows.CodeBadField)
	p := o.taken("frida", order{Do: doErase, Entry: entry, Field: "reason", Reason: "It held a password.", Basis: "mistake"})
	o.taken("sofia", order{Do: doConfirm, ID: p.ID})
	if o.inFiles("The shop answers 502") != 0 {
		t.Error("the text is still in the files")
	}
	out, _, _ = runHere(t, nil, "ledger", "show", "-data", o.data, "-json")
	said(t, out, `"key":"ssh-ed25519`)
	p = o.taken("frida", order{Do: doErase, Entry: entry, Field: "reason", Reason: "Again.", Basis: "mistake"})
	said(t, strings.Join(p.Lines, "\n"), "There is nothing to erase")
	o.refused("sofia", order{Do: doConfirm, ID: p.ID}, workflows.CodeUnknown)
	said(t, o.verify(), "is intact")
}

// TestDisclosureByTwoPeople holds that texts leave a real ledger only when two people agreed on them, and that the ledger says so.
func TestDisclosureByTwoPeople(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	export := func(args ...string) (string, int) {
		out, errs, code := runHere(t, nil, append([]string{"ledger", "export", "-data", o.data, "-out", filepath.Join(t.TempDir(), "x.zip")}, args...)...)
		return out + errs, code
	}
	if out, code := export("-open", "all"); code != exitFailed || !strings.Contains(out, "only when two people agreed") {
		t.Errorf("without an agreement: exit %d, %s", code, out)
	}
	p := o.taken("frida", order{Do: doDisclose, What: "all", Reason: "The yearly audit."})
	if out, code := export("-open", "all", "-agreed", p.ID); code != exitFailed {
		t.Errorf("with one person's word: exit %d, %s", code, out)
	}
	o.refused("frida", order{Do: doConfirm, ID: p.ID}, workflows.CodeSelfApproval)
	said(t, strings.Join(o.taken("sofia", order{Do: doConfirm, ID: p.ID}).Lines, "\n"), "-open all -agreed "+p.ID)
	if out, code := export("-open", "all", "-agreed", p.ID); code != exitDone || !strings.Contains(out, "texts disclosed") {
		t.Errorf("as agreed: exit %d, %s", code, out)
	}
	if out, code := export("-open", "request/r_1", "-agreed", p.ID); code != exitFailed {
		t.Errorf("something else: exit %d, %s", code, out)
	}
	if out, code := export(); code != exitDone {
		t.Errorf("without texts nobody has to agree: exit %d, %s", code, out)
	}
	h, err := o.store.History(t.Context(), custody.Stream(p.ID))
	if err != nil || len(h) != 3 {
		t.Fatalf("recorded: %v, %v", h, err)
	}
	if e, ok := h[2].Event.(custody.Disclosed); !ok || e.Texts == 0 {
		t.Errorf("the last entry is %+v", h[2].Event)
	}
}

// TestErasureWaitsForWhatIsOpen refuses while the person's request is open.
func TestErasureWaitsForWhatIsOpen(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	asked := o.taken("maya", order{Do: "request", Workflow: "prod-shell", What: "bastion/deploy", Long: 3600, Reason: "The shop answers 504 now.", Fields: map[string]string{"ticket": "OPS-2", "key": testKey}})
	p := o.taken("frida", order{Do: doErase, Person: "maya", Reason: "She asked."})
	said(t, strings.Join(p.Lines, "\n"), "still in use (request/"+asked.ID)
	o.refused("sofia", order{Do: doConfirm, ID: p.ID}, workflows.CodeNotActive)
	o.taken("maya", order{Do: "withdraw", ID: asked.ID})
	o.taken("sofia", order{Do: doConfirm, ID: p.ID})
	h, err := o.store.History(t.Context(), workflows.RequestStream(workflows.RequestID(asked.ID)))
	if err != nil || len(h) == 0 || h[0].Event.(workflows.Submitted).Reason != "" {
		t.Errorf("her words are still there: %v", err)
	}
	said(t, o.verify(), "is intact")
}

// readByAnother reads a file by a program of its own: closing it in this process would drop the locks of the ledger.
func readByAnother(t *testing.T, path string) []byte {
	t.Helper()
	b, err := exec.CommandContext(t.Context(), "cat", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// machineUsers are users of this machine, as whom orders come.
func machineUsers(t *testing.T, n int) (out []*user.User) {
	t.Helper()
	plain := regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	for uid := 0; uid < 100 && len(out) < n; uid++ {
		if u, err := user.LookupId(strconv.Itoa(uid)); err == nil && plain.MatchString(u.Username) {
			out = append(out, u)
		}
	}
	if len(out) < n {
		t.Skipf("this machine has %d users with plain names; %d are needed", len(out), n)
	}
	return out
}

// agree lets two people agree, in a ledger that no bot has open, that texts are exported, and gives the proposal.
func agree(ctx context.Context, data, what string) (string, error) {
	s, err := openFixture(ctx, data)
	if err != nil {
		return "", err
	}
	defer s.Close()
	id := clockIDs{s.Clock()}.New("c_")
	stream := custody.Stream(id)
	one := custody.Who{Acting: workflows.Acting{Actor: "a_1", Person: "p_1"}, Owner: true}
	two := custody.Who{Acting: workflows.Acting{Actor: "a_2", Person: "p_2"}, Owner: true}
	for _, decide := range []func(workflows.Facts) (workflows.Outcome, error){
		func(f workflows.Facts) (workflows.Outcome, error) {
			return custody.Propose(f, stream, one, custody.Proposed{Act: custody.Disclose, Scope: custody.Scope{What: what}, Reason: "For the auditors."}), nil
		},
		func(f workflows.Facts) (workflows.Outcome, error) {
			out, st, err := custody.Confirm(f, stream, two)
			out.Add(stream, two.Acting, "", custody.Disclosed{What: what, Until: custody.DisclosureUntil(f.Now.UTC), ProposedBy: st.By, ConfirmedBy: "p_2", Proposal: id})
			return out, err
		},
	} {
		if _, err := s.Update(ctx, "", []workflows.StreamID{stream}, decide); err != nil {
			return "", err
		}
	}
	return id, nil
}
