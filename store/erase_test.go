package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/custody"
	"github.com/countersign-bot/countersign/store/storetest"
	"github.com/countersign-bot/countersign/workflows"
)

// erasing is a decision that records one entry.
func erasing(got *custody.Erased) func(workflows.Facts, custody.Erased) (workflows.Outcome, error) {
	return func(_ workflows.Facts, e custody.Erased) (workflows.Outcome, error) {
		*got = e
		var out workflows.Outcome
		out.Add(workflows.SystemStream, workflows.System, "", storetest.Voted{By: "an erasure"})
		return out, nil
	}
}

// people of the test; the canary is in everything that the first of them typed or is called.
const (
	leaving = workflows.PersonID("p_11111111111111111111111111111111")
	staying = workflows.PersonID("p_22222222222222222222222222222222")
	canary  = "CANARY"
)

// TestThreat_T36_ErasedBytesAreGone lets two people write thousands of texts of many lengths, erases one of them, and looks at the bytes of
// every file of the ledger and of a backup: nothing of that person is left, everything of the other one is, and the whole verifies.
func TestThreat_T36_ErasedBytesAreGone(t *testing.T) {
	t.Parallel()
	cfg := storetest.Config(t)
	s := storetest.Open(t, cfg)
	fillForErasure(t, s)
	if left := canaries(t, cfg.Dir); left < 3000 {
		t.Fatalf("before, there are %d canaries in the files: the test would find nothing", left)
	}
	var got custody.Erased
	what := store.Erasure{Scope: custody.Scope{Person: leaving}, Unname: true}
	if _, err := s.Erase(t.Context(), "cli/erase", nil, what, erasing(&got)); err != nil {
		t.Fatal(err)
	}
	if got.Texts != 3001 || got.Accounts != 1 || got.Deliveries != 2 || !got.Unnamed {
		t.Errorf("it erased %+v", got)
	}
	if left := canaries(t, cfg.Dir); left != 0 {
		t.Errorf("%d canaries are left in the files", left)
	}
	wantOthers(t, s)
	out := filepath.Join(t.TempDir(), "backup")
	if c, err := s.Backup(t.Context(), out); err != nil || !c.Report.OK || c.Report.Erased != 3001 {
		t.Errorf("the backup: %+v, %v", c.Report, err)
	}
	if left := canaries(t, filepath.Dir(out)); left != 0 {
		t.Errorf("%d canaries are left in the backup", left)
	}
	if _, err := s.Erase(t.Context(), "cli/again", nil, what, erasing(&got)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("erasing nothing: %v", err)
	}
	if res, err := s.Erase(t.Context(), "cli/erase", nil, what, erasing(&got)); !errors.Is(err, store.ErrNotFound) && !res.Replayed {
		t.Errorf("the same order again: %+v, %v", res, err)
	}
}

