package intake

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
)

// Leak is one find of a scanner. Secrets are what it may be, as they were seen: whoever takes a find in turns them into fingerprints and keeps nothing
// of them.
type Leak struct {
	Source  string // the scanner: "github", "gitleaks"
	Form    string // what it took the secret for: "aws_access_key"
	Place   string // a link, or a file and line
	Secrets []string
}

// The limits of what scanners send.
const (
	MaxReport    = 32 << 20 // bytes of a SARIF file: what a scan of a large monorepo comes to
	maxFinds     = 20_000   // of one report
	maxSecret    = 16 << 10 // bytes: a private key with its certificates
	maxLeakPlace = 900      // bytes of a place that are kept
)

// sarif is the part of SARIF 2.1.0 that says what was found and where.
type sarif struct {
	Version string `json:"version"`
	Runs    []struct {
		Tool struct {
			Driver struct {
				Name string `json:"name"`
			} `json:"driver"`
		} `json:"tool"`
		Results []struct {
			Rule    string `json:"ruleId"`
			Message struct {
				Text string `json:"text"`
			} `json:"message"`
			Locations []struct {
				Physical struct {
					Artifact struct {
						URI string `json:"uri"`
					} `json:"artifactLocation"`
					Region struct {
						Line    int `json:"startLine"`
						Snippet struct {
							Text string `json:"text"`
						} `json:"snippet"`
					} `json:"region"`
				} `json:"physicalLocation"`
			} `json:"locations"`
		} `json:"results"`
	} `json:"runs"`
}

// ReadSARIF reads a report of a secret scanner, SARIF 2.1.0: all finds or none.
func ReadSARIF(r io.Reader) ([]Leak, error) {
	raw, err := io.ReadAll(io.LimitReader(r, MaxReport+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading a SARIF report: %w", err)
	case len(raw) > MaxReport:
		return nil, fmt.Errorf("reading a SARIF report: it is larger than %d MiB", MaxReport>>20)
	}
	var s sarif
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("reading a SARIF report: %w", withoutValues(err))
	}
	if !strings.HasPrefix(s.Version, "2.1") {
		return nil, fmt.Errorf("reading a SARIF report: version is %q, want 2.1.0", s.Version)
	}
	var out []Leak
	for i, run := range s.Runs {
		if run.Tool.Driver.Name == "" {
			return nil, fmt.Errorf("reading a SARIF report: runs[%d].tool.driver.name is missing", i)
		}
		for j, res := range run.Results {
			l := Leak{Source: word(run.Tool.Driver.Name), Form: word(res.Rule), Place: fmt.Sprintf("runs[%d].results[%d]", i, j)}
			if len(res.Locations) > 0 {
				p := res.Locations[0].Physical
				l.Place = short(p.Artifact.URI) + ":" + strconv.Itoa(p.Region.Line)
				l.Secrets = secretsIn(p.Region.Snippet.Text)
			}
			if len(l.Secrets) == 0 {
				l.Secrets = workflows.Credentials(res.Message.Text)
			}
			if out = append(out, l); len(out) > maxFinds {
				return nil, fmt.Errorf("reading a SARIF report: more than %d finds", maxFinds)
			}
		}
	}
	return out, nil
}

// secretsIn are what a snippet may hold: what looks like a credential in it, or all of it where it is one word.
func secretsIn(snippet string) []string {
	snippet = strings.TrimSpace(snippet)
	if out := workflows.Credentials(snippet); len(out) > 0 {
		return out
	}
	if strings.EqualFold(snippet, "redacted") || strings.Trim(snippet, "*xX.") == "" {
		return nil // the scanner kept it to itself: all its finds would look like one
	}
	if len(snippet) < 8 || len(snippet) > maxSecret || strings.ContainsAny(snippet, " \t\n") {
		return nil
	}
	return []string{snippet}
}

// ReadAlerts reads what GitHub's secret scanning sends: the list of finds that partners get, or the webhook secret_scanning_alert of an organisation.
// The latter may not tell the secret: then only where it is known.
func ReadAlerts(body []byte) ([]Leak, error) {
	body = []byte(strings.TrimSpace(string(body)))
	if len(body) == 0 {
		return nil, errors.New("reading an alert: it is empty")
	}
	if body[0] == '[' {
		return partnerAlerts(body)
	}
	var a struct {
		Action string `json:"action"`
		Alert  struct {
			Number int    `json:"number"`
			Type   string `json:"secret_type"`
			Secret string `json:"secret"`
			URL    string `json:"html_url"`
		} `json:"alert"`
		Repository struct {
			Name string `json:"full_name"`
		} `json:"repository"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return nil, fmt.Errorf("reading an alert: %w", withoutValues(err))
	}
	switch {
	case a.Action != "created" && a.Action != "reopened" && a.Action != "publicly_leaked":
		return nil, nil // resolved, validated …: nothing was found
	case a.Alert.Type == "" || a.Alert.Number == 0:
		return nil, errors.New("reading an alert: alert.number or alert.secret_type is missing")
	}
	l := Leak{Source: "github", Form: word(a.Alert.Type), Place: short(a.Alert.URL)}
	if l.Place == "" {
		l.Place = fmt.Sprintf("%s, alert %d", short(a.Repository.Name), a.Alert.Number)
	}
	if a.Alert.Secret != "" && len(a.Alert.Secret) <= maxSecret {
		l.Secrets = []string{a.Alert.Secret}
	}
	return []Leak{l}, nil
}

func partnerAlerts(body []byte) ([]Leak, error) {
	var list []struct {
		Token  string `json:"token"`
		Type   string `json:"type"`
		URL    string `json:"url"`
		Source string `json:"source"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("reading alerts: %w", withoutValues(err))
	}
	if len(list) > maxFinds {
		return nil, fmt.Errorf("reading alerts: more than %d finds", maxFinds)
	}
	out := make([]Leak, 0, len(list))
	for i, x := range list {
		if x.Token == "" || len(x.Token) > maxSecret {
			return nil, fmt.Errorf("reading alerts: [%d].token is missing or too long", i)
		}
		l := Leak{Source: "github", Form: word(x.Type), Place: short(x.URL), Secrets: []string{x.Token}}
		if l.Place == "" {
			l.Place = "GitHub, " + short(x.Source)
		}
		out = append(out, l)
	}
	return out, nil
}

// withoutValues is an error of encoding/json without any part of the text, which may be a secret.
func withoutValues(err error) error {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("no JSON at byte %d", syntax.Offset)
	case errors.As(err, &typ):
		return fmt.Errorf("%s has the wrong type", typ.Field)
	}
	return errors.New("no JSON of that shape")
}

// word is a name of somebody else's as we keep it: lower case, letters, digits, hyphens and underscores.
func word(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, s)
	return s[:min(len(s), 60)]
}

// short is a text of somebody else's as long as we keep it, without what moves a cursor.
func short(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return s[:min(len(s), maxLeakPlace)]
}
