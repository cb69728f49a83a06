package streams_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/store/streams"
	"github.com/countersign-bot/countersign/store/streams/s3test"
)

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if kind := os.Getenv("STREAMS_CHILD"); kind != "" {
		if err := child(kind, os.Getenv("STREAMS_DIR"), os.Getenv("STREAMS_URL")); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// killedEntries is how many entries are streamed while the process is killed again and again.
const killedEntries = 1500

// child streams the leaves in DIR/leaves until all have arrived.
func child(kind, dir, url string) error {
	f, err := os.Open(filepath.Join(dir, "leaves"))
	if err != nil {
		return err
	}
	defer f.Close()
	var rows shelf
	for sc := bufio.NewScanner(f); sc.Scan(); {
		rows = append(rows, []byte(sc.Text()))
	}
	client, err := streams.NewClient("")
	if err != nil {
		return err
	}
	var sink streams.Sink
	switch kind {
	case "file":
		sink = &streams.File{Path: filepath.Join(dir, "out.jsonl"), MaxSize: 100_000}
	case "webhook":
		sink = &streams.Webhook{URL: url, Secret: []byte("x"), Client: client}
	case "s3":
		sink = hasty{streams.ObjectSink{Objects: &streams.Objects{URL: url + "/audit", Region: "r", Key: "k", Secret: "s", Client: client}}}
	case "syslog":
		if sink, err = streams.NewSyslog(url, "", 13, 8192); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	place := diskPlace{filepath.Join(dir, "place"), cancel}
	if st, err := place.Load(ctx); err != nil || st.Next == killedEntries {
		return err // killed between its last word and its end
	}
	s := &streams.Stream{Name: "s", Source: rows, Sink: sink, Cursor: place, Log: quiet()}
	return s.Run(ctx)
}

// hasty does not wait for company.
type hasty struct{ streams.ObjectSink }

func (hasty) Linger() time.Duration { return 0 }

// shelf is a source of small pages, so that there are many moments to be killed at.
type shelf [][]byte

func (s shelf) Read(_ context.Context, from int64, _, _ int) (out []streams.Record, size int64, err error) {
	for i := from; i < min(from+5, int64(len(s))); i++ {
		r, err := streams.NewRecord(origin, "s", i, int64(len(s)), s[i])
		if err != nil {
			return nil, 0, err
		}
		out = append(out, r)
	}
	return out, int64(len(s)) + 300, nil // as if more waited: no pause between pages
}

// diskPlace is a cursor in a file that is whole or not there.
type diskPlace struct {
	path string
	done func()
}

func (d diskPlace) Load(context.Context) (st streams.State, err error) {
	b, err := os.ReadFile(d.path)
	if os.IsNotExist(err) {
		return st, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &st)
	}
	return st, err
}

func (d diskPlace) Save(_ context.Context, st streams.State) error {
	b, err := json.Marshal(st)
	if err == nil {
		err = os.WriteFile(d.path+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(d.path+".new", d.path)
	}
	if st.Next == killedEntries {
		d.done()
	}
	return err
}

// killed starts the child again and again and kills it -9 after a moment, until it ends by itself.
func killed(t *testing.T, kind, url string) (dir string, kills int) {
	t.Helper()
	dir = t.TempDir()
	b := newBook(t)
	b.grow(killedEntries)
	var text strings.Builder
	for _, leaf := range b.rows {
		text.Write(leaf)
		text.WriteString("\n")
	}
	if err := os.WriteFile(filepath.Join(dir, "leaves"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for try := range 300 {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), "STREAMS_CHILD="+kind, "STREAMS_DIR="+dir, "STREAMS_URL="+url)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		exited := make(chan error, 1)
		go func() { exited <- cmd.Wait() }()
		moment := time.Duration(15+rand.IntN(30)) * time.Millisecond
		if try > 40 {
			moment = time.Minute // a slow machine: let it end
		}
		select {
		case err := <-exited:
			if err != nil || kills == 0 {
				t.Fatalf("it ended by itself after %d kills: %v", kills, err)
			}
			return dir, kills
		case <-time.After(moment):
			cmd.Process.Kill()
			<-exited
			kills++
		}
	}
	t.Fatal("it never ended")
	return dir, kills
}

// TestReq_R101_KilledInTheMiddle kills the streaming process -9 again and again: nothing is ever missing, and what comes twice is what the
// package says.
func TestReq_R101_KilledInTheMiddle(t *testing.T) {
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		dir, kills := killed(t, "file", "")
		got := check(t, whole(t, filepath.Join(dir, "out.jsonl")))
		if got.Records != killedEntries || len(got.Gaps) > 0 || len(got.Problems) > 0 || got.Duplicates > 0 || got.Torn {
			t.Errorf("after %d kills: %+v", kills, got)
		}
		t.Logf("%d kills", kills)
	})
	t.Run("s3", func(t *testing.T) {
		t.Parallel()
		store := s3test.New("audit", "r", "k", "s")
		srv := httptest.NewServer(store)
		defer srv.Close()
		_, kills := killed(t, "s3", srv.URL)
		var all []byte
		for _, n := range store.Names() {
			all = append(all, store.Object(n)...)
		}
		got := check(t, all)
		if got.Records != killedEntries || len(got.Gaps) > 0 || len(got.Problems) > 0 || got.Duplicates > 0 {
			t.Errorf("after %d kills: %+v", kills, got)
		}
		t.Logf("%d kills", kills)
	})
	t.Run("webhook", func(t *testing.T) {
		t.Parallel()
		var mu sync.Mutex
		seen, got, twice := map[string]bool{}, []int64(nil), 0
		srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return // killed in the middle of a request
			}
			var event struct {
				Data struct{ Records []streams.Record }
			}
			if err := json.Unmarshal(body, &event); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if id := r.Header.Get("webhook-id"); seen[id] {
				twice++
			} else {
				seen[id] = true
				got = append(got, entries(event.Data.Records)...)
			}
		}))
		defer srv.Close()
		_, kills := killed(t, "webhook", srv.URL)
		mu.Lock()
		defer mu.Unlock()
		if diff := cmp.Diff(span(0, killedEntries), got); diff != "" || twice > kills {
			t.Errorf("after %d kills, %d batches twice: %s", kills, twice, diff)
		}
		t.Logf("%d kills, %d batches twice", kills, twice)
	})
}
