package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/countersign-bot/countersign/workflows/spec"
)

// schemaCommand prints the JSON Schema of one kind of file, or writes all of them for an editor.
func schemaCommand(_ context.Context, p proc) error {
	flags := p.flags("schema", "[-out DIR] [KIND]")
	out := flags.String("out", "", "write the schemas of all kinds into this `folder`")
	if err := p.parse(flags, 0, 1); err != nil {
		return err
	}
	switch kind := flags.Arg(0); {
	case *out != "" && kind != "":
		return usageError{"-out writes all kinds: leave " + kind + " out"}
	case *out != "":
		return writeSchemas(p, *out)
	case kind == "":
		return listSchemas(p)
	default:
		b, err := spec.JSONSchema(kind)
		if err != nil {
			return err
		}
		_, err = p.out.Write(b)
		return err
	}
}

func listSchemas(p proc) error {
	w := tabwriter.NewWriter(p.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tFILES")
	for _, k := range spec.SchemaKinds() {
		fmt.Fprintf(w, "%s\t%s\n", k, spec.SchemaFile(k))
	}
	return w.Flush()
}

// writeSchemas writes a file for each kind, and says what an editor has to be told.
func writeSchemas(p proc, dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("making %s: %w", dir, err)
	}
	var lines []string
	for _, k := range spec.SchemaKinds() {
		b, err := spec.JSONSchema(k)
		if err != nil {
			return err
		}
		name := filepath.Join(dir, k+".schema.json")
		if err := os.WriteFile(name, b, 0o640); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		if files := spec.SchemaFile(k); strings.HasSuffix(files, ".yaml") {
			lines = append(lines, fmt.Sprintf("  %q: %q", filepath.ToSlash(name), files))
		}
	}
	fmt.Fprintf(p.out, "\"yaml.schemas\": {\n%s\n}\n", strings.Join(lines, ",\n"))
	fmt.Fprintf(p.err, "Wrote %d schemas to %s. The lines above belong into the settings of an editor that speaks YAML, such as .vscode/settings.json.\n", len(spec.SchemaKinds()), dir)
	return nil
}
