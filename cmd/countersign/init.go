package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	bookLibrary "github.com/countersign-bot/countersign/runbooks/library"
	flowLibrary "github.com/countersign-bot/countersign/workflows/library"
)

// initCommand writes a company's start: people, roles, targets, workflows and runbooks with comments that say what each
// line does.
func initCommand(_ context.Context, p proc) error {
	flags := p.flags("init", "DIR")
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
	n, err := copyTree(dir, flowLibrary.FS())
	if err != nil {
		return err
	}
	m, err := copyTree(filepath.Join(dir, "runbooks"), bookLibrary.FS())
	if err != nil {
		return err
	}
	fmt.Fprintf(p.err, "Wrote %d files to %s. Change the people and targets to yours, then run:\n\n  countersign check %s\n", n+m, dir, dir)
	return nil
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

// checkCommand says everything that is wrong with a folder, or what it holds.
func checkCommand(_ context.Context, p proc) error {
	flags := p.flags("check", "[DIR]")
	if err := p.parse(flags, 0, 1); err != nil {
		return err
	}
	dir := flags.Arg(0)
	if dir == "" {
		c, err := loadConfig(p.env)
		if err != nil {
			return err
		}
		dir = c.Config
	}
	if dir == "" {
		return hint(errors.New("no folder is named"), "countersign check DIR, or set %s_CONFIG", prefix)
	}
	folder, err := readFolder(dir)
	if err != nil {
		return err
	}
	return describeFolder(p, dir, folder)
}
