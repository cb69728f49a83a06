package sshca

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What sshd writes at LogLevel INFO and above. It stands at the beginning of a line, or behind what a logger puts there: further in,
// it may be the name that a stranger tried to log in under. RFC 3339 times are read.
const (
	loggerPrefix = `^(?:(?:\S+|[A-Z][a-z]{2} [ \d]\d [\d:]{8}) \S+ sshd(?:-session)?\[\d+\]: )?`
	acceptedText = loggerPrefix + `Accepted publickey for (\S+) from (\S+) port (\d+) ssh2: \S+ (?:\S+ )?ID countersign/\S+ \(serial (\d+)\)`
	closedText   = loggerPrefix + `(?:Disconnected from user \S+|Received disconnect from|Connection closed by|Connection reset by|Closing connection to) (?:user \S+ )?(\S+) port (\d+)`
)

var acceptedLine, closedLine = regexp.MustCompile(acceptedText), regexp.MustCompile(closedText)

// sessions reads the logins with our certificates out of sshd's log. One is live while its connection is: the log of a host that
// lost power ends no session.
func (t *Teller) sessions() ([]HostSession, error) {
	if len(t.Logs) == 0 {
		return nil, nil
	}
	var lines []byte
	for _, file := range slices.Backward(t.Logs) { // the older one first
		raw, err := readTail(file, maxLogTail)
		if errors.Is(err, fs.ErrNotExist) && file != t.Logs[0] {
			continue
		}
		if err != nil {
			return nil, err
		}
		lines = append(lines, raw...)
	}
	open, err := t.connections()
	if err != nil {
		return nil, err
	}
	out := readLog(lines)
	last := map[string]int{}
	for i, s := range out {
		last[s.From] = i
	}
	for i := range out { // a port is used again: only its last login can be the one that lives
		_, up := open[out[i].From]
		out[i].Live = up && last[out[i].From] == i && out[i].Ended.IsZero()
	}
	return out[max(0, len(out)-maxTold):], nil
}

// readLog reads the lines of a log, oldest first.
func readLog(raw []byte) []HostSession {
	var out []HostSession
	scan := bufio.NewScanner(bytes.NewReader(raw))
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		line := scan.Text()
		if m := acceptedLine.FindStringSubmatch(line); m != nil {
			serial, err := strconv.ParseUint(m[4], 10, 64)
			if err == nil {
				out = append(out, HostSession{Serial: serial, User: m[1], From: endpoint(m[2], m[3]), Since: lineTime(line)})
			}
			continue
		}
		if m := closedLine.FindStringSubmatch(line); m != nil {
			from := endpoint(m[1], m[2])
			for i := len(out) - 1; i >= 0; i-- {
				if out[i].From == from {
					out[i].Ended = lineTime(line)
					break
				}
			}
		}
	}
	return out
}

// lineTime is the time at the beginning of a line; zero where there is none that says its zone.
func lineTime(line string) time.Time {
	word, _, _ := strings.Cut(line, " ")
	at, err := time.Parse(time.RFC3339Nano, word)
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

func endpoint(addr, port string) string {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return addr + ":" + port
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		return netip.AddrPortFrom(ip.Unmap(), uint16(n)).String()
	}
	return addr + ":" + port
}

func (t *Teller) proc() string {
	if t.Proc != "" {
		return t.Proc
	}
	return "/proc"
}

// connections gives the host's established TCP connections: the far end, and the socket's inode (proc_pid_net(5)).
func (t *Teller) connections() (map[string]string, error) {
	out := map[string]string{}
	for _, name := range []string{"tcp", "tcp6"} {
		raw, err := os.ReadFile(filepath.Join(t.proc(), "net", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(raw)) {
			f := strings.Fields(line)
			const established = "01"
			if len(f) < 10 || f[3] != established {
				continue
			}
			if far, ok := procAddress(f[2]); ok {
				out[far] = f[9]
			}
		}
	}
	return out, nil
}

// procAddress reads "0100007F:1F90": words of four bytes in the machine's order, which is little-endian where this runs.
func procAddress(s string) (string, bool) {
	host, port, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	n, bad := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || bad != nil || len(raw)%4 != 0 {
		return "", false
	}
	for i := 0; i < len(raw); i += 4 {
		slices.Reverse(raw[i : i+4])
	}
	ip, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)).String(), ok
}

// kill ends the sshd processes that hold a connection: the one with rights and the user's, whose shell hangs up with its terminal.
func (t *Teller) kill(from string) int {
	open, err := t.connections()
	inode, up := open[from]
	if err != nil || !up {
		return 0
	}
	n := 0
	dirs, _ := filepath.Glob(filepath.Join(t.proc(), "[0-9]*"))
	for _, dir := range dirs {
		comm, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil || !strings.HasPrefix(string(comm), "sshd") || !holds(dir, inode) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil && pid > 1 && syscall.Kill(pid, syscall.SIGTERM) == nil {
			n = 1
		}
	}
	return n
}

func holds(dir, inode string) bool {
	fds, _ := filepath.Glob(filepath.Join(dir, "fd", "*"))
	return slices.ContainsFunc(fds, func(fd string) bool {
		to, err := os.Readlink(fd)
		return err == nil && to == "socket:["+inode+"]"
	})
}
