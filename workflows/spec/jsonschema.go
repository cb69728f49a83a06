package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// SchemaKinds are the kinds of file that have a schema, in the order of the reference.
func SchemaKinds() []string {
	var out []string
	for _, f := range fileKinds() {
		out = append(out, f.kind)
	}
	return out
}

// SchemaFile is where the files of a kind stand in the folder: "workflows/*.yaml".
func SchemaFile(kind string) string {
	for _, f := range fileKinds() {
		if f.kind == kind {
			return f.name
		}
	}
	return ""
}

// JSONSchema is the schema of one kind of file in the dialect 2020-12, for editors: keys with their meaning, and what may stand there as far
// as one file can say. It is made of the tables that judge the files. What it admits may still be refused: names in other files,
// conditions and sums are judged by Load only.
func JSONSchema(kind string) ([]byte, error) {
	for _, f := range fileKinds() {
		if f.kind != kind {
			continue
		}
		root := schemaOf(f.shape)
		root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
		root["title"] = "Countersign: " + f.name
		root["description"] = f.what
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(root); err != nil {
			return nil, fmt.Errorf("schema of %q: %w", kind, err)
		}
		return b.Bytes(), nil
	}
	hint := meantOr(kind, SchemaKinds())
	return nil, fmt.Errorf("there is no kind of file %q; %s", kind, hint)
}

// schemaOf is the schema of one place.
func schemaOf(s shape) map[string]any {
	out := schemaOfKind(s)
	if s.kind == kindList && s.one {
		out = map[string]any{"anyOf": []any{schemaOf(*s.of), out}}
	}
	if s.alt != nil {
		out = map[string]any{"anyOf": []any{schemaOf(*s.alt), out}}
	}
	return out
}

func schemaOfKind(s shape) map[string]any {
	switch s.kind {
	case kindList:
		return map[string]any{"type": "array", "items": schemaOf(*s.of), "maxItems": s.max}
	case kindMap:
		if s.keys == nil {
			return map[string]any{"type": "object", "propertyNames": schemaOf(*s.names), "additionalProperties": schemaOf(*s.of), "maxProperties": s.max}
		}
		return schemaOfObject(s)
	case kindInt:
		return map[string]any{"type": "integer", "minimum": s.lang.lo, "maximum": s.lang.hi}
	case kindBool:
		return map[string]any{"type": "boolean"}
	}
	out := map[string]any{"type": "string"}
	if s.lang.enum != nil {
		out["enum"] = s.lang.enum
	}
	if s.lang.regex != "" { // blank space round a block text does not count
		out["pattern"] = `^\s*(` + s.lang.regex + `)\s*$`
	}
	if s.lang.length > 0 {
		out["maxLength"] = s.lang.length + 1 // and the line break that ends a block text
	}
	return out
}

func schemaOfObject(s shape) map[string]any {
	properties := map[string]any{}
	need := []string{}
	for _, k := range s.keys {
		p := schemaOf(k.is)
		p["description"] = k.what
		properties[k.name] = p
		if k.need {
			need = append(need, k.name)
		}
	}
	out := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(need) > 0 {
		out["required"] = need
	}
	return out
}
