package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/runbooks/awsiam"
	"github.com/countersign-bot/countersign/runbooks/awssso"
	"github.com/countersign-bot/countersign/runbooks/etcd"
	"github.com/countersign-bot/countersign/runbooks/github"
	"github.com/countersign-bot/countersign/runbooks/kubernetes"
	"github.com/countersign-bot/countersign/runbooks/ldap"
	"github.com/countersign-bot/countersign/runbooks/okta"
	"github.com/countersign-bot/countersign/runbooks/postgres"
	"github.com/countersign-bot/countersign/runbooks/redis"
	"github.com/countersign-bot/countersign/runbooks/sshca"
	"github.com/countersign-bot/countersign/runbooks/vault"
	"github.com/countersign-bot/countersign/runbooks/x509"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/spec"
)

// examples are the target files that a connector's page shows.
func examples(t *testing.T, room string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "runbooks", room, "doc.go"))
	mustSay(t, err)
	var out []string
	text := ""
	for line := range strings.Lines(string(raw)) {
		switch code, ok := strings.CutPrefix(line, "//\t"); {
		case ok:
			text += code
		case strings.TrimSpace(line) == "//" && text != "":
			text += "\n"
		default:
			if strings.HasPrefix(text, "id: ") {
				out = append(out, strings.Split(text, "\n\nid: ")...)
			}
			text = ""
		}
	}
	for i := range out {
		if out[i] = strings.TrimSpace(out[i]) + "\n"; i > 0 && !strings.HasPrefix(out[i], "id: ") {
			out[i] = "id: " + out[i]
		}
	}
	return out
}

// TestReq_R74_ExamplesOfPages: the targets that the pages of the connectors to services on the web show are accepted as they stand, and their
// secrets come from files: all that keeps them from being opened here is that these are not there. A secret in the file itself is refused.
func TestReq_R74_ExamplesOfPages(t *testing.T) {
	t.Parallel()
	for room, want := range map[string]int{"github": 1, "okta": 1, "awsiam": 1, "awssso": 1, "vault": 1, "etcd": 1, "tasks": 5} {
		files := examples(t, room)
		if len(files) != want {
			t.Errorf("the page of %s shows %d targets, want %d", room, len(files), want)
		}
		for _, file := range files {
			checkExample(t, room, file)
		}
	}
}

func checkExample(t *testing.T, room, file string) {
	t.Helper()
	dir := t.TempDir()
	mustSay(t, writeDemoConfig(dir, "22"))
	id, _, _ := strings.Cut(strings.TrimPrefix(file, "id: "), "\n")
	for _, line := range []string{"title: X\n", "owner: jonas\n", "environment: production\n", "data_class: internal\n"} {
		if key, _, _ := strings.Cut(line, ":"); !strings.Contains(file, "\n"+key+":") { // an example that shows only what is its own
			file = strings.Replace(file, "\n", "\n"+line, 1)
		}
	}
	mustSay(t, os.WriteFile(filepath.Join(dir, "targets", id+".yaml"), []byte(file), 0o600))
	folder, err := readFolder(dir)
	if err != nil {
		t.Errorf("%s: the example of the page is refused: %v", room, err)
		return
	}
	compiled, err := folder.Compile(func(key string) workflows.PersonID { return workflows.PersonID("p_" + key) })
	mustSay(t, err)
	for _, target := range compiled.Targets {
		if string(target.ID) != id {
			continue
		}
		_, err := openConnectors(Config{Data: t.TempDir()}, nil, jobs.NewSystem(), []spec.Target{target})
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: opening the example of the page: %v, want only that its secrets are not there", room, err)
		}
		target.Settings["token"] = "a-secret-in-the-file"
		if _, err := openConnectors(Config{Data: t.TempDir()}, nil, jobs.NewSystem(), []spec.Target{target}); err == nil ||
			!strings.Contains(err.Error(), `setting "token" is not one of`) || strings.Contains(err.Error(), "a-secret") {
			t.Errorf("%s: a secret in the file itself: %v", room, err)
		}
		return
	}
	t.Errorf("%s: there is no target %q", room, id)
}

// R63: connectors of all three classes are built in, and each reads a grant back and lists what is there, so that drift is found: services,
// clouds and clusters, and what pipelines prove themselves with and reach.
func TestReq_R63_EveryClassShipsWithCheckAndDrift(t *testing.T) {
	t.Parallel()
	kinds := connectorKinds()
	for class, list := range map[string]map[string]runbooks.Connector{
		"services": {"github": (*github.Connector)(nil), "okta": (*okta.Connector)(nil)},
		"clouds":   {"etcd": (*etcd.Connector)(nil), "awsiam": (*awsiam.Connector)(nil), "awssso": (*awssso.Connector)(nil), "kubernetes": (*kubernetes.Connector)(nil)},
		"pipelines and hosts": {
			"vault": (*vault.Leases)(nil), "sshca": (*sshca.Connector)(nil), "x509": (*x509.Target)(nil), "postgres": (*postgres.Connector)(nil),
			"redis": (*redis.Connector)(nil), "ldap": (*ldap.Connector)(nil),
		},
	} {
		for name, con := range list {
			if _, shipped := kinds[name]; !shipped {
				t.Errorf("%s: %s is not built in", class, name)
			}
			if _, lists := con.(runbooks.Lister); !lists {
				t.Errorf("%s: %s does not list access, so drift is not found there", class, name)
			}
		}
	}
}
