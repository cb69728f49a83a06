package streams_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/store/streams"
)

// parsed is one RFC 5424 message taken apart by the letter of its grammar (section 6).
type parsed struct {
	pri                                      int
	stamp, host, app, proc, msgid, sdID, msg string
	params                                   map[string]string
}

var headerGrammar = regexp.MustCompile(`^<(0|[1-9][0-9]{0,2})>1 (\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2})) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) `)

// parseMessage reads a message strictly.
func parseMessage(b []byte) (parsed, error) {
	var p parsed
	m := headerGrammar.FindSubmatch(b)
	if m == nil {
		return p, fmt.Errorf("the header is not of the grammar: %.80q", b)
	}
	p.pri, _ = strconv.Atoi(string(m[1]))
	p.stamp, p.host, p.app, p.proc, p.msgid = string(m[2]), string(m[3]), string(m[4]), string(m[5]), string(m[6])
	if _, err := time.Parse(time.RFC3339Nano, p.stamp); err != nil || p.pri > 191 {
		return p, fmt.Errorf("priority %d, time %q: %v", p.pri, p.stamp, err)
	}
	rest, err := p.structured(b[len(m[0]):])
	if err != nil {
		return p, err
	}
	if len(rest) > 0 {
		msg, ok := strings.CutPrefix(string(rest), " \xEF\xBB\xBF")
		if !ok || !utf8.ValidString(msg) {
			return p, fmt.Errorf("the message is not marked as UTF-8: %.40q", rest)
		}
		p.msg = msg
	}
	return p, nil
}

// structured reads one SD-ELEMENT.
func (p *parsed) structured(b []byte) ([]byte, error) {
	end := slices.IndexFunc(b, func(c byte) bool { return c == ' ' || c == ']' })
	if len(b) == 0 || b[0] != '[' || end < 2 || end > 33 {
		return nil, fmt.Errorf("no structured data: %.40q", b)
	}
	p.sdID, p.params = string(b[1:end]), map[string]string{}
	for b = b[end:]; ; {
		if b[0] == ']' {
			return b[1:], nil
		}
		name, after, ok := strings.Cut(string(b[1:]), `="`)
		if !ok || b[0] != ' ' || !regexp.MustCompile(`^[!#-<>-\\^-~]{1,32}$`).MatchString(name) {
			return nil, fmt.Errorf("a parameter is not of the grammar: %.40q", b)
		}
		value, n, err := paramValue(after)
		if err != nil {
			return nil, err
		}
		if _, twice := p.params[name]; twice {
			return nil, fmt.Errorf("parameter %s twice", name)
		}
		p.params[name] = value
		b = []byte(after[n:])
		if len(b) == 0 {
			return nil, errors.New("the structured data has no end")
		}
	}
}

// paramValue reads up to the closing quote.
func paramValue(s string) (string, int, error) {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return out.String(), i + 1, nil
		case c == ']':
			return "", 0, errors.New("a bracket that is not escaped")
		case c == '\\' && i+1 < len(s) && strings.IndexByte(`"\]`, s[i+1]) >= 0:
			i++
			out.WriteByte(s[i])
		default:
			out.WriteByte(c)
		}
	}
	return "", 0, errors.New("a value has no end")
}

// TestSyslogGrammar holds every message to the grammar, whatever stands in the entry.
func TestSyslogGrammar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		leaf, err := ledger.Encode(ledger.Leaf{
			V: 1, Type: "x.happened", ID: "e_1", Stream: "system", Seq: 1, Time: 1_700_000_000_123_456, Mono: 1,
			Fields: map[string]any{"text": rapid.String().Draw(t, "text")},
		})
		if err != nil {
			t.Skip(err)
		}
		r, err := streams.NewRecord(origin, "siem", 3, 9, leaf)
		if err != nil {
			t.Fatal(err)
		}
		r.Type = rapid.SampledFrom([]string{"x.happened", "alarm.raised"}).Draw(t, "type")
		r.Sentence = rapid.String().Draw(t, "sentence")
		s := streams.Syslog{Facility: rapid.IntRange(0, 23).Draw(t, "facility"), MaxBytes: rapid.IntRange(480, 4000).Draw(t, "most")}
		m := s.Message(r)
		if len(m) > s.MaxBytes {
			t.Fatalf("%d bytes, at most %d are allowed", len(m), s.MaxBytes)
		}
		p, err := parseMessage(m)
		if err != nil {
			t.Fatalf("%v in %q", err, m)
		}
		if p.pri/8 != s.Facility || p.params["index"] != "3" || p.params["previous"] != "2" || p.params["size"] != "9" || p.params["leafHash"] != r.LeafHash || p.sdID != "entry@32473" {
			t.Fatalf("%+v", p)
		}
		if (p.pri%8 == 4) != (r.Type == "alarm.raised") {
			t.Fatalf("%s has severity %d", r.Type, p.pri%8)
		}
		if got, ok := p.params["leaf"]; ok && !strings.ContainsAny(string(leaf), "\u007f\ufffd") {
			var a, b any
			if json.Unmarshal([]byte(got), &a) != nil || json.Unmarshal(leaf, &b) != nil {
				t.Fatalf("the leaf is no JSON: %q", got)
			}
		} else if !ok && p.params["leafBytes"] != strconv.Itoa(len(leaf)) {
			t.Fatalf("neither the leaf nor its length: %+v", p.params)
		}
	})
}

// receiver is a syslog server that keeps what it could parse, and fails the test at the rest.
type receiver struct {
	t     *testing.T
	mu    sync.Mutex
	got   []int64
	cuts  []int // the first connections are closed behind so many messages
	conns int
}

