package postgres_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/postgres"
)

// R41: a program's password is replaced twice: what it owns stays its own under every generation, the login before is closed only when
// the next one is proven, and a step that fails leaves it as it was.
func TestReq_R41_LoginsAreRotated(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	c, err := postgres.Open(postgres.Config{DSN: runbooks.NewSecret(s.dsn("bot", botPassword))})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	s.login(t, "rot_app")
	s.admin(t, "CREATE TABLE public.rot_orders (n int)", "ALTER TABLE public.rot_orders OWNER TO rot_app")
	t.Cleanup(func() { s.admin(t, "DROP TABLE IF EXISTS public.rot_orders, public.rot_more") })
	old, password := "role rot_app", userPassword
	for _, id := range []string{"rot_first", "rot_second"} {
		r := runbooks.Rotation{ID: id, Account: "rot_app", Old: old, Secret: runbooks.NewPassword()}
		if err := c.Retire(ctx, r, runbooks.Renewed{Ref: "role rot_app_none"}); runbooks.ClassOf(err) != runbooks.Refuse {
			t.Fatalf("retiring with nothing in its place: %v", err)
		}
		n, err := c.Renew(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		wrong := r
		wrong.Secret = runbooks.NewPassword()
		if err := c.Prove(ctx, wrong, n); err == nil {
			t.Error("another password proves the login")
		}
		if err := c.Prove(ctx, r, n); err != nil {
			t.Fatal(err)
		}
		before := strings.TrimPrefix(old, "role ")
		if !lets(t, s, before, password) {
			t.Error("the old login died before the new one was proven")
		}
		if err := c.Retire(ctx, r, n); err != nil {
			t.Fatal(err)
		}
		if lets(t, s, before, password) {
			t.Error("the old login still lets in")
		}
		conn := s.connect(t, strings.TrimPrefix(n.Ref, "role "), r.Secret.Reveal())
		if _, err := conn.Exec(ctx, "INSERT INTO public.rot_orders VALUES (1)"); err != nil {
			t.Errorf("the new login cannot use what the old one owned: %v", err)
		}
		if strings.Contains(s.Log(), r.Secret.Reveal()) {
			t.Error("the password is in the server's log")
		}
		if id == "rot_second" {
			s.dropLater(t, strings.TrimPrefix(n.Ref, "role "))
		}
		old, password = n.Ref, r.Secret.Reveal()
	}
	s.role(t, "rot_strong")
	s.admin(t, "ALTER ROLE rot_strong SUPERUSER LOGIN")
	_, err = c.Renew(ctx, runbooks.Rotation{ID: "rot_x", Old: "role rot_strong", Secret: runbooks.NewPassword()})
	if runbooks.ClassOf(err) != runbooks.Refuse {
		t.Errorf("a superuser is rotated: %v", err)
	}
	for x, err := range c.ListAccess(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(x.Account, "rot_app_") {
			t.Errorf("a generation is told as access: %+v", x)
		}
	}
}

// TestReq_R41_ARotationThatNamesTheAccountAlone: whoever rotates an account need not know which login the last rotation made. Every login before the
// newest is gone, the inventory knows the newest by the account that programs knew, and locking the account locks it.
func TestReq_R41_ARotationThatNamesTheAccountAlone(t *testing.T) {
	t.Parallel()
	s := postgresql(t)
	c, err := postgres.Open(postgres.Config{DSN: runbooks.NewSecret(s.dsn("bot", botPassword))})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	s.login(t, "rot_alone")
	type made struct{ name, password string }
	var all []made
	for _, id := range []string{"rot_a1", "rot_a2", "rot_a3"} {
		r := runbooks.Rotation{ID: id, Account: "rot_alone", Secret: runbooks.NewPassword()}
		n, err := c.Renew(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Prove(ctx, r, n); err != nil {
			t.Fatal(err)
		}
		if err := c.Retire(ctx, r, n); err != nil {
			t.Fatal(err)
		}
		all = append(all, made{strings.TrimPrefix(n.Ref, "role "), r.Secret.Reveal()})
	}
	s.dropLater(t, all[2].name)
	for i, m := range all {
		if in := lets(t, s, m.name, m.password); in != (i == 2) {
			t.Errorf("login %d of 3 lets in: %t", i+1, in)
		}
	}
	found := 0
	for x, err := range c.Discover(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if x.Name == "rot_alone" && x.Ref == "role "+all[2].name {
			found++
		}
	}
	if found != 1 {
		t.Errorf("the inventory finds it %d times by its account", found)
	}
	if err := c.LockAccount(ctx, "rot_alone"); err != nil {
		t.Fatal(err)
	}
	if lets(t, s, all[2].name, all[2].password) {
		t.Error("the login that a rotation made lets in although its account is locked")
	}
	if err := c.UnlockAccount(ctx, "rot_alone"); err != nil {
		t.Fatal(err)
	}
	if !lets(t, s, all[2].name, all[2].password) || lets(t, s, "rot_alone", userPassword) {
		t.Error("unlocking lets in the login of before the rotations, or not the one that was made")
	}
}

// lets tells whether the server lets somebody in with a password.
func lets(t *testing.T, s *server, name, password string) bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.dsn(name, password))
	if err != nil {
		return false
	}
	_ = conn.Close(t.Context())
	return true
}
