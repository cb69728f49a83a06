package streams

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Syslog sends RFC 5424 messages: over unixgram and udp one to a datagram (RFC 5426), over tcp and tls with octet counting (RFC 6587, 3.4.1;
// RFC 5425, 4.3). What a SIEM files by stands in the structured data, the sentence is the message.
//
//	<110>1 2026-11-22T01:02:03.456789Z bot1 countersign - vote.recorded [entry@32473 origin="example.com/countersign/main"
//	stream="siem" index="7" previous="6" size="9" leafHash="…" leaf="{…}"] BOM Nora approved …
//
// Syslog knows no acknowledgement. What was written shortly before a connection broke is written again to the next one; what a datagram
// loses on its way is lost, and the receiver sees the gap.
type Syslog struct {
	Network  string // unixgram, udp, tcp, tls
	Address  string // host:port, or the path of a socket
	TLS      *tls.Config
	Facility int
	MaxBytes int // of one message; a longer one goes without the leaf, and then with its sentence cut

	host   string
	conn   net.Conn
	broken *atomic.Bool // set by whoever listens on conn
	unsure []written    // lately, to a connection that acknowledges nothing
	bytes  int          // of unsure
}

// written is a message that the receiver may not have read yet.
type written struct {
	at  time.Time
	msg []byte
}

// NewSyslog reads an address such as tls://siem.example.com:6514 or unixgram:///dev/log.
func NewSyslog(address, caFile string, facility, maxBytes int) (*Syslog, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("the address of the syslog receiver: %w", err)
	}
	s := &Syslog{Network: u.Scheme, Address: u.Host, Facility: facility, MaxBytes: maxBytes}
	switch u.Scheme {
	case "unixgram":
		s.Address = u.Path
	case "tls":
		if s.TLS, err = tlsConfig(caFile); err != nil {
			return nil, err
		}
		s.TLS.ServerName = u.Hostname()
	case "udp", "tcp":
	default:
		return nil, fmt.Errorf("syslog does not go over %q", u.Scheme)
	}
	return s, nil
}

// Severities of RFC 5424.
const (
	severityWarning = 4
	severityInfo    = 6
)

const byteOrderMark = "\ufeff" // RFC 5424, 6.4: what follows is UTF-8

// Message writes a record as one message.
func (s *Syslog) Message(r Record) []byte {
	full := s.compose(r, `leaf="`+escapeParam(string(r.Leaf))+`"`, r.Sentence)
	if len(full) <= s.MaxBytes {
		return full
	}
	short := fmt.Sprintf(`leafBytes="%d"`, len(r.Leaf))
	over := len(s.compose(r, short, r.Sentence)) - s.MaxBytes
	if over > 0 {
		return s.compose(r, short, cutTo(r.Sentence, max(0, len(r.Sentence)-over-len("…"))))
	}
	return s.compose(r, short, r.Sentence)
}

func (s *Syslog) compose(r Record, leaf, text string) []byte {
	severity := severityInfo
	if r.warns() {
		severity = severityWarning
	}
	return fmt.Appendf(nil, `<%d>1 %s %s countersign - %s [entry@32473 origin="%s" stream="%s" index="%d" previous="%d" size="%d" leafHash="%s" %s] %s%s`,
		s.Facility*8+severity, r.Time, s.hostname(), header(r.Type, 32), escapeParam(r.Origin), escapeParam(r.Stream), r.Entry, r.Previous, r.Size,
		r.LeafHash, leaf, byteOrderMark, printable(text, len(text)))
}

func (s *Syslog) hostname() string {
	if s.host == "" {
		name, _ := os.Hostname()
		s.host = header(name, 255)
	}
	return s.host
}

// header is a text as a field of the header: printable ASCII without blanks, "-" when nothing is left.
func header(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f {
			return -1
		}
		return r
	}, text)
	if text == "" {
		return "-"
	}
	return text[:min(len(text), most)]
}

// escapeParam is RFC 5424, 6.3.3.
func escapeParam(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(printable(s, len(s)))
}

