package runbooktest

import (
	"context"
	"net/http"
	"os/exec"
	"testing"
)

// Moto starts moto_server, which imitates AWS with state, and gives its address. The test is skipped where it is not
// installed: it is a Python program that no package of Debian brings.
func Moto(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skip("moto_server is not on the PATH: AWS cannot be imitated here (pip install 'moto[server]')")
	}
	port := FreePort(t)
	base := "http://127.0.0.1:" + port
	Serve(t, exec.Command(path, "-H", "127.0.0.1", "-p", port), func(ctx context.Context) error {
		return CallJSON(ctx, http.MethodGet, base+"/moto-api/data.json", "", nil, nil)
	})
	return base
}
