package command_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// helperWord makes the test binary a program of an operator: TestMain looks for it before any test.
const helperWord = "countersign-command-helper"

func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == helperWord {
		os.Exit(helper(os.Args[2], os.Args[3], os.Args[4:]))
	}
	os.Exit(m.Run())
}

// record is what the helper keeps of a grant, and what it saw of its surroundings.
type record struct {
	Args  []string
	Order map[string]any
	Env   []string
	Dir   string
}

// helper is a real little program: a folder with one file for each grant. args stand after it in the template.
func helper(op, dir string, args []string) int {
	switch op {
	case "grant", "revoke", "check":
		return members(op, dir, args)
	case "sleep": // with a child and a grandchild that hold stdout
		return family(dir)
	case "leave": // a child behind
		if err := child("sleep-alone", dir); err != nil {
			return 9
		}
		await(filepath.Join(dir, "alone"))
		fmt.Println(`{"ref":"left one behind"}`)
		return 0
	case "escape": // leaves a child in a session of its own
		cmd := exec.Command(os.Args[0], helperWord, "sleep-alone", dir)
		cmd.Stdout, cmd.SysProcAttr = os.Stdout, &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			return 9
		}
		await(filepath.Join(dir, "alone"))
		fmt.Println(`{"ref":"one escaped"}`)
		return 0
	case "sleep-alone":
		note(dir, "alone")
		time.Sleep(time.Hour)
	case "say": // what the test wants: code, stdout, stderr
		fmt.Fprint(os.Stdout, args[1])
		fmt.Fprint(os.Stderr, args[2])
		code := 0
		_, _ = fmt.Sscan(args[0], &code)
		return code
	case "flood":
		for range 10_000 {
			fmt.Println("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
		}
	case "effect": // has the effect, and the first time says that it failed
		code := members("grant", dir, args)
		if err := os.Mkdir(filepath.Join(dir, "failed-once"), 0o700); err == nil {
			return 1
		}
		return code
	case "suicide":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Minute)
	}
	return 0
}

func members(op, dir string, args []string) int {
	raw, err := io.ReadAll(os.Stdin)
	var order map[string]any
	if err != nil || json.Unmarshal(raw, &order) != nil || order["op"] != op && op != "grant" {
		return 5
	}
	wd, _ := os.Getwd()
	file := filepath.Join(dir, order["grant"].(string))
	switch op {
	case "grant":
		return keep(dir, file, record{Args: args, Order: order, Env: os.Environ(), Dir: wd})
	case "revoke":
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 4
		}
	case "check":
		if _, err := os.Stat(file); err != nil {
			fmt.Println("absent")
			return 0
		}
		fmt.Println("present")
	}
	return 0
}

// keep makes the whole file appear at once, or finds the same one there.
func keep(dir, file string, r record) int {
	raw, _ := json.Marshal(r)
	temp, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return 4
	}
	defer os.Remove(temp.Name())
	if _, err := temp.Write(raw); err != nil || temp.Close() != nil {
		return 4
	}
	if os.Link(temp.Name(), file) != nil {
		old, err := os.ReadFile(file)
		if err != nil {
			return 4
		}
		if string(old) != string(raw) {
			fmt.Println(`{"text":"this grant was made with other contents"}`)
			return 3
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{
		"ref": "member " + r.Order["grant"].(string), "facts": map[string]string{"end": r.Order["end"].(string)},
		"use": map[string]any{"steps": []string{"Sign in as always."}},
	})
	return 0
}

// family starts a child that starts another, and waits for ever; each leaves its process id.
func family(dir string) int {
	if len(os.Args) > 4 {
		note(dir, "grandchild")
	} else if os.Args[2] == "sleep" {
		cmd := exec.Command(os.Args[0], helperWord, "sleep", dir, "grandchild")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Start(); err != nil {
			return 9
		}
		note(dir, "child")
	}
	time.Sleep(time.Hour)
	return 0
}

func child(op, dir string) error {
	cmd := exec.Command(os.Args[0], helperWord, op, dir)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Start()
}

// note leaves this process's id where the test finds it, whole.
func note(dir, name string) {
	temp := filepath.Join(dir, "."+name)
	_ = os.WriteFile(temp, fmt.Append(nil, os.Getpid()), 0o600)
	_ = os.Rename(temp, filepath.Join(dir, name))
}

func await(file string) {
	for range 2000 {
		if _, err := os.Stat(file); err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// self is the path of the test binary, which is the helper.
func self(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// program is the template of the helper for one operation.
func program(t testing.TB, op, dir string, args ...string) []string {
	t.Helper()
	return append([]string{self(t), helperWord, op, dir}, args...)
}
