package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/bot/scim"
)

var writeDoors = flag.Bool("update-doors", false, "write testdata/doors.golden, which is then to be read line by line")

// doorsOf finds what the program listens for, in the sources that say so.
func doorsOf(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, glob := range []string{"*.go", "../../bot/web/*.go", "../../bot/api/routes.go", "../../bot/scim/*.go", "../../bot/posture/*.go"} {
		files, err := filepath.Glob(glob)
		mustSay(t, err)
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") || strings.HasPrefix(f, "demo") || f == "witness.go" || f == "control.go" || f == "people_socket.go" {
				continue // of the demo, of another program, and of sockets that only this machine's users reach
			}
			b, err := os.ReadFile(f)
			mustSay(t, err)
			for _, m := range regexp.MustCompile(`(?:[hH]andle(?:Func)?\(|^\t\t)"((?:GET|POST|PUT|PATCH|DELETE) /[^" ]*)"`).FindAllStringSubmatch(string(b), -1) {
				out = append(out, m[1])
			}
			for _, m := range regexp.MustCompile(`(?m)^\t\t"((?:[A-Z]+ )?/[^" ]*)": `).FindAllStringSubmatch(string(b), -1) {
				out = append(out, m[1])
			}
			for _, m := range regexp.MustCompile(`"([A-Z]+ )" ?\+ ?Prefix ?\+ ?"([^"]*)"`).FindAllStringSubmatch(string(b), -1) {
				out = append(out, m[1]+scim.Prefix+m[2])
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestThreat_T21_EveryDoorForEveryProof knocks at every address that the running bot listens at with every proof that somebody could bring who may not:
// none, a made-up token, an agent's session, the identity provider's token, a token of a pipeline that opened its session already. What each is answered is
// what testdata/doors.golden says; the doors come from the sources, so that a new one has no line and is red; and nothing is decided, whoever knocked.
func TestThreat_T21_EveryDoorForEveryProof(t *testing.T) {
	t.Parallel()
	x := newPlatform(t)
	w := portalWorld(t, "jonas", func(dir string) {
		for name, text := range map[string]string{"workflows/robot.yaml": robotChain, "workflows/solo.yaml": soloChain, "identities.yaml": x.identities(t)} {
			mustSay(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
	})
	w.stopBot()
	w.start(prefix+"_SCIM_TOKEN="+scimTestToken, prefix+"_LEAK_SECRET="+strings.Repeat("l", 32))
	id := requestIn(t, w.mustCLI(t, "request", "solo", "-reason", "The shop is slow for me.", "-field", "key="+w.people["jonas"].public()))
	a := &door{t: t, base: w.child.url()}
	used := x.token("bot.example.com", nil)
	again := func() {
		used = x.token("bot.example.com", nil)
		if code, out := a.begin(used); code != http.StatusCreated {
			t.Fatalf("%d %s", code, out)
		}
	}
	again()
	body := `{"workflow":"policy","reason":"Because of the matrix.","id":"` + id + `","verdict":"approve"}`
	form := url.Values{"verdict": {"approve"}, "reason": {"Because of the matrix."}, "code": {"AAAA-AAAA-AAAA-AAAA"}, "incident": {"INC-7"}}.Encode()
	knock := func(method, path, bearer string) int {
		in, kind := body, "application/json"
		if strings.HasPrefix(path, "/decide") || strings.HasPrefix(path, "/emergency") || strings.HasPrefix(path, "/secret") {
			in, kind = form, "application/x-www-form-urlencoded"
		}
		req, err := http.NewRequestWithContext(t.Context(), method, a.base+path, strings.NewReader(in))
		mustSay(t, err)
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Accept", "application/json, text/event-stream")
		req.Header.Set("Origin", a.base)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		if bearer != "" {
			req.Header.Set("Authorization", "Bearer "+bearer)
		}
		client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := client.Do(req)
		mustSay(t, err)
		defer resp.Body.Close()
		said, err := io.ReadAll(resp.Body)
		mustSay(t, err)
		if strings.Contains(string(said), "The shop is slow for me.") || bearer != scimTestToken && strings.Contains(string(said), "Jonas Weber") {
			t.Errorf("%s %s tells what it does not know whom: %s", method, path, said)
		}
		if path == "/readyz" && resp.StatusCode == http.StatusServiceUnavailable {
			return http.StatusOK // it says how the machine is, which is not the matter here
		}
		return resp.StatusCode
	}
	before := int64(len(w.records()))
	var out strings.Builder
	for _, d := range doorsOf(t) {
		method, path, ok := strings.Cut(d, " ")
		if !ok {
			method, path = "POST", d
		}
		path = strings.NewReplacer("{id}", id, "{target}", "bastion", "{link}", strings.Repeat("a", 43), "{$}", "").Replace(path)
		fmt.Fprintf(&out, "%s:", d)
		for _, p := range []struct{ name, bearer string }{{"nobody", ""}, {"junk", "junk"}, {"agent", a.session}, {"provider", scimTestToken}, {"pipeline", used}} {
			fmt.Fprintf(&out, " %s %d", p.name, knock(method, path, p.bearer))
		}
		out.WriteString("\n")
		if strings.HasPrefix(d, "DELETE /v1/session") || strings.HasPrefix(d, "POST /v1/revoke-all") {
			again()
		}
	}
	golden := filepath.Join("testdata", "doors.golden")
	if *writeDoors {
		mustSay(t, os.WriteFile(golden, []byte(out.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	mustSay(t, err)
	if diff := cmp.Diff(string(want), out.String()); diff != "" {
		t.Errorf("who gets what answer at which door has changed (-want +got):\n%s", diff)
	}
	for _, r := range w.records()[before:] {
		if k := r.Event.Kind(); regexp.MustCompile(`^(request|vote|stage|offer|grant|incident|runbook|run|policy|review|person)\.`).MatchString(k) {
			t.Errorf("entry %d: %s", r.Index, k)
		}
	}
	w.verify()
}
