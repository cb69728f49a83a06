// Command bench measures how long transparency-dev/tessera on POSIX files takes from an entry to a published checkpoint with a proof under
// it, in the fastest configuration that it permits. It prints one JSON object for "countersign bench ledger -tessera". It is a module of its
// own, so that what it needs is no dependency of the bot.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

// The shortest interval between checkpoints that the POSIX driver permits, and how long entries gather before.
const (
	checkpointInterval = 100 * time.Millisecond
	batchAge           = time.Millisecond
	batchSize          = 256
	awaitEvery         = time.Millisecond
	entryBytes         = 600
	origin             = "bench.invalid/tessera"
)

// figures is what countersign reads.
type figures struct {
	Version      string        `json:"version"`
	PublishedP50 time.Duration `json:"published_p50_ns"`
	Callers      int           `json:"callers"`
	Calls        int           `json:"calls"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir := flag.String("dir", "", "an empty folder on the disk to measure; it is made if it is not there")
	seconds := flag.Float64("seconds", 5, "how long to append")
	flag.Parse()
	f, err := measure(ctx, *dir, time.Duration(*seconds*float64(time.Second)))
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measure lets one caller append, wait for the checkpoint and prove, again and again: what somebody has to wait who wants evidence.
func measure(ctx context.Context, dir string, long time.Duration) (out figures, err error) {
	if dir == "" {
		return out, errors.New("-dir is missing")
	}
	signer, verifier, err := keys()
	if err != nil {
		return out, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	driver, err := posix.New(ctx, posix.Config{Path: dir})
	if err != nil {
		return out, err
	}
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(signer).WithCheckpointInterval(checkpointInterval).WithBatching(batchSize, batchAge))
	if err != nil {
		return out, err
	}
	await := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, awaitEvery)
	var took []time.Duration
	for end := time.Now().Add(long); time.Now().Before(end); {
		entry := make([]byte, entryBytes)
		rand.Read(entry)
		begin := time.Now()
		index, raw, err := await.Await(ctx, appender.Add(ctx, tessera.NewEntry(entry)))
		if err == nil {
			err = prove(ctx, reader.ReadTile, raw, verifier, index.Index)
		}
		if err != nil {
			return out, err
		}
		took = append(took, time.Since(begin))
	}
	if len(took) == 0 {
		return out, errors.New("nothing was appended")
	}
	slices.Sort(took)
	return figures{Version: version(), PublishedP50: took[len(took)/2], Callers: 1, Calls: len(took)}, shutdown(ctx)
}

func keys() (note.Signer, note.Verifier, error) {
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return nil, nil, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, nil, err
	}
	verifier, err := note.NewVerifier(vkey)
	return signer, verifier, err
}

func prove(ctx context.Context, tiles client.TileFetcherFunc, raw []byte, verifier note.Verifier, index uint64) error {
	checkpoint, _, _, err := log.ParseCheckpoint(raw, origin, verifier)
	if err != nil {
		return err
	}
	builder, err := client.NewProofBuilder(ctx, checkpoint.Size, tiles)
	if err != nil {
		return err
	}
	_, err = builder.InclusionProof(ctx, index)
	return err
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/transparency-dev/tessera" {
				return m.Version
			}
		}
	}
	return "unknown"
}