func fillForErasure(t *testing.T, s *store.Store) {
	t.Helper()
	by := map[bool]workflows.PersonID{true: leaving, false: staying}
	for begin := 0; begin < 6000; begin += 60 {
		_, err := s.Update(t.Context(), "", nil, func(workflows.Facts) (workflows.Outcome, error) {
			var out workflows.Outcome
			for i := begin; i < begin+60; i++ {
				mine := i%2 == 0
				text := fmt.Sprintf("kept %d %s", i, strings.Repeat("k", i*37%900))
				if mine {
					text = fmt.Sprintf("%s %d %s", canary, i, strings.Repeat("c", i*53%1500))
				}
				stream := workflows.StreamID("request/r_" + strconv.Itoa(i/3))
				out.Add(stream, workflows.Acting{Actor: "a_1", Person: by[mine]}, "", storetest.Opened{Title: strconv.Itoa(i), Reason: text})
			}
			return out, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	appendAs(t, s, workflows.GrantStream(leaving.Identity(), "bastion", "deploy"), staying, storetest.Opened{Reason: canary + " account of the holder"})
	for _, p := range []store.Person{
		{Ref: leaving, Key: "people:" + canary, Name: canary + " Name", Email: canary + "@example.com"}, {Ref: staying, Key: "people:stays", Name: "Stays"},
	} {
		if err := s.PutPerson(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	for p, user := range map[workflows.PersonID]string{leaving: "U" + canary, staying: "U2"} {
		a, err := s.EnsureAccount(t.Context(), "slack", "T1/"+user)
		if err == nil {
			err = s.LinkAccount(t.Context(), a.Actor, p)
		}
		if err != nil {
			t.Fatal(err)
		}
		for n := range 2 {
			id, _, err := s.PutInbox(t.Context(), "socket", "command", []string{user + strconv.Itoa(n)}, []byte(`{"user_id":"`+user+`","text":"`+user+` says"}`))
			if err == nil {
				err = s.DoneInbox(t.Context(), id)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func appendAs(t *testing.T, s *store.Store, stream workflows.StreamID, by workflows.PersonID, e workflows.Event) {
	t.Helper()
	_, err := s.Update(t.Context(), "", nil, func(workflows.Facts) (workflows.Outcome, error) {
		var out workflows.Outcome
		out.Add(stream, workflows.Acting{Actor: "a_1", Person: by}, "", e)
		return out, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// wantOthers holds that what others wrote is all there.
func wantOthers(t *testing.T, s *store.Store) {
	t.Helper()
	kept := 0
	for i := range 2000 {
		h, err := s.History(t.Context(), workflows.StreamID("request/r_"+strconv.Itoa(i)))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range h {
			reason := r.Event.(storetest.Opened).Reason
			if want := r.Person == staying; want != strings.HasPrefix(reason, "kept ") {
				t.Fatalf("entry %d of %s says %q", r.Index, r.Person, reason)
			}
			if reason != "" {
				kept++
			}
		}
	}
	if kept != 3000 {
		t.Errorf("%d texts of others are left of 3000", kept)
	}
	for _, user := range []string{"T1/U" + canary, "T1/U2"} {
		if a, err := s.AccountByKey(t.Context(), "slack", user); err != nil || (a.Actor != "") != (user == "T1/U2") {
			t.Errorf("account %s: %+v, %v", user, a, err)
		}
	}
}

// canaries counts what is left in all files of a folder.
func canaries(t *testing.T, dir string) (n int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "-shm") || strings.HasSuffix(path, ".lock") {
			return err
		}
		b, err := contentOf(t, path)
		n += bytes.Count(b, []byte(canary))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFault_F37_ErasedWhileSomebodyReads erases while a long read holds the log: the order is recorded, what it could not overwrite is said,
// and is done when the reader is gone.
func TestFault_F37_ErasedWhileSomebodyReads(t *testing.T) {
	t.Parallel()
	cfg := storetest.Config(t)
	s := storetest.Open(t, cfg)
	appendAs(t, s, "request/r_1", leaving, storetest.Opened{Reason: canary})
	reader, err := s.Source(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Head(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got custody.Erased
	soon, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	_, err = s.Erase(soon, "", nil, store.Erasure{Scope: custody.Scope{Person: leaving}}, erasing(&got))
	if !errors.Is(err, store.ErrNotScrubbed) {
		t.Errorf("erasing behind a reader: %v", err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Scrub(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := canaries(t, cfg.Dir); left != 0 {
		t.Errorf("%d canaries are left", left)
	}
	if err := s.Scrub(t.Context()); err != nil {
		t.Errorf("with nothing to do: %v", err)
	}
}

// TestEraseKeepsWhatIsInUse refuses while a stream of the person owes work, and says which; one field can go at any time when the caller says
// that nothing needs it.
func TestEraseKeepsWhatIsInUse(t *testing.T) {
	t.Parallel()
	s := storetest.Open(t, storetest.Config(t))
	grant := workflows.GrantStream(leaving.Identity(), "bastion", "deploy")
	_, err := s.Update(t.Context(), "", nil, func(workflows.Facts) (workflows.Outcome, error) {
		out := workflows.Outcome{Pending: map[workflows.StreamID][]workflows.Job{grant: {{Kind: workflows.JobRevoke, Key: "g_1"}, {Kind: workflows.JobNotice, Key: "n"}}}}
		out.Add(grant, workflows.Acting{Actor: "a_1", Person: leaving}, "", storetest.Opened{Reason: "why", Names: []string{"account"}})
		return out, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got custody.Erased
	all := store.Erasure{Scope: custody.Scope{Person: leaving}}
	if _, err := s.Erase(t.Context(), "", nil, all, erasing(&got)); !errors.Is(err, store.ErrInUse) || !strings.Contains(err.Error(), string(grant)) {
		t.Errorf("while access is live: %v", err)
	}
	one := store.Erasure{Scope: custody.Scope{Entry: 1, Field: "reason"}}
	if _, err := s.Erase(t.Context(), "", nil, one, erasing(&got)); !errors.Is(err, store.ErrInUse) {
		t.Errorf("one field of it: %v", err)
	}
	one.WhileDue = true
	if _, err := s.Erase(t.Context(), "", nil, one, erasing(&got)); err != nil || got.Texts != 1 {
		t.Errorf("one field that nothing needs: %+v, %v", got, err)
	}
	h, err := s.History(t.Context(), grant)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(workflows.Event(storetest.Opened{Names: []string{"account"}}), h[0].Event); diff != "" {
		t.Error(diff)
	}
	if e, others, err := s.Erasable(t.Context(), store.Erasure{Scope: custody.Scope{Person: staying}}, "ACCOUNT"); !errors.Is(err, store.ErrNotFound) || len(others) != 1 {
		t.Errorf("texts of others that hold the word: %+v, %v, %v", e, others, err)
	}
}

// contentOf reads a file by a program of its own: closing it in this process would drop the locks of the ledger.
func contentOf(t *testing.T, path string) ([]byte, error) {
	t.Helper()
	return exec.CommandContext(t.Context(), "cat", path).Output()
}
