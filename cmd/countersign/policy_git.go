package main

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // the names of git's objects, not a signature of ours
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows/desk"
)

// authorPatience bounds how long a folder's history is asked for: a policy without an author is better than none.
const authorPatience = 5 * time.Second

// authorOf is who changed the folder last, as git says, if the folder is in a work tree and holds what was committed. Everything else (no git, a
// change that is not committed, a tree that git does not trust) is nobody known, and never an error.
//
// What git says of an author is what they said of themselves: it keeps honest people from approving their own change, and tells the others
// whom to ask. It is no authentication.
func authorOf(ctx context.Context, dir string) desk.Author {
	ctx, cancel := context.WithTimeout(ctx, authorPatience)
	defer cancel()
	out, err := git(ctx, dir, "log", "-1", "--format=%H%x00%an%x00%ae", "--", ".")
	parts := strings.Split(strings.TrimSpace(string(out)), "\x00")
	if err != nil || len(parts) != 3 || len(parts[0]) < 40 || !isCommitted(ctx, dir) {
		return desk.Author{}
	}
	return desk.Author{Name: printable(parts[1] + " <" + parts[2] + ">"), Email: parts[2], Commit: parts[0]}
}

// git runs one reading command of git. The folder may be anybody's: its configuration must not make git run a program.
func git(ctx context.Context, dir string, args ...string) ([]byte, error) {
	bin, err := exec.LookPath("git")
	if err != nil {
		return nil, err
	}
	safe := []string{"--no-optional-locks", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=" + os.DevNull, "-c", "log.showSignature=false"}
	cmd := exec.CommandContext(ctx, bin, append(safe, args...)...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_TERMINAL_PROMPT=0", "GIT_PAGER=cat"}
	return cmd.Output()
}

// isCommitted tells whether the files that a configuration is made of are those of the last commit, by their names in git: git itself would
// run filters to tell.
func isCommitted(ctx context.Context, dir string) bool {
	out, err := git(ctx, dir, "ls-tree", "-r", "-z", "HEAD", "--", ".")
	if err != nil {
		return false
	}
	want := map[string]string{}
	for row := range bytes.SplitSeq(out, []byte{0}) {
		head, name, ok := strings.Cut(string(row), "\t")
		if f := strings.Fields(head); ok && len(f) == 3 && f[1] == "blob" {
			want[name] = f[2]
		}
	}
	same := len(want) > 0
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || !same:
			return err
		case d.IsDir() && path.Base(name) == ".git":
			return fs.SkipDir
		case d.IsDir() || !isConfiguration(name):
			return nil
		}
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		same = err == nil && want[name] == blobName(b, len(want[name]))
		return err
	})
	return err == nil && same
}

func isConfiguration(name string) bool {
	switch path.Ext(name) {
	case ".yaml", ".yml", ".md", ".ics", ".txt":
		return true
	}
	return false
}

// blobName is the name of a file's content in git. Trees with longer names than SHA-1 are not known here.
func blobName(b []byte, digits int) string {
	if digits != 2*sha1.Size {
		return ""
	}
	h := sha1.New() //nolint:gosec // as above
	fmt.Fprintf(h, "blob %d\x00", len(b))
	h.Write(b)
	return hex.EncodeToString(h.Sum(nil))
}
