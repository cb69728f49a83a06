package screens_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign-bot/countersign/bot/screens"
)

// packedWords is what words.gz says: each English sentence with its translations, in the order of Languages without English.
type packedWords struct {
	Words    map[string][]string `json:"words"`
	Refusals map[string][]string `json:"refusals"`
}

// packedFromFiles is what words.gz has to say.
func packedFromFiles(t *testing.T) packedWords {
	t.Helper()
	langs := screens.Languages()[1:]
	out := packedWords{Words: map[string][]string{}, Refusals: map[string][]string{}}
	put := func(into map[string][]string, i int, own map[string]string) {
		for english, s := range own {
			if into[english] == nil {
				into[english] = make([]string, len(langs))
			}
			into[english][i] = s
		}
	}
	for i, lang := range langs {
		w := wordsOf(t, lang)
		put(out.Words, i, w.Words)
		put(out.Refusals, i, w.Refusals)
	}
	return out
}

func writePacked(t *testing.T, p packedWords) {
	t.Helper()
	var b, flat bytes.Buffer
	e := json.NewEncoder(&flat)
	e.SetEscapeHTML(false)
	if err := e.Encode(p); err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	_, err = z.Write(flat.Bytes())
	if err == nil {
		err = z.Close()
	}
	if err == nil {
		err = os.WriteFile("words.gz", b.Bytes(), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestWordsArePacked: the program carries words.gz, people edit words/*.json. What is compared is what it says, not its bytes: another version of Go
// may pack it otherwise.
func TestWordsArePacked(t *testing.T) {
	want := packedFromFiles(t)
	if *update {
		writePacked(t, want) // what this very program carries is the one before
		return
	}
	raw, err := os.ReadFile("words.gz")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	flat, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	var have packedWords
	if err := json.Unmarshal(flat, &have); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("words.gz does not say what words/*.json say; run `go test ./bot/screens -run TestWordsArePacked -update` (-files +packed):\n%s", diff)
	}
	for english, own := range want.Words {
		for i, lang := range screens.Languages()[1:] {
			if said := (screens.Locale{Lang: lang}).Of(english); own[i] != "" && said != own[i] {
				t.Errorf("%s: the program says %q for %q, its file says %q", lang, said, english, own[i])
			}
		}
	}
}
