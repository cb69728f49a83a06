package anchors_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	cosig "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"github.com/countersign-bot/countersign/store/anchors"
	"github.com/countersign-bot/countersign/store/ledger"
)

// TestWitnessSigns walks a ledger along a witness: each head is signed, and a verifier that is not ours accepts the note with its line.
func TestWitnessSigns(t *testing.T) {
	l := newLog(t).grow(1, "a")
	w, _ := keeper(t, t.TempDir(), nil, l)
	for _, size := range []int{1, 2, 255, 256, 257, 700} {
		h := l.grow(size, "a").head()
		for range 2 { // the same head again is signed again
			got, err := w.Give(t.Context(), l, h)
			if err != nil || len(got.Cosignatures) != 1 {
				t.Fatalf("size %d: %v, %v", size, got, err)
			}
			v, err := cosig.NewVerifierForCosignatureV1(w.VKey)
			if err != nil {
				t.Fatal(err)
			}
			n, err := note.Open(append(bytes.Clone(h.Note), got.Cosignatures[0].Line...), note.VerifierList(v))
			if err != nil || len(n.Sigs) != 1 || n.Sigs[0].Name != "witness.example.com/w1" {
				t.Fatalf("size %d: %v", size, err)
			}
			at, err := cosig.CoSigV1Timestamp(n.Sigs[0])
			if err != nil || time.Since(at) > time.Hour || time.Since(at) < -time.Minute {
				t.Errorf("signed at %v, %v", at, err)
			}
			cp, err := ledger.OpenCheckpoint(append(bytes.Clone(h.Note), got.Cosignatures[0].Line...), origin, l.keys())
			if err != nil || cp.Size != int64(size) {
				t.Errorf("with the witness's line the ledger's own signature no longer counts: %v", err)
			}
		}
	}
}

// TestThreat_T27_AWitnessSeesARollback offers an older copy, and a fork of the same size and of a larger one, to a witness that gives out what it
// remembers and to one that does not.
func TestThreat_T27_AWitnessSeesARollback(t *testing.T) {
	for name, wrap := range map[string]func(http.Handler) http.Handler{"gives out": nil, "shy": shy} {
		l := newLog(t).grow(300, "a")
		w, _ := keeper(t, t.TempDir(), wrap, l)
		if _, err := w.Give(t.Context(), l, l.head()); err != nil {
			t.Fatal(err)
		}
		old := l.fork(200)
		judge := func(what string, l *log, want error) {
			t.Helper()
			remembered, err := w.Ask(t.Context(), l, l.head())
			if err == nil {
				err = l.check(remembered)
			}
			if !errors.Is(err, want) {
				t.Errorf("%s: %s at a start: %v, want %v", name, what, err, want)
			}
			if _, err := w.Give(t.Context(), l, l.head()); !errors.Is(err, want) {
				t.Errorf("%s: %s given away: %v, want %v", name, what, err, want)
			}
		}
		judge("an old copy", old, ledger.ErrRollback)
		judge("another history of the same size", l.fork(200).grow(300, "b"), ledger.ErrFork)
		judge("another history that is longer", l.fork(200).grow(400, "b"), ledger.ErrFork)
		judge("the ledger itself", l, nil)
		judge("the ledger, grown", l.grow(500, "a"), nil)
	}
}

