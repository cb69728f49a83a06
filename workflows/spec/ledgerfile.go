package spec

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// Ledger is ledger.yaml: how the ledger leaves the host that writes it. It is no part of any policy: where evidence goes decides nothing.
type Ledger struct {
	Publish Checkpoint     // when a head is given out; its channel stands among the anchors
	Quorum  int            // witnesses that must have signed a published head
	Alarm   workflows.Span // how long an anchor or the quorum may be missing
	Anchors []Outlet
	Streams []Outlet
}

// Outlet is one place that a file names. Fields that its kind has no use for are empty.
type Outlet struct {
	ID   string
	Kind string // of an anchor: slack, webhook, s3, witness; of a stream: syslog, file, webhook, s3, otlp

	Channel string // slack
	URL     string
	Region  string // s3
	CAFile  string // certificates to trust instead of the system's
	Header  string // otlp: the header that carries the token; empty: Authorization, as a bearer token

	Secret    SecretPlace // webhook: shared, for signatures
	Token     SecretPlace // otlp
	AccessKey SecretPlace // s3
	SecretKey SecretPlace // s3

	VKey     string // witness: its public key
	Required bool   // of an anchor: without its answer the bot does not decide

	Path     string // file
	MiB      int    // file: a new one is begun at this size
	Keep     int    // file: finished ones that stay; 0: all
	MaxBytes int    // syslog: of one message; longer ones go without the entry
	Facility int    // syslog
	FromNow  bool   // a new stream begins with the next entry, not the first
	Names    bool   // names and sealed texts go out, too
	Alarm    workflows.Span
}

// SecretPlace says where a secret lies: the name of an environment variable or of a file; at most one is set.
type SecretPlace struct{ Env, File string }

// IsZero tells whether no place is named.
func (p SecretPlace) IsZero() bool { return p == SecretPlace{} }

const (
	ledgerFile = "ledger.yaml"

	maxOutlets      = 20 // of one sort; each stream is read and sent by itself
	maxQuorum       = maxOutlets
	maxFileMiB      = 10_000
	maxFilesKept    = 10_000
	maxSyslogBytes  = 65_000 // a datagram holds no more
	minSyslogBytes  = 480    // RFC 5424, 6.1: every receiver takes that
	maxAlarmAfter   = workflows.Span(7 * day)
	defaultFileMiB  = 100
	defaultSyslog   = 8192 // what rsyslog takes unless told otherwise
	defaultDatagram = 2048 // RFC 5426, 3.2: receivers should take that; larger ones are broken into fragments on the way
	defaultFacility = 13   // log audit
	defaultAlarm    = workflows.Span(3 * 3600)
	defaultLagAlarm = workflows.Span(15 * 60)
)

// Anchors and streams by kind, with the keys that each needs and may have beside those of all.
type outletKind struct {
	name string
	need []string
	may  []string
}

func anchorKinds() []outletKind {
	return []outletKind{
		{"slack", []string{"channel"}, nil},
		{"webhook", []string{"url", "secret"}, []string{"ca_file"}},
		{"s3", []string{"url", "region", "access_key", "secret_key"}, []string{"ca_file"}},
		{"witness", []string{"url", "vkey"}, []string{"ca_file"}},
	}
}

func streamKinds() []outletKind {
	return []outletKind{
		{"syslog", []string{"url"}, []string{"ca_file", "max_bytes", "facility"}},
		{"file", []string{"path"}, []string{"max_mib", "keep"}},
		{"webhook", []string{"url", "secret"}, []string{"ca_file"}},
		{"s3", []string{"url", "region", "access_key", "secret_key"}, []string{"ca_file"}},
		{"otlp", []string{"url"}, []string{"token", "header", "ca_file"}},
	}
}

// keys are what the kind takes, secrets spelled as they stand in the file.
func (k outletKind) keys(common ...string) []string {
	out := slices.Clone(common)
	for _, n := range slices.Concat(k.need, k.may) {
		if isSecretKey(n) {
			out = append(out, n+"_env", n+"_file")
		} else {
			out = append(out, n)
		}
	}
	return out
}

func isSecretKey(name string) bool {
	return name == "secret" || name == "token" || name == "access_key" || name == "secret_key"
}

func kindNames(list []outletKind) (out []string) {
	for _, k := range list {
		out = append(out, k.name)
	}
	return out
}

