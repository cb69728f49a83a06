package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// ownTargets are two targets with programs and services of the operator's own behind them. SCRIPT, MEMBERS, URL and SECRET are put in.
const ownTargets = `id: vpn
title: VPN
connector: command
owner: jonas
environment: production
data_class: internal
settings:
  grant: |
    SCRIPT
    grant
    MEMBERS
    --
    ${grant}
    ${account}
    ${end}
  revoke: |
    SCRIPT
    revoke
    MEMBERS
    --
    ${grant}
    ${account}
    ${end}
  check: |
    SCRIPT
    check
    MEMBERS
    --
    ${grant}
    ${account}
    ${end}
  env: OWN_SERVICE_PATH
  timeout_seconds: "50"
  revoke_leaves: An open tunnel stays until it is closed.
entitlements:
  - id: office
    title: Office network
    description: Reaches the office network.
    business_task: Working from elsewhere.
    review_date: 2036-01-01
    longest: 4h
    account: true
---
id: crm
title: CRM
connector: webhook
owner: jonas
environment: production
data_class: internal
settings:
  url: URL
  loopback_host: 127.0.0.1
  secret_file: SECRET
  timeout_seconds: "50"
entitlements:
  - id: support
    title: Support desk
    description: Reads and answers support cases.
    business_task: Answering support cases.
    review_date: 2036-01-01
    longest: 4h
    account: true
    params:
      team: [support, second-line]
`

// ownFolder is a configuration folder with both targets, read and compiled.
func ownFolder(t *testing.T, url string) ([]spec.Target, string) {
	t.Helper()
	dir := t.TempDir()
	members, secret := filepath.Join(dir, "members"), filepath.Join(dir, "crm.hook")
	script, err := filepath.Abs("../../runbooks/command/testdata/members.sh")
	if err != nil {
		t.Fatal(err)
	}
	org := filepath.Join(dir, "org")
	if err := writeDemoConfig(org, "22"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(members, 0o700); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"}
	text := strings.NewReplacer("SCRIPT", script, "MEMBERS", members, "URL", url, "SECRET", secret).Replace(ownTargets)
	vpn, crm, _ := strings.Cut(text, "---\n")
	files[filepath.Join(org, "targets", "vpn.yaml")], files[filepath.Join(org, "targets", "crm.yaml")] = vpn, crm
	for path, content := range files {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	folder, err := readFolder(org)
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := folder.Compile(func(key string) workflows.PersonID { return workflows.PersonID("p_" + key) })
	if err != nil {
		t.Fatal(err)
	}
	own := slices.DeleteFunc(compiled.Targets, func(x spec.Target) bool { return x.ID != "vpn" && x.ID != "crm" })
	if len(own) != 2 {
		t.Fatalf("%d targets", len(own))
	}
	return own, members
}

// TestOwnServices: a folder with a program and a service of the operator's own behind two targets; access is made on both and taken back.
func TestOwnServices(t *testing.T) {
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skipf("no shell for the example program: %v", err)
	}
	t.Setenv("OWN_SERVICE_PATH", "x")
	var mu sync.Mutex
	seats := map[string]bool{}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var o struct{ Op, Grant string }
		if err := json.NewDecoder(r.Body).Decode(&o); err != nil || !strings.HasPrefix(r.Header.Get("webhook-signature"), "v1,") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		switch o.Op {
		case "grant":
			seats[o.Grant] = true
		case "revoke":
			delete(seats, o.Grant)
		case "check":
			fmt.Fprintf(w, `{"presence":%q}`, map[bool]string{true: "present", false: "absent"}[seats[o.Grant]])
		}
	}))
	defer service.Close()
	targets, members := ownFolder(t, service.URL)
	conns, err := openConnectors(Config{}, nil, jobs.NewSystem(), targets)
	if err != nil {
		t.Fatal(err)
	}
	defer conns.Close()
	runner := runbooks.NewRunner(conns.byTarget, nil)
	now := time.Now().UTC()
	for target, place := range map[string]func() bool{
		"vpn": func() bool { _, err := os.Stat(filepath.Join(members, "g_1")); return err == nil },
		"crm": func() bool { mu.Lock(); defer mu.Unlock(); return seats["g_1"] },
	} {
		g := runbooks.Grant{
			ID: "g_1", Identity: "p_1", Account: "maya", Target: workflows.TargetID(target), Entitlement: "x", Start: now, End: now.Add(time.Hour),
			Params: map[string][]string{"team": {"support", "second-line"}},
		}
		if _, err := runner.Start(t.Context(), target, g); err != nil || !place() {
			t.Errorf("%s: %v, there %v", target, err, place())
		}
		if _, presence, err := runner.Stop(t.Context(), target, g); err != nil || presence != runbooks.Absent || place() {
			t.Errorf("%s: %s, %v, there %v", target, presence, err, place())
		}
		for _, f := range conns.byTarget[target].(runbooks.Prober).Probe(t.Context()) {
			if !f.OK {
				t.Errorf("%s: %+v", target, f)
			}
		}
	}
	if leaves := conns.byTarget["vpn"].Describe().RevokeLeaves; leaves != "An open tunnel stays until it is closed." {
		t.Errorf("the card would say %q", leaves)
	}
}

// TestOwnServicesSetWrong: a mistake is told with the target that holds it.
func TestOwnServicesSetWrong(t *testing.T) {
	targets, _ := ownFolder(t, "http://127.0.0.1:9/orders")
	if _, err := openConnectors(Config{}, nil, jobs.NewSystem(), targets); err == nil || err.Error() != `target "vpn": setting env: environment variable "OWN_SERVICE_PATH" is not set` {
		t.Errorf("%v", err)
	}
	crm := slices.IndexFunc(targets, func(x spec.Target) bool { return x.ID == "crm" })
	targets[crm].Settings["loopback_host"] = ""
	if _, err := openConnectors(Config{}, nil, jobs.NewSystem(), targets[crm:crm+1]); err == nil ||
		err.Error() != `target "crm": the url is not https (http is for this machine only, with loopback_host)` {
		t.Errorf("%v", err)
	}
}
