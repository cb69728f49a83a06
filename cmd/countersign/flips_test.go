package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// notEvidence are the columns of which `ledger verify` says that no entry speaks about them, and what SQLite keeps for itself.
func notEvidence() map[string][]string {
	all := []string{"*"}
	return map[string][]string{
		"person": all, "inbox": all, "inbox_key": all, "surface": all, "outlet": all, "handover": all, "log_cosig": all, "sqlite_sequence": all, "goose_db_version": all,
		"log_checkpoint": {"published_at"},
		"job":            {"gen", "due", "leased", "lease_owner", "lease_end", "attempts", "last_error", "made_by"},
	}
}

// contents gives everything that the database says, table by table, without what is not evidence.
func contents(ctx context.Context, path string) (map[string]string, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		return nil, err
	}
	defer db.Close()
	names, err := db.QueryContext(ctx, `SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`)
	if err != nil {
		return nil, err
	}
	var tables []string
	for names.Next() {
		var name string
		if err := names.Scan(&name); err != nil {
			return nil, err
		}
		tables = append(tables, name)
	}
	out := map[string]string{}
	for _, table := range tables {
		if out[table], err = rowsOfTable(ctx, db, table); err != nil {
			return nil, err
		}
	}
	return out, names.Err()
}

func rowsOfTable(ctx context.Context, db *sql.DB, table string) (string, error) {
	leave := notEvidence()[table]
	if len(leave) == 1 && leave[0] == "*" {
		return "", nil
	}
	rows, err := db.QueryContext(ctx, `SELECT * FROM "`+table+`" NOT INDEXED`)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for rows.Next() {
		values, at := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			at[i] = &values[i]
		}
		if err := rows.Scan(at...); err != nil {
			return "", err
		}
		for i, v := range values {
			if !slices.Contains(leave, columns[i]) {
				fmt.Fprintf(&b, "%s=%v ", columns[i], v)
			}
		}
		b.WriteByte('\n')
	}
	return b.String(), rows.Err()
}

// flipped is how many bits are flipped: a tenth with go test alone, all six hundred in CI (step figures).
func flipped() int {
	if os.Getenv("COUNTERSIGN_LONG") != "" {
		return 600
	}
	return 60
}

// lived is the ledger whose bits are flipped: of one release for ever, so that the same seed flips the same bits of the same bytes.
const lived = "0.1.0-life"

const seedVariable = "COUNTERSIGN_SEED"

// flipSeed says which bits are flipped: the same everywhere, or those that somebody asks for.
func flipSeed(t *testing.T) uint64 {
	t.Helper()
	given := os.Getenv(seedVariable)
	if given == "" {
		return 13
	}
	seed, err := strconv.ParseUint(given, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

// TestFault_F13_SixHundredFlippedBits flips one bit at a time, anywhere in the file of a ledger that was in use. The outsider's command names
// what is wrong and ends with 3; where it finds nothing, every table it vouches for says what it said before: the bit lay in free space.
func TestFault_F13_SixHundredFlippedBits(t *testing.T) {
	t.Parallel()
	dir := inMemory(t)
	sound, seed := thaw(t, lived, true), flipSeed(t)
	t.Logf("seed %d; %s=N takes another", seed, seedVariable)
	if out, errs, code := runHere(t, nil, "ledger", "verify", "-data", sound); code != exitDone {
		t.Fatalf("before: exit %d\n%s%s", code, out, errs)
	}
	whole, err := os.ReadFile(filepath.Join(sound, "countersign.db"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := contents(t.Context(), filepath.Join(sound, "countersign.db"))
	if err != nil || len(want) < 10 {
		t.Fatal(len(want), err)
	}
	const hands = 4
	flips := flipped()
	var found, harmless atomic.Int64
	t.Run("flip", func(t *testing.T) {
		for hand := range hands {
			t.Run(fmt.Sprint(hand), func(t *testing.T) {
				t.Parallel()
				data := filepath.Join(dir, fmt.Sprint(hand))
				if err := os.CopyFS(data, os.DirFS(sound)); err != nil {
					t.Fatal(err)
				}
				if err := keepPrivate(data); err != nil {
					t.Fatal(err)
				}
				rnd := rand.New(rand.NewPCG(seed, uint64(hand)))
				for i := range flips / hands {
					// A stretch of the file for each, so that all of it is tried.
					n := hand*flips/hands + i
					from, to := len(whole)*n/flips, len(whole)*(n+1)/flips
					at, bit := from+rnd.IntN(to-from), rnd.IntN(8)
					bad := bytes.Clone(whole)
					bad[at] ^= 1 << bit
					writeFile(t, filepath.Join(data, "countersign.db"), bad)
					out, errs, code := runHere(t, nil, "ledger", "verify", "-data", data)
					switch {
					case code == exitLedger && strings.HasPrefix(out, "The ledger"):
						t.Errorf("bit %d of byte %d: exit 3, and the first line says that all is well:\n%s%s", bit, at, out, errs)
					case code == exitLedger:
						found.Add(1)
					case code != exitDone:
						t.Errorf("bit %d of byte %d: seen, and only by an error that names no damage, with exit %d:\n%s%s", bit, at, code, out, errs)
					default:
						harmless.Add(1)
						have, err := contents(t.Context(), filepath.Join(data, "countersign.db"))
						if err != nil {
							t.Errorf("bit %d of byte %d: not found, and the database cannot be read: %v", bit, at, err)
						}
						for table := range want {
							if have[table] != want[table] {
								t.Errorf("bit %d of byte %d: not found, and %s says something else:\n%s", bit, at, table, firstDifference(want[table], have[table]))
							}
						}
					}
				}
			})
		}
	})
	if found.Load() == 0 || harmless.Load() == int64(flips) {
		t.Error("not one flipped bit was found")
	}
	t.Logf("%d of %d flipped bits were found and named, %d changed nothing", found.Load(), flips, harmless.Load())
}

func firstDifference(want, have string) string {
	a, b := strings.Split(want, "\n"), strings.Split(have, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return "before " + a[i] + "\nnow    " + b[i]
		}
	}
	return fmt.Sprintf("%d rows before, %d now", len(a), len(b))
}
