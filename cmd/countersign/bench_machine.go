package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// machine is what figures were measured on, in a few words.
func machine() string {
	name := runtime.GOARCH
	if raw, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(raw)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				name = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d of %s, %s, %s", runtime.GOMAXPROCS(0), name, runtime.GOOS, runtime.Version())
}
