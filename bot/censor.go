package bot

import (
	"bytes"
	"encoding/json"

	"github.com/countersign-bot/countersign/workflows"
)

// Censor takes what looks like a credential out of what people typed in a payload, before anything keeps the payload (R87): the words of a
// command, the values of inputs, the text of a message. It tells whether there was any. What comes out is the same JSON but for those strings.
func Censor(raw []byte) ([]byte, bool) {
	key := ""
	return replaced(raw, func(token []byte, name bool) ([]byte, bool) {
		if name {
			key = string(token)
			return nil, false
		}
		if key != `"text"` && key != `"value"` {
			return nil, false
		}
		return censored(token)
	})
}

// stringEnd is where the JSON string that begins at i is over; -1 when it is not.
func stringEnd(raw []byte, i int) int {
	for j := i + 1; j < len(raw); j++ {
		switch raw[j] {
		case '\\':
			j++
		case '"':
			return j + 1
		}
	}
	return -1
}

func isKey(raw []byte, end int) bool {
	rest := bytes.TrimLeft(raw[end:], " \t\r\n")
	return len(rest) > 0 && rest[0] == ':'
}

func censored(token []byte) ([]byte, bool) {
	var s string
	if len(token) < 10 || json.Unmarshal(token, &s) != nil {
		return nil, false
	}
	clean, kind := workflows.WithoutCredentials(s)
	if kind == "" || clean == s {
		return nil, false
	}
	b, err := json.Marshal(clean)
	return b, err == nil
}

// replaced goes through the strings of a JSON text; change says what stands in the place of one, and whether anything else does. name tells
// whether it is the name of a value.
func replaced(raw []byte, change func(token []byte, name bool) ([]byte, bool)) ([]byte, bool) {
	var out bytes.Buffer
	found, from := false, 0
	for i := 0; i < len(raw); {
		if raw[i] != '"' {
			i++
			continue
		}
		end := stringEnd(raw, i)
		if end < 0 {
			return raw, false
		}
		if clean, ok := change(raw[i:end], isKey(raw, end)); ok {
			out.Write(raw[from:i])
			out.Write(clean)
			from, found = end, true
		}
		i = end
	}
	if !found {
		return raw, false
	}
	out.Write(raw[from:])
	return out.Bytes(), true
}