func cutTo(s string, n int) string {
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// Send implements Sink.
func (s *Syslog) Send(ctx context.Context, batch []Record) (int, error) {
	fresh, err := s.connect(ctx)
	if err != nil {
		return 0, fmt.Errorf("reaching the syslog receiver: %w", err)
	}
	deadline, _ := ctx.Deadline()
	if err := s.conn.SetWriteDeadline(deadline); err != nil {
		return 0, errors.Join(err, s.drop())
	}
	n, err := len(batch), error(nil)
	if s.streaming() {
		err = s.sendFrames(batch, fresh)
		if err != nil {
			n = 0 // how much of the batch got through is unknown
		}
	} else {
		n, err = s.sendDatagrams(batch)
	}
	if err != nil {
		return n, errors.Join(err, s.drop())
	}
	return n, nil
}

func (s *Syslog) streaming() bool { return s.Network == "tcp" || s.Network == "tls" }

func (s *Syslog) sendDatagrams(batch []Record) (int, error) {
	for i, r := range batch {
		if _, err := s.conn.Write(s.Message(r)); err != nil {
			return i, err
		}
	}
	return len(batch), nil
}

// sendFrames writes messages with octet counting; on a fresh connection first those that an earlier one may have swallowed.
func (s *Syslog) sendFrames(batch []Record, fresh bool) error {
	s.forget(time.Now().Add(-unsureFor))
	w := bufio.NewWriterSize(s.conn, 64<<10)
	frame := func(m []byte) {
		w.WriteString(strconv.Itoa(len(m)) + " ") // errors of a bufio.Writer show at Flush
		w.Write(m)
	}
	if fresh {
		for _, u := range s.unsure {
			frame(u.msg)
		}
	}
	now, before := time.Now(), len(s.unsure)
	for _, r := range batch {
		m := s.Message(r)
		frame(m)
		s.unsure = append(s.unsure, written{now, m})
		s.bytes += len(m)
	}
	if err := w.Flush(); err != nil {
		for _, u := range s.unsure[before:] { // the batch comes again by itself
			s.bytes -= len(u.msg)
		}
		s.unsure = s.unsure[:before]
		return err
	}
	return nil
}

// forget drops what was written before an instant, and the oldest when there is too much.
func (s *Syslog) forget(before time.Time) {
	n := 0
	for n < len(s.unsure) && (s.unsure[n].at.Before(before) || s.bytes > unsureBytes) {
		s.bytes -= len(s.unsure[n].msg)
		n++
	}
	s.unsure = slices.Clone(s.unsure[n:])
}

// connect makes sure that there is a connection, and tells whether it is a new one.
func (s *Syslog) connect(ctx context.Context) (fresh bool, err error) {
	if s.conn != nil && s.broken.Load() {
		if err := s.drop(); err != nil {
			return false, err
		}
	}
	if s.conn != nil {
		return false, nil
	}
	d := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	if s.Network == "tls" {
		t := tls.Dialer{NetDialer: &d, Config: s.TLS}
		s.conn, err = t.DialContext(ctx, "tcp", s.Address)
	} else {
		s.conn, err = d.DialContext(ctx, s.Network, s.Address)
	}
	if err != nil {
		s.conn = nil
		return false, err
	}
	s.broken = new(atomic.Bool)
	if s.streaming() {
		go listen(s.conn, s.broken)
	}
	return true, nil
}

// listen waits for the receiver to close the connection, which a write alone would notice one batch too late. It ends with the connection.
func listen(conn net.Conn, broken *atomic.Bool) {
	_, _ = io.Copy(io.Discard, conn) // whatever ends it: the connection is no more
	broken.Store(true)
}

// drop lets go of a connection.
func (s *Syslog) drop() error {
	if s.conn == nil {
		return nil
	}
	err := s.conn.Close()
	s.conn = nil
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return err
}

// Linger implements Sink.
func (s *Syslog) Linger() time.Duration { return 0 }

// Close implements Sink.
func (s *Syslog) Close() error { return s.drop() }
