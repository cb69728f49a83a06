package screens

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
)

// The words of all languages, made of words/*.json by `go test ./bot/screens -run TestWordsArePacked -update`: what people edit are those files.
// Together and packed they take 90 kB of the program where the files take 380. After a merge that stops at this file, take either and make it again.
//
//go:embed words.gz
var packedWords []byte

// packedFile is what lies in it: each English sentence with its translations, in the order of Languages without English. "" is none.
type packedFile struct {
	Words    map[string][]string `json:"words"`
	Refusals map[string][]string `json:"refusals"`
}

// unpacked are the catalogues by their language, without their patterns.
func unpacked() (map[string]*catalogue, error) {
	z, err := gzip.NewReader(bytes.NewReader(packedWords))
	if err != nil {
		return nil, fmt.Errorf("opening words.gz: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(z, maxWords))
	if err != nil {
		return nil, fmt.Errorf("unpacking words.gz: %w", err)
	}
	var f packedFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("reading words.gz: %w", err)
	}
	out := map[string]*catalogue{}
	for i, lang := range Languages()[1:] {
		out[lang] = &catalogue{Words: column(f.Words, i), Refusals: column(f.Refusals, i)}
	}
	return out, nil
}

// column is one language of a list.
func column(list map[string][]string, i int) map[string]string {
	out := make(map[string]string, len(list))
	for english, own := range list {
		if i < len(own) && own[i] != "" {
			out[english] = own[i]
		}
	}
	return out
}
