package main

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/runbooktest"
	"github.com/countersign-bot/countersign/store/storetest/pgtest"
)

// pickedDemo is a chain whose form is filled from what a real PostgreSQL has to grant.
func pickedDemo(t *testing.T) (*demo, *pgtest.Server) {
	t.Helper()
	pg := pgtest.Start(t, "fsync=off")
	target := pg.NewDatabase(t)
	pg.Exec(t, "postgres",
		`CREATE ROLE bot LOGIN CREATEROLE PASSWORD 'bot-pw'`, `GRANT pg_signal_backend TO bot`,
		`CREATE ROLE cs_readonly`, `COMMENT ON ROLE cs_readonly IS 'reads every table'`, `CREATE ROLE cs_writer`, `CREATE ROLE payroll`,
		`GRANT cs_readonly, cs_writer, payroll TO bot WITH ADMIN OPTION`, `CREATE ROLE maya_pg LOGIN PASSWORD 'maya-pw'`)
	dsn := filepath.Join(t.TempDir(), "dsn")
	database, _, _ := strings.Cut(target[strings.LastIndex(target, "/")+1:], "?")
	mustSay(t, os.WriteFile(dsn, []byte(pg.URLFor("bot", "bot-pw", database)), 0o600))
	people, err := demoFiles.ReadFile("demo/org/people.yaml")
	mustSay(t, err)
	form := "grants: [pg-main/readonly]\nfields:\n  - {name: role, label: Role, type: offer, pattern: 'cs_[a-z]+'}\n"
	return demoAsJonas(t, map[string]string{
		"targets/pg-main.yaml":        strings.ReplaceAll(strings.Replace(pgTarget, "role: cs_readonly", "role: ${fields.role}", 1), "DSNFILE", dsn),
		"workflows/prod-db-read.yaml": strings.Replace(strings.Replace(pgWorkflow, "grants: [pg-main/readonly]\n", form, 1), "  groups: [engineers]", "  anyone: true", 1),
		"people.yaml":                 strings.Replace(string(people), "    unix: maya\n", "    unix: maya\n    accounts: {pg-main: maya_pg}\n", 1),
	}), pg
}

func isMember(t *testing.T, pg *pgtest.Server, role string) bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pg.URL("postgres"))
	mustSay(t, err)
	defer conn.Close(t.Context())
	var member bool
	mustSay(t, conn.QueryRow(t.Context(), `SELECT pg_has_role('maya_pg', $1, 'MEMBER')`, role).Scan(&member))
	return member
}

// What a target has to grant appears in the form without anybody typing it into a file; what it has not, or what the chain does not let through,
// cannot be asked for; and those who decide read what exactly will change. Two roles of one entitlement are two memberships.
func TestCatalogueFillsTheFormAndThePlanReachesTheApprover(t *testing.T) {
	t.Parallel()
	d, pg := pickedDemo(t)
	s, ctx := &story{demo: d}, t.Context()
	ask := func(role, reason string) error {
		mustSay(t, s.command(ctx, "maya", "/access", "request prod-db-read"))
		_, err := s.view(ctx, "maya", screens.CallForm)
		mustSay(t, err)
		return s.submit(ctx, "maya", map[string]any{screens.BlockDuration: "1h", screens.BlockReason: reason, screens.FieldBlock + "role": role})
	}
	out, err := d.cli(ctx, "", "offers", "prod-db-read")
	if err != nil || !strings.Contains(out, "cs_readonly  reads every table") || strings.Contains(out, "payroll") {
		t.Errorf("%v\n%s", err, out)
	}
	for _, bad := range []string{"payroll", "cs_nothing", "postgres", "cs_readonly; DROP ROLE cs_writer"} {
		if err := ask(bad, "This ought to be refused at once."); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for i, role := range []string{"cs_readonly", "cs_writer"} {
		mustSay(t, ask(role, "A customer asks about "+role+"."))
		card, err := s.message(ctx, "access", "A customer asks about "+role, "What will change", "maya_pg", role)
		mustSay(t, err)
		mustSay(t, s.press(ctx, "jonas", card, screens.ActApprove))
		for deadline := time.Now().Add(time.Minute); !isMember(t, pg, role); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("Maya is no member of %s", role)
			}
		}
		if i == 0 { // the second begins half an hour after the first
			mustSay(t, d.advance(ctx, 30*time.Minute))
		}
	}
	mustSay(t, d.advance(ctx, 31*time.Minute))
	for deadline := time.Now().Add(time.Minute); isMember(t, pg, "cs_readonly"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the membership of the first role outlived its grant: the second, of another role, kept it")
		}
	}
	if !isMember(t, pg, "cs_writer") {
		t.Error("the end of the first took the second away")
	}
	out, err = d.ledger(ctx, "verify")
	if err != nil || !strings.Contains(out, "intact") {
		t.Errorf("%v\n%s", err, out)
	}
}

// A catalogue is read once for all who wait, and again after a failure; one that hangs makes nobody wait longer than they would.
func TestCatalogueIsReadOnce(t *testing.T) {
	t.Parallel()
	stuck := &slowCatalogue{Memory: &runbooktest.Memory{}, begun: make(chan struct{}, 10), free: make(chan struct{})}
	c := newCatalogue(runbooks.NewRunner(map[string]runbooks.Connector{"t": stuck, "bare": &runbooktest.Memory{}}, slog.New(slog.DiscardHandler)))
	short, cancel := context.WithCancel(t.Context())
	errs := make(chan error, 1)
	go func() { _, err := c.offers(short, "t"); errs <- err }()
	<-stuck.begun
	cancel()
	if err := <-errs; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(stuck.free)
	for range 5 {
		list, err := c.offers(t.Context(), "t")
		if err != nil || len(list) != 1 {
			t.Fatalf("%v %v", list, err)
		}
	}
	if n := len(stuck.begun); n != 0 {
		t.Errorf("read %d times more", n)
	}
	if _, err := c.offers(t.Context(), "bare"); err == nil {
		t.Error("a connector without a catalogue lists something")
	}
	if v, ok := standsFor(map[string][]string{"a": {"x"}, "b": {"${fields.f}"}}, map[string][]string{"a": {"y"}, "b": {"z"}}, "f"); ok {
		t.Errorf("an offer of another namespace stands for %q", v)
	}
}

// slowCatalogue is a target whose catalogue takes as long as a test lets it.
type slowCatalogue struct {
	*runbooktest.Memory
	begun, free chan struct{}
}

// ListOffers implements runbooks.Catalog.
func (s *slowCatalogue) ListOffers(context.Context) iter.Seq2[runbooks.Offer, error] {
	return func(yield func(runbooks.Offer, error) bool) {
		s.begun <- struct{}{}
		<-s.free
		yield(runbooks.Offer{Name: "reader", Params: map[string][]string{"role": {"reader"}}}, nil)
	}
}
