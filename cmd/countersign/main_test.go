package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// The tests of this package are inside it: the program has no exported name, and what they drive is the demo's own workspace,
// bastion and people.

func updating() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}

// TestMain makes the test binary into the program: under the name countersign, for scripts, and whenever its first word is a
// subcommand, because the demo starts its bot as the same program again.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) != "fixture" && len(os.Args) > 1 && slices.Contains(commandNames(), os.Args[1]) {
		main()
		return
	}
	flag.Bool("update", false, "write the golden files anew")
	testscript.Main(m, map[string]func(){"countersign": main, "fixture": fixture})
}

// fixture makes in a script what only a bot makes: "fixture ledger CONFIG DATA" a ledger with a request that was denied, "fixture
// acks CONFIG DATA" the same and a line for each thing that is durable, "fixture damage DATA KIND" a change behind the program's back.
func fixture() {
	if err := makeFixture(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "fixture:", err)
		os.Exit(1)
	}
}

func makeFixture(ctx context.Context, args []string) error {
	switch {
	case len(args) == 3 && args[0] == "ledger":
		return smallLedger(ctx, args[1], args[2], func(string) {})
	case len(args) == 3 && args[0] == "acks":
		return smallLedger(ctx, args[1], args[2], func(what string) { fmt.Println(what) })
	case len(args) == 3 && args[0] == "agree":
		id, err := agree(ctx, args[1], args[2])
		fmt.Println(id)
		return err
	case len(args) == 3 && args[0] == "damage":
		return damage(ctx, args[1], args[2])
	}
	return fmt.Errorf("do not know how to make %q", args)
}

const fixtureOrigin = "example.com/countersign/script"

// openFixture opens a ledger for writing as serve does.
func openFixture(ctx context.Context, data string) (*store.Store, error) {
	c := Config{Data: data, LedgerOrigin: fixtureOrigin}
	keys, err := openKeys(c.keysDir())
	if err != nil {
		return nil, err
	}
	key, err := keys.ledger(c.LedgerOrigin)
	if err != nil {
		return nil, err
	}
	if _, err := keys.seed(keyButtons); err != nil {
		return nil, err
	}
	s, _, err := openHealthy(ctx, c, jobs.NewSystem(), key, slog.New(slog.NewTextHandler(io.Discard, nil)))
	return s, err
}

// smallLedger runs a request through the desk that serve uses, without a chat: somebody asks, somebody says no.
func smallLedger(ctx context.Context, config, data string, ack func(string)) (err error) {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	s, err := openFixture(ctx, data)
	if err != nil {
		return err
	}
	ack("open")
	defer func() {
		if e := s.Close(); err == nil {
			err = e
		}
		if err == nil {
			ack("done")
		}
	}()
	folder, err := readFolder(config)
	if err != nil {
		return err
	}
	policy, _, err := compile(ctx, s, folder)
	if err != nil {
		return err
	}
	d := desk.New(desk.Config{Ledger: s, Directory: everybodyActive{policy}, IDs: clockIDs{s.Clock()}, Log: slog.New(slog.DiscardHandler)})
	if err := d.Load(ctx, policy); err != nil {
		return err
	}
	ack("loaded")
	who := map[string]workflows.Acting{}
	for _, p := range policy.People {
		a, err := s.EnsureAccount(ctx, "slack", "T1/"+p.Key)
		if err != nil {
			return err
		}
		if p.Key == "maya" || p.Key == "jonas" { // who acts is linked in the ledger first, as in the chat
			if err := d.Link(ctx, p.ID, identities.Linked{Account: a.Actor, Medium: "slack", How: "people file", Name: p.Name, User: a.Key}); err != nil {
				return err
			}
			if err := s.LinkAccount(ctx, a.Actor, p.ID); err != nil {
				return err
			}
		}
		who[p.Key] = workflows.Acting{Actor: a.Actor, Person: p.ID}
	}
	return askAndDeny(ctx, d, who["maya"], who["jonas"], ack)
}

func askAndDeny(ctx context.Context, d *desk.Desk, asks, denies workflows.Acting, ack func(string)) error {
	asked, err := d.Submit(ctx, desk.Submission{
		Cause: desk.Cause("test/ask/" + rand.Text()), By: asks, Workflow: "prod-shell", Channel: "slack", Authn: "slack-click",
		Form: workflows.Form{
			Target: "bastion", Entitlement: "deploy", Seconds: workflows.Span(time.Hour / time.Second), Reason: "The shop answers 502 since noon.",
			Values: map[string]string{"ticket": fmt.Sprintf("OPS-%d", time.Now().UnixMicro()%1e6), "key": testKey}, // the same ask again would be known
		},
	})
	if err != nil {
		return err
	}
	if asked.Refusal != nil || len(asked.Problems) > 0 {
		return fmt.Errorf("the request was not taken: %v %v", asked.Refusal, asked.Problems)
	}
	ack("asked")
	view, err := d.Look(ctx, asked.ID)
	if err != nil {
		return err
	}
	answer, err := d.Vote(ctx, desk.Ballot{
		Cause: desk.Cause("test/deny/" + rand.Text()), By: denies, Request: asked.ID, Verdict: workflows.Deny, Stage: 0, Shown: view.State.Shown(0),
		Reason: "Not during the sale.", Authn: "slack-click", Channel: "slack", ReceivedAt: workflows.StampOf(time.Now()),
	})
	if err == nil && answer.Refusal != nil {
		err = fmt.Errorf("the denial was not taken: %v", answer.Refusal)
	}
	if err == nil {
		ack("denied")
	}
	return err
}

const testKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMBTmrVhwNYbfCyvBPYdQvNgEmeBJPzIPbEdELKzqrK2 maya@laptop"

// everybodyActive is a directory in which everybody on the list is there and well.
type everybodyActive struct{ policy *desk.Policy }

// Standing implements desk.Directory.
func (e everybodyActive) Standing(ctx context.Context, by workflows.Acting) (workflows.Standing, error) {
	return e.StandingOf(ctx, by.Person)
}

// StandingOf implements desk.Directory.
func (e everybodyActive) StandingOf(_ context.Context, p workflows.PersonID) (workflows.Standing, error) {
	_, ok := e.policy.People[p]
	return workflows.Standing{Known: true, Linked: ok, Active: ok, Human: true, Member: true, Asked: workflows.StampOf(time.Now())}, nil
}

// ChatGroup implements desk.Directory.
func (everybodyActive) ChatGroup(context.Context, string) ([]workflows.PersonID, error) {
	return nil, fmt.Errorf("there is no chat")
}

// ChatChannel implements desk.Directory.
func (everybodyActive) ChatChannel(context.Context, string) ([]workflows.PersonID, error) {
	return nil, fmt.Errorf("there is no chat")
}

// Name implements desk.Directory.
func (e everybodyActive) Name(_ context.Context, p workflows.PersonID) string {
	return e.policy.People[p].Name
}

// golden compares with a file of testdata, or writes it with -update.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if updating() {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; -update writes it", err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look, then -update:\n%s", path, got)
	}
}
