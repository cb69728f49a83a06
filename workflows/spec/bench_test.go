package spec_test

import (
	"fmt"
	"slices"
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

// fiveHundred is the example company with its chains copied until there are 500, conditions, rules and all.
func fiveHundred(tb testing.TB) fstest.MapFS {
	f := company(tb)
	var names []string
	for n := range f {
		if strings.HasPrefix(n, "workflows/") {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	for i := len(names); i < 500; i++ {
		from := strings.TrimSuffix(strings.TrimPrefix(names[i%len(names)], "workflows/"), ".yaml")
		id := fmt.Sprintf("%s-%d", from, i/len(names))
		f["workflows/"+id+".yaml"] = file(strings.Replace(string(f["workflows/"+from+".yaml"].Data), "id: "+from+"\n", "id: "+id+"\n", 1))
	}
	return f
}

// BenchmarkCheck500 is what `countersign check` does with 500 workflows: read, judge, warn, compile. The figure to hold is 2 s.
func BenchmarkCheck500(b *testing.B) {
	f := fiveHundred(b)
	for b.Loop() {
		folder, err := spec.Load(f, connectors())
		if err != nil {
			b.Fatal(err)
		}
		folder.Lint(today)
		p, err := folder.Compile(ids)
		if err != nil || len(p.Workflows) != 500 {
			b.Fatal(len(p.Workflows), err)
		}
	}
}

func BenchmarkLoadCompany(b *testing.B) { benchmarkLoad(b, company(b)) }