func (r *receiver) take(b []byte) {
	p, err := parseMessage(b)
	if err != nil {
		r.t.Errorf("%v in %.300q", err, b)
		return
	}
	n, err := strconv.ParseInt(p.params["index"], 10, 64)
	if err != nil {
		r.t.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, n)
}

func (r *receiver) all() []int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// serve reads octet counted frames (RFC 6587, 3.4.1).
func (r *receiver) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		cut := 0
		if r.conns < len(r.cuts) {
			cut = r.cuts[r.conns]
		}
		r.conns++
		r.mu.Unlock()
		go r.frames(c, cut)
	}
}

func (r *receiver) frames(c net.Conn, cut int) {
	defer c.Close()
	br := bufio.NewReader(c)
	for n := 1; ; n++ {
		digits, err := br.ReadString(' ')
		if err != nil {
			return
		}
		size, err := strconv.Atoi(strings.TrimSuffix(digits, " "))
		if err != nil || size < 1 || digits[0] == '0' {
			r.t.Errorf("a frame begins with %q", digits)
			return
		}
		msg := make([]byte, size)
		if _, err := io.ReadFull(br, msg); err != nil {
			return
		}
		r.take(msg)
		if n == cut {
			return
		}
	}
}

// certificate makes one for 127.0.0.1 and the file by which it is trusted.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// covered tells whether the messages hold every entry, each first appearance in order.
func covered(got []int64, n int64) error {
	want := int64(0)
	for _, g := range got {
		switch {
		case g == want:
			want++
		case g > want:
			return fmt.Errorf("entry %d is missing before %d", want, g)
		}
	}
	if want < n {
		return fmt.Errorf("entries from %d on are missing", want)
	}
	return nil
}

func TestSyslogOverStreams(t *testing.T) {
	for _, network := range []string{"tcp", "tls"} {
		t.Run(network, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ca := ""
			if network == "tls" {
				var cert tls.Certificate
				cert, ca = certificate(t)
				l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}})
			}
			t.Cleanup(func() { l.Close() })
			r := &receiver{t: t}
			go r.serve(l)
			b := newBook(t)
			b.grow(700)
			sink, err := streams.NewSyslog(network+"://"+l.Addr().String(), ca, 13, 8192)
			if err != nil {
				t.Fatal(err)
			}
			p := &place{}
			run(t, &streams.Stream{Name: "siem", Source: b, Sink: sink, Cursor: p, Log: quiet()})
			until(t, "700 messages", func() bool { return len(r.all()) >= 700 })
			if diff := cmp.Diff(span(0, 700), r.all()); diff != "" {
				t.Error(diff)
			}
			until(t, "the place", func() bool { return p.next() == 700 })
		})
	}
}

// TestSyslogOverABreakingConnection closes the connection behind some messages, three times: nothing is missing, and what comes twice comes
// because syslog acknowledges nothing.
func TestSyslogOverABreakingConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	r := &receiver{t: t, cuts: []int{50, 400, 900}}
	go r.serve(l)
	b := newBook(t)
	b.grow(1500)
	sink, err := streams.NewSyslog("tcp://"+l.Addr().String(), "", 13, 8192)
	if err != nil {
		t.Fatal(err)
	}
	p := &place{}
	run(t, &streams.Stream{Name: "siem", Source: b, Sink: sink, Cursor: p, Log: quiet()})
	until(t, "everything, whatever was swallowed", func() bool {
		if len(r.all()) > 0 && p.next() == int64(len(b.rows)) {
			b.grow(len(b.rows) + 1) // what a broken connection swallowed comes again with the next entry
		}
		return covered(r.all(), 1500) == nil
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conns < 4 || len(r.got) <= len(b.rows) {
		t.Errorf("%d connections and %d messages: nothing broke", r.conns, len(r.got))
	}
}

func TestSyslogOverDatagrams(t *testing.T) {
	for _, network := range []string{"udp", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			addr, url := "127.0.0.1:0", ""
			if network == "unixgram" {
				dir, err := os.MkdirTemp("", "s") // a socket's path is short
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { os.RemoveAll(dir) })
				addr = filepath.Join(dir, "log")
				url = "unixgram://" + addr
			}
			c, err := net.ListenPacket(network, addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			if url == "" {
				url = "udp://" + c.LocalAddr().String()
			}
			r := &receiver{t: t}
			go func() {
				buf := make([]byte, 1<<16)
				for {
					n, _, err := c.ReadFrom(buf)
					if err != nil {
						return
					}
					r.take(slices.Clone(buf[:n]))
				}
			}()
			b := newBook(t)
			b.grow(60)
			sink, err := streams.NewSyslog(url, "", 13, 2048)
			if err != nil {
				t.Fatal(err)
			}
			p := &place{}
			run(t, &streams.Stream{Name: "siem", Source: b, Sink: sink, Cursor: p, Log: quiet()})
			until(t, "60 messages", func() bool { return len(r.all()) >= 60 })
			if diff := cmp.Diff(span(0, 60), r.all()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSyslogAddresses(t *testing.T) {
	for _, bad := range []string{"https://siem", "siem:514", "%zz"} {
		if s, err := streams.NewSyslog(bad, "", 13, 2048); err == nil {
			t.Errorf("%q was taken: %+v", bad, s)
		}
	}
	if _, err := streams.NewSyslog("tls://siem:6514", "/nonexistent.pem", 13, 2048); err == nil {
		t.Error("a missing file of certificates was taken")
	}
}
