package runbooktest

import (
	"os"
	"syscall"
	"testing"
)

// Program writes a script, or any other file that is to be started, at path with mode, such as 0o755. Programs that tests
// start are written by it and by nothing else: a child that another goroutine forks while the file is open for writing
// inherits it until it starts its own program, and until then the system refuses to start the file ("text file busy").
func Program(t testing.TB, path, text string, mode os.FileMode) string {
	t.Helper()
	syscall.ForkLock.RLock() // nobody forks while it is open
	err := os.WriteFile(path, []byte(text), 0o600)
	syscall.ForkLock.RUnlock()
	if err == nil {
		err = os.Chmod(path, mode) // whatever the umask
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
