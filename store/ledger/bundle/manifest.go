package bundle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Format is the version of the layout.
const Format = "countersign-bundle/1"

// Manifest says what a bundle is: the sheet that goes with information produced by the entity under audit.
type Manifest struct {
	Format    string `json:"format"`
	Tool      string `json:"tool"`      // program and version
	Query     string `json:"query"`     // what was asked of the ledger, in words
	Generated string `json:"generated"` // when, as ledger.FormatTime writes it
	Origin    string `json:"origin"`
	Rows      int64  `json:"rows"` // entries; complete, because the head signs their number
	Root      string `json:"root"`
	FirstTime string `json:"first_time,omitempty"`
	LastTime  string `json:"last_time,omitempty"`
	Openings  int64  `json:"openings"`           // texts that are disclosed
	Exporter  string `json:"exporter,omitempty"` // who made it, as the program knew them
	Files     []File `json:"files"`              // all but MANIFEST.json, custody and SHA256SUMS, by name
}

// File is one file of a bundle.
type File struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Manifest reads what the bundle says about itself.
func (b *Bundle) Manifest() (m Manifest, err error) {
	defer wrap(&err, "reading %s", fileManifest)
	raw, err := b.read(fileManifest)
	if err != nil {
		return m, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil || dec.More() {
		return m, malformed("%q is not a manifest: %v", fileManifest, err)
	}
	if m.Format != Format {
		return m, malformed("%q is of format %q, this program reads %q", fileManifest, m.Format, Format)
	}
	return m, nil
}

// CheckFiles hashes every file and compares it with SHA256SUMS and the manifest, and the manifest with the head. It gives sentences
// for what does not fit; an error means that there is no verdict.
func (b *Bundle) CheckFiles(ctx context.Context) (problems []string, err error) {
	defer wrap(&err, "comparing files with their sums")
	m, err := b.Manifest()
	if err != nil {
		return nil, err
	}
	sums, err := b.readSums()
	if err != nil {
		return nil, err
	}
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if m.Origin != b.head.Origin || m.Rows != b.head.Size || m.Root != b.head.Root.String() {
		say("The manifest is about %d entries of %q with root %s, the head about %d of %q with root %s.",
			m.Rows, m.Origin, m.Root, b.head.Size, b.head.Origin, b.head.Root)
	}
	listed := make(map[string]File, len(m.Files))
	for _, f := range m.Files {
		listed[f.Name] = f
		if _, there := b.size[f.Name]; !there {
			say("The file %s is missing: the manifest lists it.", f.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.size)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if name == fileSums {
			continue
		}
		sum, err := b.sum(name)
		if err != nil {
			return nil, err
		}
		f, inManifest := listed[name]
		switch {
		case !beside(name) && !inManifest:
			say("The file %s is not in the manifest: it was added.", name)
		case !beside(name) && (f.SHA256 != sum || f.Bytes != b.size[name]):
			say("The file %s was changed after the manifest was written.", name)
		case sums[name] != sum:
			say("The file %s does not have the sum that SHA256SUMS says.", name)
		}
		if hex, ok := strings.CutPrefix(name, dirDocuments); ok && hex != sum {
			say("The document %s was changed: its bytes have the sum %s.", hex, sum)
		}
		delete(sums, name)
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		say("The file %s is missing: SHA256SUMS lists it.", name)
	}
	texts, err := b.countLines(fileOpenings)
	if err == nil && texts != m.Openings {
		say("The manifest is about %d disclosed texts, %s has %d.", m.Openings, fileOpenings, texts)
	}
	return problems, err
}

// beside tells whether a file is not in the manifest because it is about it.
func beside(name string) bool { return name == fileManifest || name == fileCustody }

// Custody gives the note that says who made the bundle, nil when there is none, and the sum of the manifest that it must be about. Its
// signature is for ledger.OpenCustody to judge.
func (b *Bundle) Custody() (note []byte, manifest [sha256.Size]byte, err error) {
	if _, ok := b.size[fileCustody]; !ok {
		return nil, manifest, nil
	}
	raw, err := b.read(fileManifest)
	if err != nil {
		return nil, manifest, err
	}
	manifest = sha256.Sum256(raw)
	raw, err = b.read(fileCustody)
	return bytes.Clone(raw), manifest, err
}

// countLines gives the number of lines of a file, 0 for one that is not there.
func (b *Bundle) countLines(name string) (n int64, err error) {
	lines, err := b.lines(name)
	if err != nil || lines == nil {
		return 0, err
	}
	defer lines.Close()
	for {
		line, err := lines.next()
		if err != nil || line == nil {
			return n, err
		}
		n++
	}
}

// readSums reads SHA256SUMS: a sum, two spaces and a name on each line.
func (b *Bundle) readSums() (map[string]string, error) {
	raw, err := b.read(fileSums)
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(b.size))
	if !bytes.HasSuffix(raw, []byte("\n")) {
		return nil, malformed("%q does not end with a whole line: it was cut off", fileSums)
	}
	for line := range strings.Lines(string(raw)) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if _, twice := out[name]; !ok || !isHex(sum, 64) || twice {
			return nil, malformed("%q: %q is not a sum and a name, or the name is there twice", fileSums, line)
		}
		out[name] = sum
	}
	return out, nil
}

func (b *Bundle) sum(name string) (string, error) {
	r, err := b.files.open(name)
	if err != nil {
		return "", err
	}
	defer r.Close()
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(r, b.size[name]+1))
	if err != nil {
		return "", err
	}
	if n != b.size[name] {
		return "", malformed("%q changed its size while it was read", name)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
