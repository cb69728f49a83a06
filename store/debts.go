package store

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/countersign-bot/countersign/workflows"
)

// DebtsFile is where a revoke-only process writes what it did, beside the witness file.
func (c Config) DebtsFile() string {
	if c.WitnessPath != "" {
		return filepath.Join(filepath.Dir(c.WitnessPath), "debts.jsonl")
	}
	return filepath.Join(c.Dir, "debts.jsonl")
}

// AppendDebt writes what was done without the ledger, as one line of JSON, and brings it to the disk.
func AppendDebt(path string, d DebtRecorded) (err error) {
	defer wrap(&err, "writing a debt")
	line, err := json.Marshal(d)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if torn(f) {
		line = append([]byte{'\n'}, line...) // what a crash cut short stays its own line
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

// torn tells whether the file ends in the middle of a line.
func torn(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false
	}
	var last [1]byte
	_, err = f.ReadAt(last[:], info.Size()-1)
	return err == nil && last[0] != '\n'
}

// RecordDebts enters what a revoke-only process did into the system stream, and then removes the file. It is called after Open and
// before anything else. A crash in between records nothing twice.
func (s *Store) RecordDebts(ctx context.Context) (n int, err error) {
	defer wrap(&err, "recording debts")
	path := s.cfg.DebtsFile()
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	debts, err := readDebts(path)
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256(raw)
	for i := 0; i < len(debts); i += maxEvents {
		part := debts[i:min(i+maxEvents, len(debts))]
		cause := Cause(fmt.Sprintf("start/debts/%s/%d", hex.EncodeToString(sum[:8]), i))
		_, err := s.Update(ctx, cause, nil, func(workflows.Facts) (workflows.Outcome, error) {
			var out workflows.Outcome
			for _, d := range part {
				out.Add(workflows.SystemStream, workflows.System, "", d)
			}
			return out, nil
		})
		if err != nil {
			return 0, err
		}
	}
	return len(debts), os.Remove(path)
}

// readDebts reads the lines; one that a crash cut short is what the process did last and is kept as text.
func readDebts(path string) (out []DebtRecorded, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var d DebtRecorded
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			d = DebtRecorded{What: "unreadable", Said: lines.Text()}
		}
		if len(out) >= maxDebts {
			return nil, fmt.Errorf("%s: more than %d lines", path, maxDebts)
		}
		out = append(out, d)
	}
	return out, lines.Err()
}