func ledgerShape() shape {
	secrets := func(what string, names ...string) (out []key) {
		for _, n := range names {
			out = append(out,
				key{n + "_env", false, envName(), "Name of the environment variable with " + what + " (" + n + ")."},
				key{n + "_file", false, fileName(), "Or name of the file with it."})
		}
		return out
	}
	keys := secrets("what the store's requests are signed with", "access_key", "secret_key")
	return object(
		key{"publish", false, object(
			key{"schedule", false, schedule(), "When the signed head is given out if it grew, as a cron expression. Default every full hour."},
			key{"zone", false, zone(), "Time zone of the schedule. Default UTC."},
			key{"quorum", false, number(1, maxQuorum), "How many witnesses must have signed a published head. Default all that are named."},
			key{"alarm_after", false, span(maxAlarmAfter), "How long an anchor or the quorum may be missing before the security channel is told. Default 3h."},
		), "When the signed head leaves, and what must come back."},
		key{"anchors", false, listOf(maxOutlets, object(append([]key{
			{"id", true, ident(), "Id of the anchor, in status and alarms."},
			{"kind", true, oneOf(kindNames(anchorKinds())...), "slack, webhook (Standard Webhooks), s3 (any store of that shape) or witness (C2SP tlog-witness)."},
			{"channel", false, channel(), "slack: the channel."},
			{"url", false, address("https"), "webhook: where to post. s3: bucket and prefix, https://host/bucket/prefix. witness: its submission prefix."},
			{"region", false, ident(), "s3: the region that requests are signed for."},
			{"vkey", false, witnessKey(), "witness: its public key."},
			{"ca_file", false, fileName(), "Certificates that are trusted there instead of the system's."},
			{"required", false, flag(), "true: without its answer at the start nothing is decided. Default false: an alarm."},
		}, append(keys, secrets("the secret shared with the receiver", "secret")...)...)...)), "Who remembers the head outside of this host. A start asks them whether the ledger was rolled back."},
		key{"streams", false, listOf(maxOutlets, object(append([]key{
			{"id", true, ident(), "Id of the stream; its place is kept under it."},
			{"kind", true, oneOf(kindNames(streamKinds())...), "syslog (RFC 5424), file (JSONL), webhook (Standard Webhooks), s3 or otlp (OpenTelemetry logs)."},
			{"url", false, address("https", "udp", "tcp", "tls", "unixgram"), "syslog: udp://host:514, tcp://host:514, tls://host:6514 or unixgram:///dev/log. Others: https://…"},
			{"path", false, fileName(), "file: the file that is appended to."},
			{"max_mib", false, number(1, maxFileMiB), "file: size at which a new one is begun. Default 100."},
			{"keep", false, number(0, maxFilesKept), "file: how many finished ones stay. Default 0: all."},
			{"max_bytes", false, number(minSyslogBytes, maxSyslogBytes), "syslog: longest message; a longer one goes with the entry's hash instead of the entry. Default 8192, over udp 2048."},
			{"facility", false, number(0, 23), "syslog: facility. Default 13, log audit."},
			{"region", false, ident(), "s3: the region that requests are signed for."},
			{"header", false, matching("the name of a header", `[A-Za-z][A-Za-z0-9-]{0,63}`, ""), "otlp: header that carries the token as it is. Default Authorization, as a bearer token."},
			{"ca_file", false, fileName(), "Certificates that are trusted there instead of the system's."},
			{"names", false, flag(), "true: names and sealed texts go out, too, which is recorded. Default false: pseudonyms."},
			{"from", false, oneOf("start", "now"), "Where a new stream begins: the first entry, or the next one. Default start."},
			{"alarm_after", false, span(maxAlarmAfter), "How far it may lag before the security channel is told. Default 15m."},
		}, slices.Concat(secrets("what the store's requests are signed with", "access_key", "secret_key"), secrets("the secret shared with the receiver", "secret"), secrets("the token", "token"))...)...)), "Where every entry is sent, at least once and in order."},
	)
}

func envName() shape {
	return text("the name of an environment variable", func(s string) (string, string) {
		switch {
		case !isEnvName(s):
			return fmt.Sprintf("want the name of an environment variable, got %q", s), "such as SIEM_SECRET"
		case strings.HasPrefix(s, "COUNTERSIGN_"):
			return fmt.Sprintf("%s begins with COUNTERSIGN_, which only settings do", s), "such as SIEM_SECRET"
		}
		return "", ""
	})
}

