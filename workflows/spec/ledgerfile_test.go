package spec_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/workflows/spec"
)

const wholeLedger = `publish:
  alarm_after: 6h
  quorum: 1
anchors:
  - id: hook
    kind: webhook
    url: https://hook.example.com/in
    secret_env: HOOK
  - id: vault
    kind: s3
    url: https://s3.example.com/audit/heads
    region: eu-central-1
    access_key_env: VAULT_ID
    secret_key_file: /run/secrets/vault
    required: true
  - id: w1
    kind: witness
    url: https://w.example.com
    vkey: w.example.com/w1+0a1b2c3d+BK5NDHl0vLIF1Eb9smLOJYfgpJ6vkcuZdlKIpWC7S6hM
  - id: w2
    kind: witness
    url: http://127.0.0.1:7000
    vkey: w.example.com/w2+0a1b2c3e+BK5NDHl0vLIF1Eb9smLOJYfgpJ6vkcuZdlKIpWC7S6hM
streams:
  - id: siem
    kind: syslog
    url: udp://siem.example.com:514
  - id: local
    kind: file
    path: /var/log/countersign/entries.jsonl
    max_mib: 10
    names: true
    from: now
  - id: traces
    kind: otlp
    url: http://localhost:4318/v1/logs
    header: api-key
    token_env: OTLP_TOKEN
    alarm_after: 1h
`

// TestLedgerFile reads a file with one of each kind: what is not written has its default, and countersign.yaml still counts.
func TestLedgerFile(t *testing.T) {
	t.Parallel()
	f := org(t)
	f["ledger.yaml"] = &fstest.MapFile{Data: []byte(wholeLedger), Mode: 0o644}
	folder, err := spec.Load(f, connectors())
	if err != nil {
		t.Fatal(err)
	}
	common := spec.Outlet{MiB: 100, MaxBytes: 8192, Facility: 13, Alarm: 900}
	with := func(change func(*spec.Outlet)) spec.Outlet { o := common; change(&o); return o }
	key := "+BK5NDHl0vLIF1Eb9smLOJYfgpJ6vkcuZdlKIpWC7S6hM"
	want := spec.Ledger{
		Publish: spec.Checkpoint{Schedule: "0 * * * *", Zone: "UTC", Channel: "#access-audit"},
		Quorum:  1, Alarm: 6 * 3600,
		Anchors: []spec.Outlet{
			with(func(o *spec.Outlet) {
				o.ID, o.Kind, o.URL, o.Secret = "hook", "webhook", "https://hook.example.com/in", spec.SecretPlace{Env: "HOOK"}
			}),
			with(func(o *spec.Outlet) {
				o.ID, o.Kind, o.URL, o.Region, o.Required = "vault", "s3", "https://s3.example.com/audit/heads", "eu-central-1", true
				o.AccessKey, o.SecretKey = spec.SecretPlace{Env: "VAULT_ID"}, spec.SecretPlace{File: "/run/secrets/vault"}
			}),
			with(func(o *spec.Outlet) {
				o.ID, o.Kind, o.URL, o.VKey = "w1", "witness", "https://w.example.com", "w.example.com/w1+0a1b2c3d"+key
			}),
			with(func(o *spec.Outlet) {
				o.ID, o.Kind, o.URL, o.VKey = "w2", "witness", "http://127.0.0.1:7000", "w.example.com/w2+0a1b2c3e"+key
			}),
			{ID: "slack", Kind: "slack", Channel: "#access-audit"},
		},
		Streams: []spec.Outlet{
			with(func(o *spec.Outlet) {
				o.ID, o.Kind, o.URL, o.MaxBytes = "siem", "syslog", "udp://siem.example.com:514", 2048
			}),
			with(func(o *spec.Outlet) {
				o.ID, o.Kind, o.Path, o.MiB, o.Names, o.FromNow = "local", "file", "/var/log/countersign/entries.jsonl", 10, true, true
			}),
			with(func(o *spec.Outlet) {
				o.ID, o.Kind, o.URL, o.Header, o.Alarm = "traces", "otlp", "http://localhost:4318/v1/logs", "api-key", 3600
				o.Token = spec.SecretPlace{Env: "OTLP_TOKEN"}
			}),
		},
	}
	if diff := cmp.Diff(want, folder.Ledger()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestLedgerFileChangesNoPolicy holds that where evidence goes is no part of what was decided under.
func TestLedgerFileChangesNoPolicy(t *testing.T) {
	t.Parallel()
	f := org(t)
	f["ledger.yaml"] = &fstest.MapFile{Data: []byte(wholeLedger), Mode: 0o644}
	if diff := cmp.Diff(hashes(compiled(t, org(t))), hashes(compiled(t, f))); diff != "" {
		t.Errorf("policies without and with ledger.yaml:\n%s", diff)
	}
}

// TestLedgerFileRefuses runs the broken ones.
func TestLedgerFileRefuses(t *testing.T) {
	if n := fixtures(t, "ledger-*"); n < 3 {
		t.Errorf("%d broken files", n)
	}
	if !strings.Contains(spec.Reference(), "ledger.yaml") {
		t.Error("the reference does not know the file")
	}
}
