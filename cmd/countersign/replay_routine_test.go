package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/countersign-bot/countersign/store/ledger"
)

// routineForgeries are ledgers in which a routine was carried out against what its chain approved.
func routineForgeries() map[string]struct {
	says  string
	forge func(*forgery) int
} {
	type forged = struct {
		says  string
		forge func(*forgery) int
	}
	changed := func(field string, value any) func(*forgery) int {
		return func(f *forgery) int {
			i := f.first("run.opened", "run/", 0)
			f.leaves[i].Fields[field] = value
			return i
		}
	}
	return map[string]forged{
		"of a request that nobody approved": {"which had not been approved for it", func(f *forgery) int {
			i := f.first("run.opened", "run/", 0)
			f.leaves[i].Fields["request"] = "r_00000000000000000000000000"
			return f.first("request.approved", "request/", 0) // whose run is missing
		}},
		"never opened": {"an entry is missing", func(f *forgery) int {
			stream := f.leaves[f.first("run.opened", "run/", 0)].Stream
			kept := f.leaves[:0:0]
			for _, l := range f.leaves {
				if l.Stream != stream {
					kept = append(kept, l)
				}
			}
			f.leaves = kept
			return f.first("request.approved", "request/", 0)
		}},
		"carried out by somebody else": {"is carried out by somebody else", changed("executor", "p_00000000000000000000000000000000")},
		"with other answers":           {"with other answers than request", changed("fields", map[string]any{"host": "db2"})},
		"for longer":                   {"longer than the 2h that were approved", changed("ends_at", "2030-01-01T00:00:00.000000Z")},
		"of another text": {"carries out another text", func(f *forgery) int {
			changed("document", "sha256:"+strings.Repeat("0", 64))(f)
			return f.first("request.approved", "request/", 0) // its own run is missing
		}},
		"with a step left out": {"has other steps than its text", func(f *forgery) int {
			i := f.first("run.opened", "run/", 0)
			f.leaves[i].Fields["steps"] = people(f.leaves[i].Fields["steps"])[:1]
			return i
		}},
	}
}

// TestReq_R19_AForgedRoutineIsFound writes ledgers in which a routine runbook was carried out otherwise than its chain approved, signed with the
// right key: verify names what its documents do not allow.
func TestReq_R19_AForgedRoutineIsFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script(t, dir, "promote", "#!/bin/sh\nread order\ntouch "+dir+"/done\necho '{\"ref\":\"job 7\"}'\n")
	script(t, dir, "check", "#!/bin/sh\nread order\nif [ -f "+dir+"/done ]; then echo present; else echo absent; fi\n")
	d := demoAsJonas(t, map[string]string{
		"workflows/solo.yaml": soloChain, "workflows/routine.yaml": routineChain, "runbooks/retool.md": routineBook, "targets/tool.yaml": strings.ReplaceAll(toolTarget, "DIR", dir),
	})
	s, ctx := &story{demo: d}, t.Context()
	mustSay(t, s.command(ctx, "maya", "/access", "run retool host=db1 The quarter is over."))
	_, err := s.message(ctx, "access", "Maya Chen", "retool")
	mustSay(t, err)
	id := requestOfCard(ctx, t, d)
	s.mustCLI(t, "approve", id, "-yes")
	waitForStatus(ctx, t, d, id, "1  done")

	good := readForgery(t, filepath.Join(d.dir, "data"))
	vkey := good.key.VKey()
	if out, errs, code := runHere(t, nil, "ledger", "verify", good.clone(t).bundle(), "-vkey", vkey); code != exitDone {
		t.Fatalf("the ledger as it was: exit %d, %s%s", code, out, errs)
	}
	for name, c := range routineForgeries() {
		t.Run(name, func(t *testing.T) {
			f := good.clone(t)
			entry := c.forge(f)
			out, errs, code := runHere(t, nil, "ledger", "verify", f.bundle(), "-vkey", vkey)
			if code != exitLedger || !strings.Contains(out, c.says) || !strings.Contains(out, "is intact") {
				t.Errorf("exit %d, want %q in %s%s", code, c.says, out, errs)
			}
			if !strings.Contains(out, "First: Entry "+itoa(entry)+" ") {
				t.Errorf("the first wrong entry is %d (%s), verify says %s", entry, typeOf(f.leaves, entry), out)
			}
		})
	}
}

func typeOf(leaves []ledger.Leaf, i int) string {
	if i < 0 || i >= len(leaves) {
		return "none"
	}
	return leaves[i].Type
}
