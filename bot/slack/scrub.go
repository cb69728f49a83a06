package slack

import "bytes"

// Scrub gives a stored payload without what opens doors: the values of response_url, trigger_id, token and bot_access_token, wherever they stand, are empty.
// Every other byte stays as it was. An Interaction's Digest is that of the scrubbed payload, so that it still proves which click it was
// once the payload is kept without them. What is no JSON comes back as it is.
func Scrub(body []byte) []byte {
	out := make([]byte, 0, len(body))
	secret := false // the next string is the value of such a key
	for i := 0; i < len(body); {
		if body[i] != '"' {
			if c := body[i]; c != ' ' && c != '\t' && c != '\n' && c != '\r' && c != ':' {
				secret = false
			}
			out = append(out, body[i])
			i++
			continue
		}
		end := stringEnd(body, i)
		text := body[i:end]
		isKey := nextIsColon(body, end)
		switch {
		case secret && !isKey:
			out = append(out, '"', '"')
			secret = false
		default:
			out = append(out, text...)
			secret = isKey && isSecretKey(text)
		}
		i = end
	}
	return out
}

// stringEnd is the index behind the string that begins at i.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

func nextIsColon(b []byte, i int) bool {
	rest := bytes.TrimLeft(b[i:], " \t\r\n")
	return len(rest) > 0 && rest[0] == ':'
}

func isSecretKey(quoted []byte) bool {
	switch string(quoted) {
	case `"response_url"`, `"trigger_id"`, `"token"`, `"bot_access_token"`:
		return true
	}
	return false
}
