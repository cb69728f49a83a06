package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/ledger"
)

const pgBackupHint = "use pg_dump --format=custom, and pg_restore into an empty database; keep the keys folder and the witness file too, and run countersign ledger verify on the result"

// backupCommand copies the ledger of a bot that may be running, and reads the copy back before it says so.
func backupCommand(ctx context.Context, p proc) error {
	flags := p.flags("backup", "OUT [-data DIR] [-json]")
	data := flags.String("data", "", "data folder; default: COUNTERSIGN_DATA")
	asJSON := flags.Bool("json", false, "print what was copied as JSON")
	out, err := p.oneName(flags)
	if err != nil {
		return err
	}
	if cfg, err := p.dataConfig(*data); err != nil {
		return err
	} else if strings.HasPrefix(cfg.Database, "postgres") {
		return explainCopy(store.ErrElsewhere, out) // also when the server is down
	}
	s, err := openToRead(ctx, p, *data)
	if err != nil {
		return err
	}
	defer s.Close()
	c, err := s.Backup(ctx, out)
	if err != nil {
		return explainCopy(err, out)
	}
	if err := p.printCopy(c, "copied to", *asJSON); err != nil {
		return err
	}
	fmt.Fprintln(p.err, "The keys are not in it: keep a copy of the keys folder in another place. Without the key of the ledger nothing can be added to it.")
	return nil
}

// restoreCommand makes a new data folder out of a backup.
func restoreCommand(ctx context.Context, p proc) error {
	flags := p.flags("restore", "BACKUP -data NEWDIR [-anchor FILE] [-json]")
	data := flags.String("data", "", "folder to make, or one that holds nothing but keys/; default: COUNTERSIGN_DATA")
	anchor := flags.String("anchor", "", "file with a signed head that was kept elsewhere, such as one copied from the audit channel")
	asJSON := flags.Bool("json", false, "print what was restored as JSON")
	from, err := p.oneName(flags)
	if err != nil {
		return err
	}
	anchors, err := readAnchor(*anchor)
	if err != nil {
		return err
	}
	c, err := p.dataConfig(*data)
	if err != nil {
		return err
	}
	key, err := readLedgerKey(c)
	if err != nil {
		return err
	}
	copied, err := store.Restore(ctx, storeConfig(c, jobs.NewSystem(), key, slog.New(slog.DiscardHandler)), from, anchors...)
	if err != nil {
		return explainCopy(err, from)
	}
	if err := p.printCopy(copied, "restored to", *asJSON); err != nil {
		return err
	}
	if !copied.Report.KeyPinned {
		fmt.Fprintf(p.err, "Its key is its own word: put the keys folder back at %s and run countersign ledger verify.\n", c.keysDir())
	}
	if copied.Seen.Size == 0 {
		fmt.Fprintf(p.err, "Nobody was asked whether this is the newest backup: give -anchor FILE or set %s_WITNESS to find out.\n", prefix)
	}
	return nil
}

// oneName parses flags before and behind the one name that the command takes.
func (p proc) oneName(flags *flag.FlagSet) (string, error) {
	if err := p.parse(flags, 1, len(p.args)); err != nil {
		return "", err
	}
	name := flags.Arg(0)
	p.args = flags.Args()[1:]
	return name, p.parse(flags, 0, 0)
}

// dataConfig is the configuration of the environment, on another data folder when one is named.
func (p proc) dataConfig(data string) (Config, error) {
	c, err := loadConfig(p.env)
	if data != "" {
		c.Data = data
	}
	if err == nil && c.Data == "" {
		err = hint(errors.New("no data folder is named"), "set %s_DATA or give -data DIR", prefix)
	}
	return c, err
}

// explainCopy says what to do about a copy that was not made.
func explainCopy(err error, file string) error {
	switch {
	case errors.Is(err, store.ErrElsewhere):
		return hint(err, pgBackupHint)
	case errors.Is(err, ledger.ErrRollback):
		return hint(brokenError{err}, "take a later backup: everything after %s would be gone, and what was granted since would be forgotten", file)
	case errors.Is(err, ledger.ErrFork), errors.Is(err, store.ErrDamaged), errors.Is(err, store.ErrSchema):
		return hint(brokenError{err}, "keep the file as it is: it is evidence; use another backup")
	case errors.Is(err, fs.ErrExist):
		return hint(err, "nothing is written over: name a file or folder that is not there yet")
	}
	return err
}

// printCopy says what was copied; the head is what somebody elsewhere should keep.
func (p proc) printCopy(c store.Copied, done string, asJSON bool) error {
	r := c.Report
	if asJSON {
		enc := json.NewEncoder(p.out)
		enc.SetIndent("", "  ")
		return enc.Encode(struct {
			Path      string        `json:"path"`
			Bytes     int64         `json:"bytes"`
			Witnessed int64         `json:"witnessed"` // entries that were remembered outside before the copy began
			Note      string        `json:"note"`      // the signed head of the copy
			Report    ledger.Report `json:"report"`
		}{c.Path, c.Bytes, c.Seen.Size, string(c.Head.Note), r})
	}
	pinned := "by its own word"
	if r.KeyPinned {
		pinned = "pinned by the keys folder"
	}
	_, err := fmt.Fprintf(p.out, "The ledger %s was %s %s and read back: %d entries in %d bytes, intact, as signed.\n  key          %s (%s)\n  witnessed    %s\n\n%s",
		r.Origin, done, c.Path, r.Size, c.Bytes, r.Key, pinned, witnessed(c), c.Head.Note)
	return err
}

func witnessed(c store.Copied) string {
	if c.Seen.Size == 0 {
		return "nobody remembers how many entries there must be"
	}
	return fmt.Sprintf("%s remembers %d entries; all are in it", c.Seen.From, c.Seen.Size)
}