func fileName() shape {
	return text("the name of a file", func(s string) (string, string) {
		if s == "" || len(s) > 255 || s[0] != '/' || strings.Contains(s, "\n") {
			return fmt.Sprintf("want the whole name of a file, got %q", s), "such as /run/secrets/siem"
		}
		return "", ""
	})
}

func witnessKey() shape {
	return matching("a witness's public key", `[^+\s]{1,200}\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44,900}`, "name+hash+base64, as `countersign witness key` prints it")
}

// address is an URL of one of these schemes; plain http only to this machine, as for a collector that runs beside the bot.
func address(schemes ...string) shape {
	return text("an address such as https://siem.example.com/in", func(s string) (string, string) {
		u, err := url.Parse(s)
		switch {
		case err != nil || len(s) > 500:
			return fmt.Sprintf("bad address %q", s), "scheme, host and path, such as https://siem.example.com/in"
		case u.Scheme == "http" && !isLoopback(u.Hostname()):
			return fmt.Sprintf("%q is not encrypted", s), "https://, or http:// to this machine"
		case u.Scheme != "http" && !slices.Contains(schemes, u.Scheme):
			return fmt.Sprintf("want %s://, got %q", strings.Join(schemes, "://, "), s), ""
		case u.Scheme == "unixgram" && (u.Host != "" || u.Path == ""):
			return fmt.Sprintf("bad address %q", s), "unixgram:///dev/log"
		case u.Scheme != "unixgram" && u.Hostname() == "":
			return fmt.Sprintf("%q names no host", s), "scheme, host and path, such as https://siem.example.com/in"
		case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
			return fmt.Sprintf("%q has more than scheme, host and path", s), "leave out the user, and what follows ? or #"
		}
		return "", ""
	})
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// checkLedger finds what the shape cannot: keys that do not belong to a kind, twins, a channel in two files.
func (c *checker) checkLedger() {
	l := c.f.ledger
	c.checkOutlets("anchor", l.list("anchors"), anchorKinds(), "id", "kind", "required")
	c.checkOutlets("stream", l.list("streams"), streamKinds(), "id", "kind", "names", "from", "alarm_after")
	cp := c.f.company.get("checkpoint")
	if pub := l.get("publish"); pub.has("schedule") && cp.has("schedule") || pub.has("zone") && cp.has("zone") {
		c.at(pub, "let it stand in one of the two files", "publish: countersign.yaml has a schedule under checkpoint, too")
	}
	witnesses := 0
	for _, a := range l.list("anchors") {
		switch a.str("kind") {
		case "slack":
			if cp.has("channel") {
				c.at(a, "let it stand in one of the two files", "%s: countersign.yaml names a channel under checkpoint, too", a.path)
			}
		case "witness":
			witnesses++
		}
	}
	if q := l.get("publish").num("quorum", 0); q > witnesses {
		c.at(l.get("publish").or("quorum"), "name more witnesses, or ask fewer to sign", "publish.quorum: %d of %d witnesses can never sign", q, witnesses)
	}
}

func (c *checker) checkOutlets(what string, list []*value, kinds []outletKind, common ...string) {
	seen := map[string]*value{}
	slackSeen := false
	for _, o := range list {
		claim(c, seen, what, o.str("id"), o.or("id"), o, func(v *value) *value { return v.or("id") })
		i := slices.IndexFunc(kinds, func(k outletKind) bool { return k.name == o.str("kind") })
		if i < 0 {
			continue // refused by its shape, or missing: told already
		}
		if o.str("kind") == "slack" {
			if slackSeen {
				c.at(o, "leave one of them out", "%s: one channel is enough", o.path)
			}
			slackSeen = true
		}
		c.checkOutlet(o, kinds[i], common)
	}
}

func (c *checker) checkOutlet(o *value, k outletKind, common []string) {
	known := k.keys(common...)
	for _, e := range o.entries {
		if !slices.Contains(known, e.key) && !e.value.bad {
			c.at(e.value, "kind "+k.name+" has "+strings.Join(known, ", "), "%s: kind %s has no %s", o.path, k.name, e.key)
		}
	}
	for _, n := range slices.Concat(k.need, k.may) {
		env, file := o.has(n+"_env"), o.has(n+"_file")
		switch need := slices.Contains(k.need, n); {
		case isSecretKey(n) && env && file:
			c.at(o.or(n+"_file"), "one place is enough", "%s: %s_env and %s_file are both named", o.path, n, n)
		case isSecretKey(n) && need && !env && !file:
			c.at(o, "name where the secret lies, never the secret itself", "%s: %s_env or %s_file is missing", o.path, n, n)
		case !isSecretKey(n) && need && !o.has(n):
			c.at(o, "", "%s: kind %s needs %s", o.path, k.name, n)
		}
	}
	c.checkAddress(o, k.name)
}

// checkAddress holds the scheme against the kind.
func (c *checker) checkAddress(o *value, kind string) {
	u, err := url.Parse(o.str("url"))
	if o.get("url") == nil || err != nil {
		return
	}
	switch wire := u.Scheme == "udp" || u.Scheme == "tcp" || u.Scheme == "tls" || u.Scheme == "unixgram"; {
	case kind == "syslog" && !wire:
		c.at(o.get("url"), "udp://, tcp://, tls:// or unixgram://", "%s.url: syslog does not go over %s", o.path, u.Scheme)
	case kind != "syslog" && wire:
		c.at(o.get("url"), "https://", "%s.url: kind %s does not go over %s", o.path, kind, u.Scheme)
	case wire && u.Scheme != "unixgram" && u.Port() == "":
		c.at(o.get("url"), "udp://host:514, tls://host:6514", "%s.url: %q names no port", o.path, o.str("url"))
	case kind == "s3" && strings.Trim(u.Path, "/") == "":
		c.at(o.get("url"), "https://host/bucket/prefix", "%s.url: %q names no bucket", o.path, o.str("url"))
	}
}

// Ledger gives what ledger.yaml says, with what countersign.yaml says of checkpoints; without the file nothing leaves but to the channel
// named there.
func (f *Folder) Ledger() Ledger {
	pub, cp := f.ledger.get("publish"), f.company.get("checkpoint")
	out := Ledger{
		Publish: Checkpoint{
			Schedule: orElse(pub.str("schedule"), orElse(cp.str("schedule"), defaultSchedule)),
			Zone:     orElse(pub.str("zone"), orElse(cp.str("zone"), defaultZone)),
			Channel:  cp.str("channel"),
		},
		Alarm: pub.span("alarm_after", defaultAlarm),
	}
	for _, v := range f.ledger.list("anchors") {
		o := outletOf(v)
		if o.Kind == "witness" {
			out.Quorum++
		}
		if o.Kind == "slack" {
			out.Publish.Channel = o.Channel
		}
		out.Anchors = append(out.Anchors, o)
	}
	if ch := cp.str("channel"); ch != "" {
		out.Anchors = append(out.Anchors, Outlet{ID: "slack", Kind: "slack", Channel: ch})
	}
	out.Quorum = pub.num("quorum", out.Quorum)
	for _, v := range f.ledger.list("streams") {
		out.Streams = append(out.Streams, outletOf(v))
	}
	return out
}

func outletOf(v *value) Outlet {
	place := func(name string) SecretPlace {
		return SecretPlace{Env: v.str(name + "_env"), File: v.str(name + "_file")}
	}
	longest := defaultSyslog
	if strings.HasPrefix(v.str("url"), "udp:") {
		longest = defaultDatagram
	}
	return Outlet{
		ID: v.str("id"), Kind: v.str("kind"), Channel: v.str("channel"), URL: v.str("url"), Region: v.str("region"), CAFile: v.str("ca_file"),
		Header: v.str("header"), Secret: place("secret"), Token: place("token"), AccessKey: place("access_key"), SecretKey: place("secret_key"),
		VKey: v.str("vkey"), Required: v.flag("required"), Path: v.str("path"), MiB: v.num("max_mib", defaultFileMiB), Keep: v.num("keep", 0),
		MaxBytes: v.num("max_bytes", longest), Facility: v.num("facility", defaultFacility), FromNow: v.str("from") == "now", Names: v.flag("names"),
		Alarm: v.span("alarm_after", defaultLagAlarm),
	}
}
