package slack

import (
	"context"
	"time"
)

// OutsideOnly, CheckSocketURL and CodeClass let the tests of the package's border reach the rules behind it.
func OutsideOnly(address string) error { return outsideOnly("tcp", address, nil) }

func CheckSocketURL(raw string, loopback bool) error { return checkSocketURL(raw, loopback) }

func CodeClass(code string) string {
	return map[class]string{
		classPermanent: "permanent", classAuth: "auth", classRate: "rate limited", classAmbiguous: "ambiguous", classConflict: "conflict", classExpired: "expired",
	}[codeClass(code)]
}

// Gates for tests: how patient calls are held back.
type Gates struct{ gates }

// NewGates hold nothing back yet.
func NewGates() *Gates { return &Gates{} }

// Admit is gates.admit.
func (g *Gates) Admit(ctx context.Context, method string, now time.Time) error {
	return g.admit(ctx, method, now)
}

// Seen is gates.seen.
func (g *Gates) Seen(method string, err error, now time.Time) { g.seen(method, err, now) }
