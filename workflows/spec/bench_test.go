package spec_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/countersign-bot/countersign/workflows/spec"
)

// large is the example organisation with a thousand more people and a hundred more workflows.
func large(tb testing.TB) fstest.MapFS {
	f := org(tb)
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "  - {key: p%d, name: Person Number%d, email: p%d@example.com, slack: U1%05d, timezone: Europe/Berlin, manager: frida}\n", i, i, i, i)
	}
	edit(tb, f, "people.yaml", "\ngroups:\n", b.String()+"\ngroups:\n")
	read := string(f["workflows/prod-db-read.yaml"].Data)
	for i := range 100 {
		id := fmt.Sprintf("read-%d", i)
		f["workflows/"+id+".yaml"] = &fstest.MapFile{Data: []byte(strings.Replace(read, "id: prod-db-read", "id: "+id, 1))}
	}
	return f
}

func BenchmarkLoadOrg(b *testing.B)   { benchmarkLoad(b, org(b)) }
func BenchmarkLoadLarge(b *testing.B) { benchmarkLoad(b, large(b)) }

func benchmarkLoad(b *testing.B, fsys fstest.MapFS) {
	b.ReportAllocs()
	for b.Loop() {
		f, err := spec.Load(fsys, connectors())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.Compile(ids); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBomb is what a file costs that is nothing but brackets.
func BenchmarkBomb(b *testing.B) {
	f := org(b)
	f["roles.yaml"] = &fstest.MapFile{Data: []byte(strings.Repeat("[", 256<<10))}
	for b.Loop() {
		if _, err := spec.Load(f, connectors()); err == nil {
			b.Fatal("accepted")
		}
	}
}
