package screens_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

var update = flag.Bool("update", false, "write the golden files")

// readableGolden is the size in bytes up to which a golden file is kept as it is; a larger one is compressed.
const readableGolden = 20_000

// packed is what stands in a golden file of this name.
func packed(t *testing.T, path string, b []byte) []byte {
	t.Helper()
	if !strings.HasSuffix(path, ".gz") {
		return b
	}
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Write(b); err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// unpacked is packed, the other way.
func unpacked(t *testing.T, path string, b []byte) []byte {
	t.Helper()
	if !strings.HasSuffix(path, ".gz") {
		return b
	}
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if b, err = io.ReadAll(r); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return b
}

// golden compares a screen with its file.
func golden(t *testing.T, name string, v any) {
	t.Helper()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name+".json")
	if buf.Len() > readableGolden {
		path += ".gz"
	}
	if *update {
		if err := os.WriteFile(path, packed(t, path, buf.Bytes()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run with -update to write it", err)
	}
	want = unpacked(t, path, want)
	if d := cmp.Diff(string(want), buf.String()); d != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, d)
	}
}

// schema is one definition of the Block Kit schema beside the module; the test that needs it is skipped where it is absent.
func schema(t *testing.T, definition string) *jsonschema.Schema {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
	path := filepath.Join(filepath.Dir(dir), "shared", "slack", "blockkit.schema.json")
	f, err := os.Open(path)
	if err != nil {
		t.Skipf("the Block Kit schema is not beside the module: %v", err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("https://blocks.invalid/", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("https://blocks.invalid/#/definitions/" + definition)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fits(t *testing.T, s *jsonschema.Schema, name string, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(doc); err != nil {
		t.Errorf("%s does not fit the schema: %v", name, err)
	}
}

// workspace takes screens the way Slack does, and says what is wrong with them.
type workspace struct {
	t    *testing.T
	sim  *slacksim.Workspace
	url  string
	mu   sync.Mutex
	view any // opened at the next command
	said string
}

func newWorkspace(t *testing.T) *workspace {
	w := &workspace{t: t}
	sim, err := slacksim.New(slacksim.Config{
		Users:      []slacksim.User{{Name: "maya"}},
		Channels:   []slacksim.Channel{{Name: "access", Members: []string{"maya", "countersign"}}},
		App:        slacksim.App{Name: "Countersign", Commands: []slacksim.Command{{Name: "/access"}}, Events: []string{"app_uninstalled"}}, // none comes
		RequestURL: "http://bot.invalid/", HTTPClient: &http.Client{Transport: w},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(sim.Handler())
	t.Cleanup(func() { sim.Close(); srv.Close() })
	w.sim, w.url = sim, srv.URL
	return w
}

// RoundTrip is the app: it answers a command by opening the modal in question.
func (w *workspace) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	w.said = w.call("views.open", "trigger_id", form.Get("trigger_id"), "view", w.json(w.view))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func (w *workspace) json(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		w.t.Error(err)
	}
	return string(b)
}

// call gives what Slack has against it; empty when it took it.
func (w *workspace) call(method string, args ...string) string {
	form := url.Values{}
	for i := 0; i+1 < len(args); i += 2 {
		form.Set(args[i], args[i+1])
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url+"/api/"+method, strings.NewReader(form.Encode()))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+w.sim.App().BotToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte(`{"ok":true`)) || bytes.Contains(b, []byte(`"ok":true`)) {
		return ""
	}
	return string(b)
}

func (w *workspace) takes(name string, v any) {
	w.t.Helper()
	switch x := v.(type) {
	case screens.Message:
		if no := w.call("chat.postMessage", "channel", w.sim.ChannelID("access"), "text", x.Text, "blocks", w.json(x.Blocks)); no != "" {
			w.t.Errorf("%s: %s", name, no)
		}
	case slackgo.HomeTabViewRequest:
		if no := w.call("views.publish", "user_id", w.sim.UserID("maya"), "view", w.json(x)); no != "" {
			w.t.Errorf("%s: %s", name, no)
		}
	case slackgo.ModalViewRequest:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.view, w.said = x, "not opened"
		if d := w.sim.Command(w.t.Context(), "maya", "access", "/access", ""); d.Err != nil || w.said != "" {
			w.t.Errorf("%s: %v %s", name, d.Err, w.said)
		}
	default:
		w.t.Fatalf("%s is a %T", name, v)
	}
}

// Each screen at its least, as usual and at its most: the same as its file, within the schema, and taken by the workspace.
func TestScreens(t *testing.T) {
	w := newWorkspace(t)
	for _, s := range catalogue() {
		t.Run(s.name, func(t *testing.T) {
			w.t = t
			golden(t, s.name, s.screen)
			w.takes(s.name, s.screen)
			for _, text := range textsOf(t, s.screen) { // a moment whose markup was escaped or cut is read as it is written
				if strings.Contains(text, "&lt;!date") || strings.Contains(text, "<!date") && strings.Contains(text, "dateshort") {
					t.Errorf("%s: a moment is broken in %q", s.name, text)
				}
			}
		})
	}
}

// The schema knows what the workspace may not, and is not always here.
func TestScreensFitTheSchema(t *testing.T) {
	blocks, modal, home := schema(t, "MessageBlocks"), schema(t, "ModalView"), schema(t, "HomeView")
	for _, s := range catalogue() {
		switch x := s.screen.(type) {
		case screens.Message:
			fits(t, blocks, s.name, x.Blocks)
		case slackgo.ModalViewRequest:
			fits(t, modal, s.name, x)
		case slackgo.HomeTabViewRequest:
			fits(t, home, s.name, x)
		}
	}
}
