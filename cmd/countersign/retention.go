package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/custody"
)

// leastKept is how long texts are kept at least: somebody asks for the reason of an access for a quarter, and no request stays open as long.
const leastKept = 90 * 24 * time.Hour

// keepTexts is how long texts beside the ledger are kept; 0: for ever.
func (c Config) keepTexts() (time.Duration, error) {
	if c.KeepTexts == "" {
		return 0, nil
	}
	text, ok := strings.CutSuffix(c.KeepTexts, "d")
	days, err := strconv.ParseUint(text, 10, 16)
	if err != nil || !ok {
		return 0, fmt.Errorf("%s_KEEP_TEXTS is %q: want a number of days, such as 730d", prefix, c.KeepTexts)
	}
	if d := time.Duration(days) * 24 * time.Hour; d >= leastKept {
		return d, nil
	}
	return 0, fmt.Errorf("%s_KEEP_TEXTS is %s: texts are kept for 90d at least", prefix, c.KeepTexts)
}

// retain deletes texts whose time is over and overwrites what an erasure could not reach at once; nightly, and when an operator asks. The
// raw deliveries go before it, in the same job.
func (s *serving) retain(ctx context.Context) (string, error) {
	keep, err := s.cfg.keepTexts()
	if err != nil {
		return "", err
	}
	if err := s.store.Scrub(ctx); err != nil {
		s.log.Error("erased texts may still lie in the files", "err", err)
	}
	if keep == 0 {
		return "Texts are kept until somebody asks for their erasure.\n", nil
	}
	p, err := s.store.PruneTexts(ctx, keep)
	if errors.Is(err, store.ErrNotScrubbed) {
		s.log.Error("pruned texts may still lie in the files", "err", err)
		err = nil
	}
	if err == nil && p.Texts > 0 {
		s.log.Info("texts whose time was over are gone", "texts", p.Texts, "older", p.Older.String())
	}
	return retentionWords(p, "went"), err
}

func retentionWords(p custody.Pruned, verb string) string {
	return fmt.Sprintf("Texts are kept for %s: %s older than %s %s, in entries before %d; commitments and entries stay.\n", p.Keep, howMany(int(p.Texts), "text"),
		p.Older.Time().Format("2006-01-02 15:04 UTC"), verb, p.Before)
}

// ledgerRetention says what a prune would delete, or has the running bot do it now.
func ledgerRetention(ctx context.Context, p proc) error {
	flags := p.flags("ledger retention", "[-dry-run] [-data DIR]")
	dry := flags.Bool("dry-run", false, "say what would go, and change nothing")
	data := flags.String("data", "", "data folder; default: COUNTERSIGN_DATA")
	if err := p.parse(flags, 0, 0); err != nil {
		return err
	}
	c, err := p.dataConfig(*data)
	if err != nil {
		return err
	}
	keep, err := c.keepTexts()
	if err != nil {
		return err
	}
	if !*dry {
		said, err := callControl(ctx, c.socketPath(), "/retention")
		if err == nil {
			fmt.Fprint(p.out, said)
		}
		return err
	}
	if keep == 0 {
		fmt.Fprintf(p.out, "Texts are kept until somebody asks for their erasure; %s_KEEP_TEXTS=730d would keep them for two years.\n", prefix)
		return nil
	}
	s, err := openToRead(ctx, p, *data)
	if err != nil {
		return err
	}
	defer s.Close()
	would, err := s.Prunable(ctx, keep)
	if err == nil {
		fmt.Fprint(p.out, retentionWords(would, "would go"))
	}
	return err
}
