package runbooktest_test

import (
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/countersign-bot/countersign/runbooks/runbooktest"
)

// TestProgram: what is written is started at once, while others fork.
func TestProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			path := runbooktest.Program(t, filepath.Join(dir, strconv.Itoa(i)), "#!/bin/sh\nprintf %s \"$1\"\n", 0o755)
			if out, err := exec.CommandContext(t.Context(), path, "said").CombinedOutput(); err != nil || string(out) != "said" {
				t.Errorf("%q, %v", out, err)
			}
		})
	}
	wg.Wait()
}
