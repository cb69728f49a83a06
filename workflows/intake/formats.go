package intake

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// csv reads a table whose first row names the columns. Lists within a cell are separated by semicolons.
func (x *reading) csv(r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	if head, err := in.Peek(3); err == nil {
		switch {
		case bytes.HasPrefix(head, []byte{0xef, 0xbb, 0xbf}):
			in.Discard(3)
		case head[0] == 0xff && head[1] == 0xfe || head[0] == 0xfe && head[1] == 0xff || head[1] == 0:
			x.wrong("row 1", "", "the file is UTF-16: save it as UTF-8")
			return nil
		}
	}
	c := csv.NewReader(in)
	c.FieldsPerRecord, c.ReuseRecord = -1, true
	var columns []string
	for {
		record, err := c.Read()
		line, _ := c.FieldPos(0)
		if errors.Is(err, io.EOF) {
			if columns == nil {
				x.wrong("row 1", "", "the file is empty; its first row names the columns: %s", strings.Join(Columns(), ", "))
			}
			return nil
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			x.wrong(fmt.Sprintf("row %d", bad.Line), "", "%v", bad.Err)
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the file: %w", err)
		}
		place := fmt.Sprintf("row %d", line)
		if columns == nil {
			if columns = x.header(place, record); columns == nil {
				return nil
			}
			continue
		}
		if err := x.csvRow(place, columns, record); err != nil {
			return err
		}
	}
}

func (x *reading) header(place string, record []string) []string {
	var out []string
	for _, name := range record {
		name = strings.ToLower(strings.TrimSpace(name))
		switch {
		case !slices.Contains(Columns(), name):
			x.wrong(place, name, "there is no such column; there are: %s", strings.Join(Columns(), ", "))
		case slices.Contains(out, name):
			x.wrong(place, name, "the column stands there twice")
		}
		out = append(out, name)
	}
	if len(x.problems) > 0 {
		return nil
	}
	return out
}

func (x *reading) csvRow(place string, columns, record []string) error {
	if len(record) != len(columns) {
		x.wrong(place, "", "it has %d cells, the first row names %d columns", len(record), len(columns))
		if len(x.problems) >= maxProblems {
			return errEnough
		}
		return nil
	}
	cells := make(map[string]string, len(columns))
	for i, name := range columns {
		cells[name] = strings.TrimPrefix(record[i], "'") // what export put before what looks like a formula
	}
	return x.take(place, cells)
}

// json reads an array of objects, or objects one after the other, without keeping them.
func (x *reading) json(r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	array := false
	for {
		b, err := in.Peek(1)
		if err != nil {
			break
		}
		if b[0] != ' ' && b[0] != '\n' && b[0] != '\r' && b[0] != '\t' {
			array = b[0] == '['
			break
		}
		in.Discard(1)
	}
	dec := json.NewDecoder(in)
	dec.UseNumber()
	if array {
		if _, err := dec.Token(); err != nil {
			return fmt.Errorf("reading the file: %w", err)
		}
	}
	for n := 1; dec.More(); n++ {
		place := fmt.Sprintf("item %d", n)
		var object map[string]any
		if err := dec.Decode(&object); err != nil {
			if errors.Is(err, ErrTooLarge) {
				return err
			}
			x.wrong(place, "", "it cannot be read: %v", err)
			return nil
		}
		if err := x.object(place, object); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); array && err != nil {
		x.wrong("end of the file", "", "the list is not closed")
	}
	return nil
}

// object flattens a document's object into cells.
func (x *reading) object(place string, object map[string]any) error {
	cells := map[string]string{}
	for name, v := range object {
		switch v := v.(type) {
		case nil:
		case string:
			cells[name] = v
		case []any:
			var items []string
			for _, i := range v {
				text, ok := i.(string)
				if !ok || strings.Contains(text, ";") {
					x.wrong(place, name, "want a list of texts without semicolons")
				}
				items = append(items, text)
			}
			cells[name] = strings.Join(items, ";")
		case json.Number, uint64, int64, float64:
			cells[name] = fmt.Sprint(v)
		default:
			x.wrong(place, name, "want a text or a list of texts")
		}
	}
	return x.take(place, cells)
}

// yaml reads a list of objects under "identities", or alone.
func (x *reading) yaml(r io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(r, maxYAML+1))
	if err != nil {
		return fmt.Errorf("reading the file: %w", err)
	}
	if len(text) > maxYAML {
		return fmt.Errorf("a YAML file has at most %d MiB here: use CSV or JSON for more", maxYAML>>20)
	}
	var wrapped struct {
		Identities []map[string]any `yaml:"identities"`
	}
	if err := yaml.UnmarshalWithOptions(text, &wrapped, yaml.Strict()); err != nil {
		if errList := yaml.Unmarshal(text, &wrapped.Identities); errList != nil {
			x.wrong("the file", "", "it cannot be read as YAML: %v", err)
			return nil
		}
	}
	for i, object := range wrapped.Identities {
		if err := x.object(fmt.Sprintf("item %d", i+1), object); err != nil {
			return err
		}
	}
	return nil
}
