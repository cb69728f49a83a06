module github.com/countersign-bot/countersign

go 1.26.0

require (
	cel.dev/cel-go v0.33.2 // conditions in workflow files: CEL, type-checked at load, with a cost limit
	filippo.io/age v1.3.2 // secrets sealed to their receiver's own age or SSH key
	github.com/arran4/golang-ical v0.3.4 // calendars: rotations, holidays and absences out of iCalendar files
	github.com/aws/aws-sdk-go-v2 v1.47.7 // Signature Version 4, for S3-shaped stores and for the connectors to AWS; only its signer
	github.com/chromedp/cdproto v0.159.0 // tests: the words that chromedp sends to the browser
	github.com/chromedp/chromedp v0.23.0 // tests: drives the demo in a real browser
	github.com/emersion/go-sasl v0.0.0-20241020182733-b788ff22d5a6 // tests: how the relay below proves who sends; comes with go-smtp
	github.com/emersion/go-smtp v0.25.1 // tests: a relay for the e-mail of escalations, with STARTTLS and a password
	github.com/go-asn1-ber/asn1-ber v1.5.8 // ldap: the values of its extended operations; comes with go-ldap
	github.com/go-jose/go-jose/v4 v4.1.8 // API: tokens of workloads, their keys and algorithms
	github.com/go-ldap/ldap/v3 v3.4.15 // ldap: the protocol of directories
	github.com/go-pdf/fpdf v0.9.0 // post-incident reports as PDF; small, without cgo
	github.com/goccy/go-yaml v1.19.2 // configuration files: strict, with line numbers and excerpts
	github.com/google/go-cmp v0.7.0 // tests: readable differences
	github.com/gorilla/websocket v1.5.3 // Socket Mode: the overlapping transport, and the simulator it is tested on
	github.com/gowebpki/jcs v1.0.2 // tests: an independent RFC 8785 to hold our canonical JSON to
	github.com/jackc/pgx/v5 v5.12.0 // PostgreSQL: as the ledger's database and as a target
	github.com/kelseyhightower/envconfig v1.4.0 // settings from the environment
	github.com/modelcontextprotocol/go-sdk v1.8.0 // API: the MCP server for agents, by the official SDK
	github.com/pressly/goose/v3 v3.28.0 // schema migrations for both databases, with a lock for replicas
	github.com/prometheus/client_golang v1.25.0 // /metrics
	github.com/rickar/cal/v2 v2.1.26 // calendars: public holidays by country
	github.com/robfig/cron/v3 v3.0.1 // the grammar of recurring schedules; only its parser and Next
	github.com/rogpeppe/go-internal v1.16.0 // tests: scripts for every subcommand
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.3 // tests: Slack's schemas against what we draw and what the simulator answers
	github.com/slack-go/slack v0.35.0 // Slack: block types and Web API client
	github.com/transparency-dev/formats v0.1.1 // checkpoints: C2SP cosignatures of witnesses
	github.com/yuin/goldmark v1.8.7 // runbooks: finds the steps in a Markdown document
	go.opentelemetry.io/proto/otlp v1.11.1 // streams: OpenTelemetry log records, as the protocol defines them
	golang.org/x/crypto v0.58.0 // SSH certificates, keys, and the demo's SSH server
	golang.org/x/image v0.47.0 // post-incident reports: the Go fonts, which have Latin, Greek and Cyrillic letters
	golang.org/x/mod v0.42.0 // signed notes and transparency log proofs, as the Go checksum database uses them
	google.golang.org/protobuf v1.36.12 // streams: the wire form of OpenTelemetry records
	modernc.org/libc v1.77.1 // what the database is translated with: its version belongs to that of modernc.org/sqlite
	modernc.org/sqlite v1.60.1 // the ledger's default database, without cgo
	pgregory.net/rapid v1.3.0 // tests: properties
)

require (
	github.com/coreos/go-oidc/v3 v3.21.0 // pages: logins at the company's identity provider, verified
	golang.org/x/net v0.60.0 // tests: what a browser makes of the pages
	golang.org/x/oauth2 v0.37.0 // pages: the code flow with PKCE that go-oidc builds on
)

require (
	cel.dev/expr v0.25.2 // indirect
	filippo.io/edwards25519 v1.2.0 // indirect
	filippo.io/hpke v0.4.0 // indirect
	filippo.io/mldsa v0.0.0-20260215214346-43d0283efc3e // indirect
	github.com/Azure/go-ntlmssp v0.1.1 // indirect
	github.com/BurntSushi/toml v1.4.1-0.20240526193622-a339e1f7089c // indirect
	github.com/antlr4-go/antlr/v4 v4.13.1 // indirect
	github.com/aws/smithy-go v1.28.8 // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/dustin/go-humanize v1.0.1 // indirect
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/google/jsonschema-go v0.4.3 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	github.com/mattn/go-isatty v0.0.24 // indirect
	github.com/mfridman/interpolate v0.0.2 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/ncruces/go-strftime v1.0.0 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	github.com/segmentio/asm v1.2.1 // indirect
	github.com/segmentio/encoding v0.5.4 // indirect
	github.com/sethvargo/go-retry v0.4.0 // indirect
	github.com/yosida95/uritemplate/v3 v3.0.2 // indirect
	go.uber.org/multierr v1.11.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/exp v0.0.0-20260908205506-85c1c2202aba // indirect
	golang.org/x/exp/typeparams v0.0.0-20231108232855-2478ac86f678 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	golang.org/x/time v0.15.0 // indirect
	golang.org/x/tools v0.51.0 // indirect
	google.golang.org/genproto/googleapis/api v0.0.0-20260928230214-8a89bd6388cc // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260928230214-8a89bd6388cc // indirect
	honnef.co/go/tools v0.8.2 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.12.1 // indirect
	mvdan.cc/gofumpt v0.12.0 // indirect
)

// staticcheck finds bugs, gofumpt keeps one formatting; both run in .ci/run.
tool (
	honnef.co/go/tools/cmd/staticcheck
	mvdan.cc/gofumpt
)
