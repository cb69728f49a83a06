package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/smtp"
	"net/url"
	"os"
	"strings"
	"time"
)

// mailer sends e-mail through one relay. It speaks TLS, or STARTTLS before it says anything; in clear only to this machine.
type mailer struct {
	host, port string
	implicit   bool // TLS from the first byte
	clear      bool // allowed: the relay is this machine
	user       string
	password   string
	from       *mail.Address
	roots      *x509.CertPool // nil: those of the system
}

const mailPatience = 20 * time.Second // for one message; a relay that takes longer is not there

// openMail reads the settings; nil without COUNTERSIGN_SMTP_URL.
func openMail(c Config) (*mailer, error) {
	if c.SMTP == "" {
		if c.SMTPFrom != "" || c.SMTPPassword != "" || c.SMTPRoots != "" {
			return nil, fmt.Errorf("%s_SMTP_URL is needed with the other settings of e-mail", prefix)
		}
		return nil, nil
	}
	u, err := url.Parse(c.SMTP)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" || u.RawQuery != "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%s_SMTP_URL: want smtp://[USER@]HOST[:PORT] (STARTTLS) or smtps://… (TLS)", prefix)
	}
	m := &mailer{host: u.Hostname(), port: u.Port(), implicit: u.Scheme == "smtps", password: c.SMTPPassword, clear: loopbackURL("http://" + u.Host)}
	if u.User != nil {
		m.user = u.User.Username()
		if _, has := u.User.Password(); has {
			return nil, fmt.Errorf("%s_SMTP_URL holds a password: put it into %s_SMTP_PASSWORD_FILE", prefix, prefix)
		}
	}
	if m.port == "" {
		m.port = map[bool]string{false: "587", true: "465"}[m.implicit]
	}
	if (m.user == "") != (m.password == "") {
		return nil, fmt.Errorf("%s_SMTP_URL names a user and %s_SMTP_PASSWORD its password: both or neither", prefix, prefix)
	}
	if m.from, err = mail.ParseAddress(c.SMTPFrom); err != nil {
		return nil, fmt.Errorf("%s_SMTP_FROM is %q: want an address such as countersign@example.com", prefix, c.SMTPFrom)
	}
	if c.SMTPRoots != "" {
		pem, err := os.ReadFile(c.SMTPRoots)
		if err != nil {
			return nil, fmt.Errorf("%s_SMTP_CA: %w", prefix, err)
		}
		if m.roots = x509.NewCertPool(); !m.roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s_SMTP_CA: %s holds no certificate", prefix, c.SMTPRoots)
		}
	}
	return m, nil
}

// letterOut is one e-mail.
type letterOut struct {
	to            string
	subject, text string
	id            string // the same for every attempt: a mailbox keeps one of two with the same
	at            time.Time
}

// send hands one message to the relay. It is heard when the relay took it.
func (m *mailer) send(ctx context.Context, l letterOut) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("sending e-mail through %s: %w", m.host, err)
		}
	}()
	to, err := mail.ParseAddress(l.to)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, mailPatience)
	defer cancel()
	conn, err := m.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return err
		}
	}
	c, err := smtp.NewClient(conn, m.host)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := m.secure(c); err != nil {
		return err
	}
	if err := c.Mail(m.from.Address); err != nil {
		return err
	}
	if err := c.Rcpt(to.Address); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(m.compose(l, to)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // it took the message
	return nil
}

func (m *mailer) dial(ctx context.Context) (net.Conn, error) {
	addr := net.JoinHostPort(m.host, m.port)
	if m.implicit {
		return (&tls.Dialer{Config: m.tls()}).DialContext(ctx, "tcp", addr)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", addr)
}

func (m *mailer) tls() *tls.Config {
	return &tls.Config{ServerName: m.host, RootCAs: m.roots, MinVersion: tls.VersionTLS12}
}

// secure begins TLS and proves who we are. A relay that offers no STARTTLS is refused: what we say would be read on the way.
func (m *mailer) secure(c *smtp.Client) error {
	if err := c.Hello(heloName()); err != nil {
		return err
	}
	if !m.implicit {
		if ok, _ := c.Extension("STARTTLS"); ok {
			if err := c.StartTLS(m.tls()); err != nil {
				return err
			}
		} else if !m.clear {
			return errors.New("it offers no STARTTLS, and nothing is sent in clear")
		}
	}
	if m.user == "" {
		return nil
	}
	return c.Auth(smtp.PlainAuth("", m.user, m.password, m.host))
}

func heloName() string {
	if name, err := os.Hostname(); err == nil && name != "" && !strings.ContainsAny(name, " \r\n") {
		return name
	}
	return "localhost"
}

// compose writes the message. Nothing that somebody typed stands in a header but encoded, so that nobody adds one.
func (m *mailer) compose(l letterOut, to *mail.Address) []byte {
	var b bytes.Buffer
	line := func(name, value string) { fmt.Fprintf(&b, "%s: %s\r\n", name, value) }
	_, domain, _ := strings.Cut(m.from.Address, "@")
	line("From", m.from.String())
	line("To", to.String())
	line("Subject", mime.QEncoding.Encode("utf-8", strings.Join(strings.Fields(l.subject), " ")))
	line("Date", l.at.UTC().Format(time.RFC1123Z))
	line("Message-ID", "<"+l.id+"@"+domain+">")
	line("MIME-Version", "1.0")
	line("Content-Type", `text/plain; charset="utf-8"`)
	line("Content-Transfer-Encoding", "quoted-printable")
	line("Auto-Submitted", "auto-generated") // RFC 3834: nobody's absence is told to a machine
	line("X-Priority", "1")
	b.WriteString("\r\n")
	q := quotedprintable.NewWriter(&b)
	_, _ = q.Write([]byte(strings.ReplaceAll(l.text, "\n", "\r\n"))) // to memory
	_ = q.Close()
	return b.Bytes()
}