// TestWitnessByTheLetter sends what the protocol forbids and wants the status that it gives for each.
func TestWitnessByTheLetter(t *testing.T) {
	l := newLog(t).grow(300, "a")
	stranger := newLog(t).grow(300, "a") // same origin, another key
	var url string
	w, _ := keeper(t, t.TempDir(), func(h http.Handler) http.Handler { return h }, l)
	url = w.URL
	first := l.headAt(100)
	if _, err := w.Give(t.Context(), l, first); err != nil {
		t.Fatal(err)
	}
	proof, err := l.ProveConsistency(t.Context(), 100, 300)
	if err != nil {
		t.Fatal(err)
	}
	good := anchors.AddRequest(100, proof, l.head().Note)
	elsewhere := bytes.ReplaceAll(l.head().Note, []byte(origin), []byte("example.com/other/log"))
	for name, c := range map[string]struct {
		body   []byte
		status int
		answer string
	}{
		"no empty line":      {[]byte("old 100"), 400, ""},
		"no old size":        {anchors.AddRequest(100, nil, l.head().Note)[4:], 400, ""},
		"leading zero":       {bytes.Replace(good, []byte("old 100"), []byte("old 0100"), 1), 400, ""},
		"a sign":             {bytes.Replace(good, []byte("old 100"), []byte("old +100"), 1), 400, ""},
		"two blanks":         {bytes.Replace(good, []byte("old 100"), []byte("old  100"), 1), 400, ""},
		"proof not base64":   {bytes.Replace(good, []byte("\n"), []byte("\n%%%\n"), 1), 400, ""},
		"64 hashes":          {anchors.AddRequest(100, make([]ledger.Hash, 64), l.head().Note), 400, ""},
		"old more than new":  {anchors.AddRequest(301, proof, l.head().Note), 400, ""},
		"another ledger":     {anchors.AddRequest(100, proof, elsewhere), 404, ""},
		"another key":        {anchors.AddRequest(100, proof, stranger.head().Note), 403, ""},
		"old too small":      {anchors.AddRequest(0, nil, l.head().Note), 409, "100\n"},
		"old in the future":  {anchors.AddRequest(200, proof, l.head().Note), 409, "100\n"},
		"same size, other":   {anchors.AddRequest(100, nil, l.fork(0).grow(100, "b").head().Note), 409, "100\n"},
		"no proof":           {anchors.AddRequest(100, nil, l.head().Note), 422, ""},
		"wrong proof":        {anchors.AddRequest(100, proof[1:], l.head().Note), 422, ""},
		"a proof of nothing": {anchors.AddRequest(100, proof, l.headAt(100).Note), 422, ""},
		"too long":           {append(bytes.Clone(good), make([]byte, 100<<10)...), 400, ""},
	} {
		res, err := http.Post(url+"/add-checkpoint", "", bytes.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != c.status || c.answer != "" && string(answer) != c.answer {
			t.Errorf("%s: %d %q, want %d %q (%v)", name, res.StatusCode, answer, c.status, c.answer, err)
		}
		if c.status == 409 && res.Header.Get("Content-Type") != "text/x.tlog.size" {
			t.Errorf("%s: a conflict of type %q", name, res.Header.Get("Content-Type"))
		}
	}
	if _, err := w.Give(t.Context(), l, l.head()); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

// TestWitnessRemembers starts the witness anew on its folder, and on one that somebody has written to.
func TestWitnessRemembers(t *testing.T) {
	l := newLog(t).grow(50, "a")
	dir := t.TempDir()
	w, key := keeper(t, dir, nil, l)
	if _, err := w.Give(t.Context(), l, l.head()); err != nil {
		t.Fatal(err)
	}
	again := keeperWith(t, dir, key, nil, l)
	if _, err := again.Give(t.Context(), l, l.fork(20).head()); !errors.Is(err, ledger.ErrRollback) {
		t.Errorf("a witness that was started anew: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.checkpoint"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	// Whoever can write there puts an older head with the ledger's own signature; the witness's is missing.
	if err := os.WriteFile(files[0], l.headAt(10).Note, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keeperWith(t, dir, key, nil, l).Give(t.Context(), l, l.fork(20).head()); err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("a memory that was changed: %v", err)
	}
}

// TestWitnessesInARace offers two continuations of one ledger at once, many times: never are both signed.
func TestWitnessesInARace(t *testing.T) {
	l := newLog(t).grow(10, "a")
	w, _ := keeper(t, t.TempDir(), nil, l)
	if _, err := w.Give(t.Context(), l, l.head()); err != nil {
		t.Fatal(err)
	}
	for round := range 30 {
		base := l.fork(len(l.rows))
		sides := []*log{base.fork(len(base.rows)).grow(len(base.rows)+3, "left"), base.fork(len(base.rows)).grow(len(base.rows)+3, "right")}
		var wg sync.WaitGroup
		errs := make([]error, 2)
		for i, s := range sides {
			wg.Go(func() { _, errs[i] = w.Give(context.Background(), s, s.head()) })
		}
		wg.Wait()
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("round %d: %v, %v", round, errs[0], errs[1])
		}
		l = sides[0]
		if errs[0] != nil {
			l = sides[1]
		}
	}
}

// TestLyingWitness holds that nothing counts that the witness's key has not signed.
func TestLyingWitness(t *testing.T) {
	l := newLog(t).grow(10, "a")
	other, _ := keeper(t, t.TempDir(), nil, l)
	key, err := anchors.GenerateKey(rand.Reader, "witness.example.com/w1")
	if err != nil {
		t.Fatal(err)
	}
	vkey, err := anchors.VKey(key)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := other.Give(t.Context(), l, l.headAt(5))
	if err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]func(w http.ResponseWriter){
		"nothing":             func(http.ResponseWriter) {},
		"somebody else's":     func(w http.ResponseWriter) { io.WriteString(w, signed.Cosignatures[0].Line) },
		"a conflict of words": func(w http.ResponseWriter) { http.Error(w, "no", http.StatusConflict) },
		"an error":            func(w http.ResponseWriter) { http.Error(w, "no", http.StatusInternalServerError) },
		"a moving size": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusConflict)
			fmt.Fprintf(w, "%d\n", time.Now().Nanosecond()%5+1)
		},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				w.Write(l.head().Note) // the ledger's signature is not the witness's
				return
			}
			answer(w)
		}))
		w := witness(t, srv.URL, vkey)
		if got, err := w.Give(t.Context(), l, l.head()); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
		if got, err := w.Ask(t.Context(), l, l.head()); err == nil || errors.Is(err, ledger.ErrRollback) {
			t.Errorf("%s: asked: %+v, %v", name, got, err)
		}
		srv.Close()
		if _, err := w.Ask(t.Context(), l, l.head()); err == nil || errors.Is(err, ledger.ErrFork) || errors.Is(err, ledger.ErrRollback) {
			t.Errorf("%s: gone: %v", name, err)
		}
	}
}

// TestKeysOfWitnesses are taken in the forms that others print.
func TestKeysOfWitnesses(t *testing.T) {
	for _, bad := range []string{"", "x", "PRIVATE+KEY+a+b", "PRIVATE+KEY+a+00000000+AQ=="} {
		if v, err := anchors.VKey(bad); err == nil {
			t.Errorf("%q gave %q", bad, v)
		}
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, "w.example/x")
	if err != nil {
		t.Fatal(err)
	}
	got, err := anchors.VKey(skey)
	want, err2 := cosig.VKeyToCosignatureV1(vkey)
	if err != nil || err2 != nil || got != want {
		t.Errorf("%q, want %q (%v, %v)", got, want, err, err2)
	}
	if _, err := anchors.NewKeeper(anchors.KeeperConfig{Dir: t.TempDir(), Key: skey}); err == nil {
		t.Error("a witness for no ledger")
	}
}
