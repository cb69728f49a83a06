package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

func newKey(t *testing.T, origin string) ledger.Key {
	t.Helper()
	k, err := ledger.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// change changes the key as if two people had agreed.
func change(t *testing.T, s *store.Store, cause store.Cause, next ledger.Key) store.Result {
	t.Helper()
	res, err := s.Rotate(t.Context(), cause, nil, next, store.KeyRotated{Proposal: "c_1", ProposedBy: "p_1", ConfirmedBy: "p_2"},
		func(workflows.Facts) (workflows.Outcome, error) { return workflows.Outcome{}, nil })
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// signed tells whether the head bears this key's signature.
func signed(t *testing.T, s *store.Store, vkey string) bool {
	t.Helper()
	h, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	_, err = note.Open(h.Note, note.VerifierList(v))
	return err == nil
}

// TestRotate changes the key twice, with entries and published heads between, and opens the ledger anew after each.
func TestRotate(t *testing.T) {
	cfg := storetest.Config(t)
	first := cfg.Key
	grow(t, cfg, 0, 5)
	second, third := newKey(t, first.Origin()), newKey(t, first.Origin())
	s := storetest.Open(t, cfg)
	if _, _, err := s.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := s.VKey()
	res := change(t, s, "k/1", second)
	if len(res.Records) != 1 || s.VKey() != second.VKey() || before != first.VKey() {
		t.Errorf("%+v, %s", res, s.VKey())
	}
	if !signed(t, s, second.VKey()) || !signed(t, s, first.VKey()) {
		t.Error("the head with the change is not signed by both keys")
	}
	if _, _, err := s.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list, err := s.Checkpoints(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("%d heads of two keys, %v", len(list), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	if _, err := store.Open(t.Context(), cfg); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "signs, the one given is") {
		t.Errorf("opened with the old key: %v", err)
	}
	cfg.Next = second // as after a crash before the new key took the place of the old one
	s = storetest.Open(t, cfg)
	if s.VKey() != second.VKey() {
		t.Errorf("the key is %s", s.VKey())
	}
	storetest.Check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Key, cfg.Next = second, ledger.Key{}
	grow(t, cfg, 5, 9)
	s = storetest.Open(t, cfg)
	if signed(t, s, first.VKey()) || !signed(t, s, second.VKey()) {
		t.Error("a key that nobody gave goes on signing")
	}
	change(t, s, "k/2", third)
	for _, pin := range []ledger.Key{first, second, third} {
		src, err := s.Source(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r, err := ledger.Verify(t.Context(), src, ledger.Options{Keys: []string{pin.VKey()}, Origin: first.Origin()})
		src.Close()
		if err != nil || !r.OK || !r.KeyPinned {
			t.Errorf("pinned %s: %+v, %v", pin.VKey(), r.Problems, err)
		}
	}
	if list, err := s.Checkpoints(t.Context()); err != nil || len(list) != 2 {
		t.Errorf("%d heads, %v", len(list), err)
	}
	storetest.Check(t, s)
}

// TestRotateIsRefusedOrRepeated holds that a refusal changes nothing but the record of it, and that an order that comes twice counts once.
func TestRotateIsRefusedOrRepeated(t *testing.T) {
	cfg := storetest.Config(t)
	grow(t, cfg, 0, 3)
	s := storetest.Open(t, cfg)
	next := newKey(t, cfg.Key.Origin())
	res, err := s.Rotate(t.Context(), "k/1", nil, next, store.KeyRotated{}, func(workflows.Facts) (workflows.Outcome, error) {
		out := workflows.Outcome{Refusal: workflows.Refuse(workflows.CodeNotEligible, "No.", "")}
		out.Add(workflows.SystemStream, workflows.System, "", store.ClockJumped{From: 1, To: 2})
		return out, nil
	})
	if err != nil || res.Refusal == nil || s.VKey() != cfg.Key.VKey() {
		t.Errorf("%+v, %v, %s", res, err, s.VKey())
	}
	if _, err := s.Rotate(t.Context(), "k/2", nil, next, store.KeyRotated{}, func(workflows.Facts) (workflows.Outcome, error) {
		return workflows.Outcome{}, context.Canceled
	}); !errors.Is(err, context.Canceled) || s.VKey() != cfg.Key.VKey() {
		t.Errorf("%v, %s", err, s.VKey())
	}
	change(t, s, "k/3", next)
	again := change(t, s, "k/3", newKey(t, cfg.Key.Origin()))
	if !again.Replayed || s.VKey() != next.VKey() {
		t.Errorf("%+v, %s", again, s.VKey())
	}
	if _, err := s.Rotate(t.Context(), "k/4", nil, newKey(t, "example.com/another/one"), store.KeyRotated{}, nil); err == nil {
		t.Error("a key of another ledger was taken")
	}
	storetest.Check(t, s)
}

// TestThreat_T27_OthersRemember opens a ledger with what others outside remember of it.
func TestThreat_T27_OthersRemember(t *testing.T) {
	cfg := storetest.Config(t)
	grow(t, cfg, 0, 5)
	s := storetest.Open(t, cfg)
	h, err := s.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Compare(t.Context(), ledger.Anchor{Size: h.Size, Root: h.Root, From: "a friend"}); err != nil {
		t.Error(err)
	}
	if err := s.Compare(t.Context(), ledger.Anchor{Size: h.Size + 1, From: "a friend"}); !errors.Is(err, ledger.ErrRollback) {
		t.Errorf("%v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Remembered = []ledger.Anchor{{Size: h.Size + 100, From: "a friend"}}
	if _, err := store.Open(t.Context(), cfg); !errors.Is(err, ledger.ErrRollback) || !strings.Contains(err.Error(), "a friend remembers") {
		t.Errorf("%v", err)
	}
	cfg.Remembered = []ledger.Anchor{{Size: h.Size, From: "a friend"}}
	if _, err := store.Open(t.Context(), cfg); !errors.Is(err, ledger.ErrFork) {
		t.Errorf("%v", err)
	}
	empty := storetest.Config(t)
	empty.Remembered = []ledger.Anchor{{Size: 3, From: "a friend"}}
	if _, err := store.Open(t.Context(), empty); !errors.Is(err, ledger.ErrRollback) {
		t.Errorf("a ledger that was deleted: %v", err)
	}
	cfg.Remembered = []ledger.Anchor{{Size: h.Size, Root: h.Root, From: "a friend"}}
	storetest.Open(t, cfg)
}
