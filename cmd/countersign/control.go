package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/store/jobs"
)

// The control socket is a Unix socket in the data folder, mode 0600: whoever can open it runs as the bot already.

type control struct {
	reload  func(context.Context) error
	held    func(context.Context) (string, error) // what of the folder is not in force, in words
	clock   jobs.Clock
	publish func(context.Context) (string, error)
	retain  func(context.Context) (string, error)
	anchor  func(context.Context) (string, error) // publishes, and waits for those who take the head
	feeds   func(context.Context) (string, error) // asks the feeds of shifts and holidays, and says how they stand
	behind  func() (bool, screens.Sentence)       // whether new access is held by the clock
	drills  func() (bool, screens.Sentence)       // what is overdue, in words
	health  func() healthReport
}

const healthPath = "/health" // of the control socket

const maxControlBody = 4096 // bytes: the bodies are one number at most

func (c control) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, r *http.Request) {
		err := c.reload(r.Context())
		held := ""
		if err == nil && c.held != nil {
			held, err = c.held(r.Context())
		}
		if err != nil || held == "" {
			answer(w, err)
			return
		}
		io.WriteString(w, held)
	})
	mux.HandleFunc("POST /checkpoint", func(w http.ResponseWriter, r *http.Request) {
		note, err := c.publish(r.Context())
		if err != nil {
			answer(w, err)
			return
		}
		io.WriteString(w, note)
	})
	mux.HandleFunc("POST /feeds", func(w http.ResponseWriter, r *http.Request) {
		text, err := c.feeds(r.Context())
		if err != nil {
			answer(w, err)
			return
		}
		io.WriteString(w, text)
	})
	mux.HandleFunc("POST /clock-health", func(w http.ResponseWriter, _ *http.Request) {
		_, say := c.behind()
		io.WriteString(w, say.String())
	})
	mux.HandleFunc("POST "+healthPath, func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(c.health())
	})
	mux.HandleFunc("POST /anchor", func(w http.ResponseWriter, r *http.Request) {
		text, err := c.anchor(r.Context())
		if err != nil {
			answer(w, err)
			return
		}
		io.WriteString(w, text)
	})
	mux.HandleFunc("POST /drills", func(w http.ResponseWriter, _ *http.Request) {
		if c.drills != nil {
			_, say := c.drills()
			io.WriteString(w, say.String())
		}
	})
	mux.HandleFunc("POST /retention", func(w http.ResponseWriter, r *http.Request) {
		said, err := c.retain(r.Context())
		if err != nil {
			answer(w, err)
			return
		}
		io.WriteString(w, said)
	})
	mux.HandleFunc("POST /clock", func(w http.ResponseWriter, r *http.Request) {
		clock, ok := c.clock.(*demoClock)
		if !ok {
			answer(w, errors.New("this ledger runs on real time, which nobody moves"))
			return
		}
		answer(w, clock.reload())
	})
	return http.MaxBytesHandler(mux, maxControlBody)
}

func answer(w http.ResponseWriter, err error) {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Error(w, err.Error(), http.StatusUnprocessableEntity)
}

// listenControl takes the socket over from a process that is gone: the ledger's lock already says that we are alone.
func listenControl(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("clearing the control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("closing the control socket to others: %w", err), l.Close())
	}
	return l, nil
}

// callControl asks the running bot for something.
func callControl(ctx context.Context, socket, path string) (string, error) {
	client := http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://control"+path, nil)
	if err != nil {
		return "", err
	}
	res, err := client.Do(req)
	if err != nil {
		return "", hint(fmt.Errorf("no bot answers on %s", socket), "is countersign serve running with this data folder, and may you open the socket?")
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("reading the bot's answer: %w", err)
	}
	if res.StatusCode >= 300 {
		return "", errors.New(strings.TrimSpace(string(body)))
	}
	return string(body), nil
}

func reloadCommand(ctx context.Context, p proc) error {
	if err := p.parse(p.flags("reload", ""), 0, 0); err != nil {
		return err
	}
	c, err := loadConfig(p.env)
	if err != nil {
		return err
	}
	if c.Data == "" {
		return hint(errors.New("no data folder is named"), "set %s_DATA to that of the running bot", prefix)
	}
	held, err := callControl(ctx, c.socketPath(), "/reload")
	if err != nil {
		return fmt.Errorf("the old configuration stays in force: %w", err)
	}
	if held != "" {
		fmt.Fprintln(p.err, "The new configuration was read.", printable(held))
		fmt.Fprintln(p.err, "hint: countersign policy pending shows it; those who may approve it are told")
		return nil
	}
	fmt.Fprintln(p.err, "The new configuration is in force.")
	return nil
}

func healthCommand(ctx context.Context, p proc) error {
	fs := p.flags("health", "[-data DIR] [-json]")
	data := fs.String("data", "", "data folder of the bot; default: COUNTERSIGN_DATA, else the address COUNTERSIGN_LISTEN is asked")
	asJSON := fs.Bool("json", false, "print the answer as JSON")
	if err := p.parse(fs, 0, 0); err != nil {
		return err
	}
	c, err := loadConfig(p.env)
	if err != nil {
		return err
	}
	if *data != "" {
		c.Data = *data
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	h, err := askHealth(ctx, c)
	if err != nil {
		return err
	}
	if *asJSON {
		if err := json.NewEncoder(p.out).Encode(h); err != nil {
			return err
		}
	} else {
		h.print(p.out)
	}
	if !h.Ready {
		return errors.New("not ready")
	}
	return nil
}

// askHealth asks the bot of the data folder through its socket, so that no address need be known; where none answers there, the address.
func askHealth(ctx context.Context, c Config) (h healthReport, err error) {
	if c.Data != "" {
		if text, err := callControl(ctx, c.socketPath(), healthPath); err == nil && json.Unmarshal([]byte(text), &h) == nil {
			return h, nil
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+dialable(c.Listen)+"/readyz", nil)
	if err != nil {
		return h, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return h, hint(fmt.Errorf("no bot answers on %s", c.Listen), "is countersign serve running?")
	}
	defer res.Body.Close()
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&h); err != nil {
		return h, fmt.Errorf("reading the bot's answer: %w", err)
	}
	return h, nil
}

// dialable turns a listening address into one that can be called.
func dialable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
