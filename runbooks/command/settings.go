package command

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The settings of a target that this connector understands.
const (
	SettingGrant   = "grant"           // the program that makes access: its path and arguments, one a line
	SettingRevoke  = "revoke"          // the program that takes it back
	SettingCheck   = "check"           // the program that reads back
	SettingTry     = "try"             // the program that uses a canary's access, for drills; none by default
	SettingOffers  = "offers"          // the program that lists what can be granted; none by default
	SettingEnv     = "env"             // names of the environment variables that are handed on; none by default
	SettingDir     = "dir"             // working directory; / by default
	SettingTimeout = "timeout_seconds" // of one run; 30 by default
	SettingLeaves  = "revoke_leaves"   // what revoking does not end, in a sentence for the card
)

// Config says which programs do the work.
type Config struct {
	Grant, Revoke, Check []string      // the path of the program, then its arguments, with placeholders
	Try                  []string      // likewise; empty: drills read back and do not use what they granted
	Offers               []string      // the program that lists what can be granted, and its arguments as they stand; empty: none
	Env                  []string      // NAME=value; everything that the programs see of the environment
	Dir                  string        // working directory, absolute; empty: /
	Timeout              time.Duration // of one run; 0: 30 s
	Leaves               string        // what revoking does not end; empty: that it is not known
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// ReadSettings reads the settings of a target. lookup gives a variable of the bot's own environment (os.LookupEnv).
func ReadSettings(settings map[string]string, lookup func(string) (string, bool)) (Config, error) {
	known := []string{SettingGrant, SettingRevoke, SettingCheck, SettingTry, SettingOffers, SettingEnv, SettingDir, SettingTimeout, SettingLeaves}
	for name := range settings {
		if !slices.Contains(known, name) {
			return Config{}, fmt.Errorf("setting %q is not one of %s", name, strings.Join(known, ", "))
		}
	}
	cfg := Config{
		Grant: lines(settings[SettingGrant]), Revoke: lines(settings[SettingRevoke]), Check: lines(settings[SettingCheck]), Try: lines(settings[SettingTry]), Offers: lines(settings[SettingOffers]),
		Dir: settings[SettingDir], Leaves: strings.TrimSpace(settings[SettingLeaves]),
	}
	var err error
	if cfg.Timeout, err = seconds(settings[SettingTimeout]); err != nil {
		return Config{}, fmt.Errorf("setting %s: %w", SettingTimeout, err)
	}
	for _, name := range strings.FieldsFunc(settings[SettingEnv], func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }) {
		value, ok := lookup(name)
		if !ok {
			return Config{}, fmt.Errorf("setting %s: environment variable %q is not set", SettingEnv, name)
		}
		cfg.Env = append(cfg.Env, name+"="+value)
	}
	return cfg, nil
}

// lines are arguments as they are written in a file: one a line, as it stands but for the spaces around it.
func lines(s string) []string {
	var out []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

func seconds(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > int(maxTimeout/time.Second) {
		return 0, fmt.Errorf("%q is not a number of seconds from 1 to %d", s, int(maxTimeout/time.Second))
	}
	return time.Duration(n) * time.Second, nil
}

func (cfg Config) check() error {
	if cfg.Timeout < 0 || cfg.Timeout > maxTimeout {
		return fmt.Errorf("the time-out %s is not from 1s to %s", cfg.Timeout, maxTimeout)
	}
	if len(cfg.Offers) > 0 && !filepath.IsAbs(cfg.Offers[0]) {
		return fmt.Errorf("the program for offers: %q is not an absolute path", cfg.Offers[0])
	}
	if cfg.Dir != "" && (!filepath.IsAbs(cfg.Dir) || strings.Contains(cfg.Dir, "\x00")) {
		return fmt.Errorf("the working directory %q is not an absolute path", cfg.Dir)
	}
	for _, pair := range cfg.Env {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || !envName.MatchString(name) || strings.Contains(value, "\x00") {
			return fmt.Errorf("environment variable %q: not a name that can be handed on", name)
		}
		if strings.HasPrefix(name, "COUNTERSIGN_") {
			return fmt.Errorf("environment variable %s is the bot's own and is not handed on", name)
		}
	}
	return nil
}
