package rest

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
)

// A service that refuses may say in its words what it was sent, credentials and all: a proxy in debug mode, a canonical request that was to be signed. Those
// words go into the ledger for good, so what the call proved itself with is taken out of a refusal before anything reads it.

// minCarried is how long a piece of a header is that counts as a credential: the id of an AWS key has 20 bytes, the words around it fewer.
const minCarried = 16

// carried are the pieces of credentials in a request: what signing it added, and what the caller put in by name.
func carried(before, signed http.Header) (out []string) {
	for name, values := range signed {
		lower := strings.ToLower(name)
		if _, was := before[name]; was && !strings.Contains(lower, "auth") && !strings.Contains(lower, "token") {
			continue
		}
		for _, v := range values {
			out = append(out, pieces(v)...)
		}
	}
	return out
}

// pieces are the words of a header's value and the parts of those, long ones first.
func pieces(value string) (out []string) {
	add := func(s string) {
		if len(s) >= minCarried {
			out = append(out, s)
		}
	}
	for word := range strings.FieldsSeq(value) {
		add(word)
		for part := range strings.FieldsFuncSeq(word, func(r rune) bool { return strings.ContainsRune("=/,;:", r) }) {
			add(part)
		}
		if clear, err := base64.StdEncoding.DecodeString(word); err == nil {
			_, password, _ := strings.Cut(string(clear), ":")
			add(password)
		}
	}
	return out
}

// withoutCarried blanks them out.
func withoutCarried(body []byte, secrets []string) []byte {
	for _, s := range secrets {
		body = bytes.ReplaceAll(body, []byte(s), []byte("[redacted]"))
	}
	return body
}
