// Command big writes a data folder with a large ledger by the store that the bot uses, for verifiers that nobody here wrote: full tiles of
// two levels and unfinished ones of three. Part of what .ci/run oracle does; it belongs to the main module.
package main

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/countersign-bot/countersign/store"
	"github.com/countersign-bot/countersign/store/jobs"
	"github.com/countersign-bot/countersign/store/ledger"
	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/identities"
)

const origin = "demo.invalid/countersign/oracle"

func main() {
	dir := flag.String("dir", "", "data folder to make")
	entries := flag.Int("entries", 70_003, "how many entries at least")
	flag.Parse()
	if err := run(context.Background(), *dir, *entries); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, dir string, entries int) (err error) {
	key, err := ledger.GenerateKey(rand.Reader, origin)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "keys"), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "keys", "ledger"), key.KeyFile(), 0o600); err != nil {
		return err
	}
	s, err := store.Open(ctx, store.Config{Dir: dir, Kinds: identities.EventKinds(), Clock: jobs.NewSystem(), Key: key, Virtual: true})
	if err != nil {
		return err
	}
	defer func() {
		if e := s.Close(); err == nil {
			err = e
		}
	}()
	for made := 1; made < entries; {
		n := min(250, entries-made)
		_, err := s.Update(ctx, "", nil, func(workflows.Facts) (workflows.Outcome, error) { return batch(made, n), nil })
		if err != nil {
			return err
		}
		if made += n; made/10_000 > (made-n)/10_000 {
			if _, _, err := s.Publish(ctx); err != nil {
				return err
			}
		}
	}
	fmt.Println(key.VKey())
	return nil
}

// batch is the inventory of a company with very many robots.
func batch(from, n int) (out workflows.Outcome) {
	for i := from; i < from+n; i++ {
		stream := workflows.IdentityStream(workflows.IdentityID(fmt.Sprintf("svc-%05d", i)))
		out.Add(stream, workflows.System, "", identities.Registered{
			Class: "service_account", Name: fmt.Sprintf("Robot %d", i), Owner: "p_00000000000000000000000000000001",
			Purpose: fmt.Sprintf("keeps part %d going", i), Environment: "test", Expires: "2030-12-31",
		})
	}
	return out
}
