package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Custody says who made a bundle and when: where the chain of custody of exported evidence begins. It binds the manifest, which binds every
// other file. Signed by the key of the ledger it comes from the house that runs the ledger, not from somebody who repacked its entries.
// Frozen: five lines, then the signature, as https://c2sp.org/signed-note has it.
//
//	countersign custody v1
//	example.com/countersign/main
//	5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef
//	2026-11-22T01:02:03.456789Z
//	unix user ann (1000) on bot-1
type Custody struct {
	Origin   string
	Manifest [sha256.Size]byte // SHA-256 of MANIFEST.json
	Time     int64             // microseconds since 1970
	Exporter string            // who, in words of the program that made the bundle: one line, at most maxExporter bytes
}

const custodyHeader = "countersign custody v1\n" // no origin begins so: nothing that signs this can be taken for a checkpoint

// Sign makes the note.
func (c Custody) Sign(k Key) ([]byte, error) {
	if k.origin != c.Origin || !isName(c.Exporter, maxExporter) {
		return nil, fmt.Errorf("signing custody of %q: the key is of %q, or who exported (%q) is not one line of text", c.Origin, k.origin, c.Exporter)
	}
	s, err := k.Signer()
	if err != nil {
		return nil, err
	}
	msg, err := note.Sign(&note.Note{Text: c.text()}, s)
	if err != nil {
		return nil, fmt.Errorf("signing custody of %q: %w", c.Origin, err)
	}
	return msg, nil
}

func (c Custody) text() string {
	return custodyHeader + c.Origin + "\n" + hex.EncodeToString(c.Manifest[:]) + "\n" + FormatTime(c.Time) + "\n" + c.Exporter + "\n"
}

// OpenCustody reads a note that one of the keys has signed. Errors are ErrSignature, ErrNotSigned, or say what does not make it one.
func OpenCustody(msg []byte, keys note.Verifiers) (c Custody, err error) {
	if len(msg) > maxNote {
		return c, fmt.Errorf("reading custody: %d bytes exceed the limit of %d", len(msg), maxNote)
	}
	n, err := note.Open(msg, keys)
	if err != nil {
		return c, fmt.Errorf("reading custody: %w", translateNote(err))
	}
	lines := strings.Split(n.Text, "\n")
	bad := errors.New("reading custody: want five lines: what it is, origin, sum of the manifest, time, who exported")
	if len(lines) != 6 || lines[0]+"\n" != custodyHeader || !isHash(lines[2]) {
		return c, bad
	}
	sum, err := hex.DecodeString(lines[2])
	if err != nil {
		return c, bad
	}
	c = Custody{Origin: lines[1], Manifest: [sha256.Size]byte(sum), Exporter: lines[4]}
	if c.Time, err = ParseTime(lines[3]); err != nil || c.text() != n.Text || CheckOrigin(c.Origin) != nil || !isName(c.Exporter, maxExporter) {
		return c, bad
	}
	return c, nil
}
