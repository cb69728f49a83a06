package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	bookLibrary "github.com/countersign-bot/countersign/runbooks/library"
	flowLibrary "github.com/countersign-bot/countersign/workflows/library"
)

// initCommand writes a company's start: people, roles, targets, workflows and runbooks with comments that say what each
// line does; or a whole example company.
func initCommand(_ context.Context, p proc) error {
	flags := p.flags("init", "[-example] DIR")
	example := flags.Bool("example", false, "write a whole example company that uses every word of the language, instead of a small start")
	if err := p.parse(flags, 0, 1); err != nil {
		return err
	}
	dir := flags.Arg(0)
	if dir == "" {
		return usageError{"the folder to write is missing"}
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return hint(fmt.Errorf("%s is not empty, and nothing of it was touched", dir), "name a folder that does not exist yet")
	}
	n, err := writeStart(dir, *example)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.err, "Wrote %d files to %s. Change the people and targets to yours, then run:\n\n  countersign check %s\n", n, dir, dir)
	return nil
}

// writeStart copies the start of a company, or the whole example, and answers how many files it wrote.
func writeStart(dir string, example bool) (int, error) {
	if example {
		return copyTree(dir, flowLibrary.Company())
	}
	n, err := copyTree(dir, flowLibrary.FS())
	if err != nil {
		return n, err
	}
	m, err := copyTree(filepath.Join(dir, "runbooks"), bookLibrary.FS())
	return n + m, err
}

func copyTree(dir string, from fs.FS) (n int, err error) {
	err = fs.WalkDir(from, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(path))
		if d.IsDir() {
			return os.MkdirAll(to, 0o750)
		}
		b, err := fs.ReadFile(from, path)
		if err != nil {
			return err
		}
		n++
		return os.WriteFile(to, b, 0o640)
	})
	if err != nil {
		return n, fmt.Errorf("writing %s: %w", dir, err)
	}
	return n, nil
}
