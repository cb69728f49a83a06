package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/countersign-bot/countersign"

// root is the folder of go.mod.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = root(t)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// walls says, for each room, which rooms of ours and which modules of others it may import. A pattern ending in /* stands for
// everything below. The first matching row counts. What is not here may not be imported: a new arrow is a decision.
var walls = []struct {
	room   string
	ours   []string
	others []string
}{
	{"cmd/countersign", []string{"*"}, []string{"github.com/go-pdf/fpdf", "golang.org/x/image/font/gofont/*", "github.com/kelseyhightower/envconfig", "github.com/prometheus/client_golang/*", "golang.org/x/crypto/ssh", "golang.org/x/mod/sumdb/note"}},
	{"bot/slack/slacksim", nil, []string{"github.com/gorilla/websocket"}},
	{"bot/slack", nil, []string{"github.com/slack-go/slack", "github.com/gorilla/websocket"}},
	{"bot/posture", []string{"workflows"}, nil},
	{"bot/scim", []string{"workflows"}, nil},
	{"bot/api", []string{"workflows", "workflows/desk", "workflows/calendar"}, []string{"github.com/coreos/go-oidc/v3/oidc", "github.com/go-jose/go-jose/v4", "github.com/go-jose/go-jose/v4/jwt", "github.com/modelcontextprotocol/go-sdk/auth", "github.com/modelcontextprotocol/go-sdk/mcp"}},
	{"bot/web", []string{"workflows", "workflows/desk", "workflows/grants"}, []string{"github.com/coreos/go-oidc/v3/oidc", "golang.org/x/oauth2"}},
	{"bot/screens", []string{"workflows", "workflows/grants", "workflows/identities", "workflows/reviews", "workflows/incidents", "workflows/escalations", "workflows/runs"}, []string{"github.com/slack-go/slack"}},
	{"bot", []string{"workflows", "workflows/*", "bot/screens", "bot/slack"}, []string{"github.com/slack-go/slack"}},
	{"workflows", nil, nil},
	{"workflows/grants", []string{"workflows"}, nil},
	{"workflows/identities", []string{"workflows"}, nil},
	{"workflows/reviews", []string{"workflows"}, nil},
	{"workflows/incidents", []string{"workflows"}, nil},
	{"workflows/escalations", []string{"workflows"}, nil},
	{"workflows/targets", []string{"workflows"}, nil},
	{"workflows/watching", []string{"workflows", "workflows/grants", "workflows/incidents"}, nil},
	{"workflows/campaigns", []string{"workflows"}, nil},
	{"workflows/runs", []string{"workflows", "workflows/incidents"}, nil},
	{"workflows/spec", []string{"workflows", "workflows/incidents", "workflows/escalations", "workflows/calendar"}, []string{"github.com/goccy/go-yaml", "github.com/goccy/go-yaml/*", "github.com/robfig/cron/v3", "cel.dev/cel-go/*"}},
	{"workflows/calendar", []string{"workflows"}, []string{"github.com/robfig/cron/v3", "github.com/rickar/cal/v2", "github.com/rickar/cal/v2/*", "github.com/arran4/golang-ical"}},
	{"workflows/library", nil, nil},
	{"workflows/intake", []string{"workflows", "workflows/identities"}, []string{"github.com/goccy/go-yaml"}},
	{"workflows/manual", []string{"workflows", "workflows/calendar", "workflows/incidents"}, nil},
	{"workflows/storytest", []string{"workflows", "workflows/*"}, nil},
	{"workflows/desk", []string{"workflows", "workflows/grants", "workflows/identities", "workflows/reviews", "workflows/incidents", "workflows/escalations", "workflows/runs", "workflows/calendar", "workflows/targets", "workflows/campaigns"}, nil},
	{"store/ledger", nil, []string{"golang.org/x/mod/*"}},
	{"store/ledger/bundle", []string{"store/ledger"}, nil},
	{"store/ledger/bundle/page", nil, nil},
	{"store/custody", []string{"workflows"}, nil},
	{"store/jobs", []string{"workflows"}, []string{"github.com/robfig/cron/v3"}},
	{"store/ledger/bundle", []string{"store/ledger"}, []string{"golang.org/x/mod/*"}},
	{"store/streams", []string{"store/ledger"}, []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/aws-sdk-go-v2/aws/signer/v4", "go.opentelemetry.io/proto/otlp/*", "google.golang.org/protobuf/*"}},
	{"store/streams/s3test", nil, nil},
	{"store/anchors", []string{"store/ledger", "store/streams"}, []string{"golang.org/x/mod/sumdb/note", "github.com/transparency-dev/formats/note"}},
	{"store/storetest/pgtest", nil, []string{"github.com/jackc/pgx/v5"}},
	{"store/storetest", []string{"store", "store/*", "workflows"}, []string{"github.com/google/go-cmp/*", "pgregory.net/rapid", "golang.org/x/mod/*", "github.com/jackc/pgx/v5/stdlib"}},
	{"store", []string{"workflows", "store/custody", "store/ledger", "store/jobs", "store/migrations"}, []string{"modernc.org/sqlite", "modernc.org/sqlite/*", "modernc.org/libc", "github.com/jackc/pgx/v5", "github.com/jackc/pgx/v5/*", "github.com/pressly/goose/v3", "github.com/pressly/goose/v3/*", "golang.org/x/mod/sumdb/note"}},
	{"store/migrations", nil, nil},
	{"runbooks/runbooktest", []string{"runbooks", "workflows"}, nil},
	{"runbooks/library", nil, nil},
	{"runbooks/reconcile", []string{"runbooks", "workflows"}, nil},
	{"runbooks/seal", []string{"runbooks"}, []string{"filippo.io/age", "filippo.io/age/agessh", "filippo.io/age/armor", "golang.org/x/crypto/ssh"}},
	{"runbooks/sshca", []string{"runbooks", "workflows"}, []string{"golang.org/x/crypto/ssh"}},
	{"runbooks/command", []string{"runbooks", "runbooks/orders"}, nil},
	{"runbooks/orders", []string{"runbooks"}, nil},
	{"runbooks/webhook", []string{"runbooks", "runbooks/orders"}, nil},
	{"runbooks/kubernetes", []string{"runbooks", "runbooks/rest", "workflows"}, nil},
	{"runbooks/x509", []string{"runbooks", "workflows"}, nil},
	{"runbooks/redis", []string{"runbooks", "workflows"}, nil},
	{"runbooks/ldap", []string{"runbooks", "workflows"}, []string{"github.com/go-ldap/ldap/v3", "github.com/go-asn1-ber/asn1-ber"}},
	{"runbooks/rest", []string{"runbooks"}, nil},
	{"runbooks/github", []string{"runbooks", "runbooks/rest", "workflows"}, []string{"golang.org/x/crypto/ssh"}},
	{"runbooks/awsapi", []string{"runbooks", "runbooks/rest"}, []string{"github.com/aws/aws-sdk-go-v2/aws", "github.com/aws/aws-sdk-go-v2/aws/signer/v4"}},
	{"runbooks/awsiam", []string{"runbooks", "runbooks/rest", "runbooks/awsapi", "workflows"}, nil},
	{"runbooks/awssso", []string{"runbooks", "runbooks/rest", "runbooks/awsapi"}, nil},
	{"runbooks/tasks", []string{"runbooks", "runbooks/rest", "workflows"}, nil},
	{"runbooks/vault", []string{"runbooks", "runbooks/rest", "workflows"}, nil},
	{"runbooks/etcd", []string{"runbooks", "runbooks/rest"}, nil},
	{"runbooks/okta", []string{"runbooks", "runbooks/rest"}, nil},
	{"runbooks/postgres", []string{"runbooks", "workflows"}, []string{"github.com/jackc/pgx/v5", "github.com/jackc/pgx/v5/*"}},
	{"runbooks", []string{"workflows"}, []string{"github.com/yuin/goldmark", "github.com/yuin/goldmark/*"}},
}

func matches(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		below, all := strings.CutSuffix(p, "*")
		return p == path || (all && strings.HasPrefix(path, below))
	})
}

func TestImportWalls(t *testing.T) {
	list := packages(t)
	if len(list) < 15 {
		t.Fatalf("go list found %d packages: the walls would hold nothing", len(list))
	}
	for _, p := range list {
		room := strings.TrimPrefix(p.ImportPath, module+"/")
		i := slices.IndexFunc(walls, func(w struct {
			room   string
			ours   []string
			others []string
		},
		) bool {
			return w.room == room
		})
		if i < 0 {
			t.Errorf("room %q has no row in walls: say what it may import", room)
			continue
		}
		for _, imp := range p.Imports {
			ours, isOurs := strings.CutPrefix(imp, module+"/")
			switch {
			case isOurs && !matches(walls[i].ours, ours):
				t.Errorf("%s imports %s: a wall stands there", room, ours)
			case !isOurs && strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") && !matches(walls[i].others, imp):
				t.Errorf("%s imports %s: that module is not for this room", room, imp)
			}
		}
	}
}

func TestTopLevelFolders(t *testing.T) {
	allowed := []string{"cmd", "bot", "workflows", "store", "runbooks", "testdata", "go.mod", "go.sum", "Dockerfile", "README.md", "LICENSE", "CHANGELOG.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md"}
	out, err := git(t, "ls-files")
	if err != nil {
		t.Skipf("not a git checkout: %v", err)
	}
	seen := map[string]bool{}
	for f := range strings.Lines(out) {
		top, _, _ := strings.Cut(strings.TrimSpace(f), "/")
		if !seen[top] && !strings.HasPrefix(top, ".") && !slices.Contains(allowed, top) {
			t.Errorf("%s stands at the top level: the owner fixed what may", top)
		}
		seen[top] = true
	}
}

func git(t *testing.T, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir = root(t)
	out, err := cmd.Output()
	return string(out), err
}

// goFiles calls f for each Go file of the project.
func goFiles(t *testing.T, f func(path, text string)) {
	t.Helper()
	top := root(t)
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata") && path != top {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(top, path)
			f(rel, string(b))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFault_F15_NobodyOpensTheDatabaseFiles holds that no code of ours opens the database file itself: closing it would drop
// SQLite's locks under the driver.
func TestFault_F15_NobodyOpensTheDatabaseFiles(t *testing.T) {
	open := regexp.MustCompile(`os\.(Open|OpenFile|ReadFile|Create)\([^)]*(\.db"|dbPath|DSN|-wal|-shm)`)
	seen := 0
	goFiles(t, func(path, text string) {
		seen++
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		if m := open.FindString(text); m != "" {
			t.Errorf("%s: %s", path, m)
		}
	})
	if seen < 50 {
		t.Fatalf("looked at %d files only", seen)
	}
	if !open.MatchString(`os.Open(dir + "/countersign.db")`) {
		t.Error("the pattern finds nothing")
	}
}

func TestNoInit(t *testing.T) {
	goFiles(t, func(path, text string) {
		if strings.Contains(text, "\nfunc init() {") {
			t.Errorf("%s has an init function", path)
		}
	})
}

// TestProgramsAreWrittenUnderTheForkLock: a test that writes a program itself and starts it fails now and then, when
// another goroutine forks just then (runbooktest.Program).
func TestProgramsAreWrittenUnderTheForkLock(t *testing.T) {
	writes := regexp.MustCompile(`os\.(WriteFile|OpenFile)\(.*, 0o?[0-7]*([1357][0-7]{2}|[0-7][1357][0-7]|[0-7]{2}[1357])\)`)
	goFiles(t, func(path, text string) {
		if m := writes.FindString(text); m != "" {
			t.Errorf("%s writes a program: %s", path, m)
		}
	})
	if !writes.MatchString("os."+`WriteFile(f(x), []byte(text), 0o755)`) || writes.MatchString(`os.WriteFile(f(x), []byte(text), 0o640)`) {
		t.Error("the pattern finds too little or too much")
	}
}

// rowTest is a test named for a row of the requirements, threats or faults, or for several.
var rowTest = regexp.MustCompile(`(?m)^func (Test(Req|Threat|Fault)_([RTF][0-9]+(?:_[RTF][0-9]+)*)[A-Za-z0-9_]*)\(`)

// TestRows holds testdata/rows.tsv: every row is there once, names tests that exist or the capability that will bring them, and no
// row's test is missing from it.
func TestRows(t *testing.T) {
	found := map[string][]string{}
	goFiles(t, func(path, text string) {
		for _, m := range rowTest.FindAllStringSubmatch(text, -1) {
			for row := range strings.SplitSeq(m[3], "_") {
				found[row] = append(found[row], m[1])
			}
		}
	})
	f, err := os.Open(filepath.Join(root(t), "testdata", "rows.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	listed := map[string]bool{}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if sc.Text() == "" || strings.HasPrefix(sc.Text(), "#") {
			continue
		}
		cols := strings.Split(sc.Text(), "\t")
		if len(cols) != 3 {
			t.Errorf("%q: want row, state, tests or capability", sc.Text())
			continue
		}
		row, state, what := cols[0], cols[1], cols[2]
		if listed[row] {
			t.Errorf("%s stands twice", row)
		}
		listed[row] = true
		checkRow(t, row, state, what, found[row])
	}
	for _, kind := range []struct {
		letter string
		width  int
		last   int
	}{{"R", 1, 112}, {"T", 2, 62}, {"F", 2, 40}} {
		for i := 1; i <= kind.last; i++ {
			if row := fmt.Sprintf("%s%0*d", kind.letter, kind.width, i); !listed[row] {
				t.Errorf("%s is missing", row)
			}
		}
	}
}

func checkRow(t *testing.T, row, state, what string, found []string) {
	t.Helper()
	switch state {
	case "tested", "part":
		names := strings.Split(what, " ")
		for _, n := range names {
			if !slices.Contains(found, n) {
				t.Errorf("%s names %s, which does not exist", row, n)
			}
		}
		for _, n := range found {
			if !slices.Contains(names, n) {
				t.Errorf("%s does not name its test %s", row, n)
			}
		}
	case "later":
		if what == "" {
			t.Errorf("%s: which capability will bring it?", row)
		}
		if len(found) > 0 {
			t.Errorf("%s is listed as later and has %v", row, found)
		}
	default:
		t.Errorf("%s: state %q is neither tested, part nor later", row, state)
	}
}

// TestNumbers prints the figures of the house's shape, so that drift is seen; it fails for none of them.
func TestNumbers(t *testing.T) {
	code, tests, largest, name := map[string]int{}, map[string]int{}, 0, ""
	goFiles(t, func(path, text string) {
		n := strings.Count(text, "\n")
		dir := filepath.Dir(path)
		if strings.HasSuffix(path, "_test.go") {
			tests[dir] += n
			return
		}
		code[dir] += n
		if n > largest {
			largest, name = n, path
		}
	})
	t.Logf("largest file: %s, %d lines", name, largest)
	all, allTests := 0, 0
	for dir, n := range code {
		all, allTests = all+n, allTests+tests[dir]
		t.Logf("%-28s %5d lines, %5d of tests", dir, n, tests[dir])
	}
	t.Logf("all: %d lines, %d of tests (%.2f)", all, allTests, float64(allTests)/float64(max(1, all)))
}
