package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/countersign-bot/countersign/bot/slack"
	"github.com/countersign-bot/countersign/runbooks/seal"
)

// tokenFile holds what Slack gave in exchange for the last refresh token, sealed with the key that seals secrets: a copy of the file alone gives
// nobody the workspace. It lies among the keys, which no backup takes: a refresh token works once, so a copy of it is worth nothing to us.
func (c Config) tokenFile() string { return filepath.Join(c.keysDir(), slackTokenFile) }

const (
	slackTokenFile = "slack-tokens"
	tokensRow      = "slack tokens" // what is authenticated beside them: they open nowhere else
	tokensSealed   = "countersign sealed slack-tokens v1\n"
)

// sealedTokens tells whether a folder of keys holds tokens that only its sealing key opens.
func sealedTokens(keys string) (bool, error) {
	b, err := os.ReadFile(filepath.Join(keys, slackTokenFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return strings.HasPrefix(string(b), tokensSealed), err
}

// readTokens reads the file; none is none. plain tells that it was written before tokens were sealed.
func (c Config) readTokens() (t slack.Tokens, plain bool, err error) {
	file := c.tokenFile()
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return t, false, nil
	}
	if err != nil {
		return t, false, fmt.Errorf("reading the Slack tokens: %w", err)
	}
	if err := private(file); err != nil {
		return t, false, err
	}
	text, isSealed := strings.CutPrefix(string(b), tokensSealed)
	if isSealed {
		if b, err = c.openTokens(text); err != nil {
			return t, false, err
		}
		defer clearBytes(b)
	}
	if json.Unmarshal(b, &t) != nil { // its words would quote the file
		return t, false, hint(fmt.Errorf("%s does not hold Slack tokens", file), "%s", tokensLostHint())
	}
	return t, !isSealed, nil
}

// openTokens tries the key in use, and the one that follows it: a start that replaces the key seals the tokens anew first.
func (c Config) openTokens(text string) ([]byte, error) {
	sealed, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, hint(fmt.Errorf("%s is damaged", c.tokenFile()), "%s", tokensLostHint())
	}
	boxes, err := c.boxes()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, hint(fmt.Errorf("%s is sealed, and the key that opens it, %s, is missing", c.tokenFile(), filepath.Join(c.keysDir(), keySealing)), "put the key back from where you keep keys; or, if it is lost, %s", tokensLostHint())
	}
	if err != nil {
		return nil, err
	}
	for _, box := range boxes {
		if clear, err := box.Open(tokensRow, sealed); err == nil {
			return clear, nil
		}
	}
	return nil, hint(fmt.Errorf("%s does not open: it was damaged, or sealed with another key than %s", c.tokenFile(), filepath.Join(c.keysDir(), keySealing)), "put the former key back from where you keep keys; or, if it is lost, %s", tokensLostHint())
}

func tokensLostHint() string {
	return "install the app again under OAuth & Permissions, set " + prefix + "_SLACK_REFRESH_TOKEN to what it gives, and remove the file"
}

// writeTokens returns when the tokens, sealed, would survive a loss of power: the file and its name in the folder are on the disk.
func (c Config) writeTokens(t slack.Tokens) error {
	boxes, err := c.boxes()
	if err != nil {
		return hint(fmt.Errorf("sealing the Slack tokens: %w", err), "a start of countersign serve makes the key where nothing rests on it; else put it back from where you keep keys")
	}
	return c.writeTokensIn(boxes[0], t)
}

func (c Config) writeTokensIn(box seal.Box, t slack.Tokens) error {
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	defer clearBytes(b)
	if err := writeKey(c.tokenFile(), tokensSealed+base64.StdEncoding.EncodeToString(box.Seal(tokensRow, b))+"\n"); err != nil {
		return err
	}
	dir, err := os.Open(c.keysDir())
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// resealTokens closes the tokens with the key that is about to take the place of the one in use. It may be repeated after a crash.
func (c Config) resealTokens() error {
	t, _, err := c.readTokens()
	if err != nil || t.Seed == "" {
		return err
	}
	boxes, err := c.boxes()
	if err != nil || len(boxes) < 2 {
		return err
	}
	return c.writeTokensIn(boxes[1], t)
}
