package runbooks

import (
	"context"
	"fmt"
	"strings"
)

// What a target's own log says of a call: which grant it is for, and for whom.

// telling is the key of a grant in a context.
type telling struct{}

// Telling gives calls under the context the grant that they are for, so that what speaks to the target can say it there. The Runner does so
// for every call of a connector.
func Telling(ctx context.Context, g Grant) context.Context {
	return context.WithValue(ctx, telling{}, g.TagFor())
}

// Told is what the context's grant is called in a target's log: TagFor; empty when there is none.
func Told(ctx context.Context) string {
	tag, _ := ctx.Value(telling{}).(string)
	return tag
}

// TagFor is Tag with the holder's name: "countersign grant=g_… request=r_… holder=Maya%20Chen". Of the name only ASCII letters, digits, dots, dashes
// and underscores stand as they are, so that it can be written wherever Tag can; it is empty where Tag refuses.
func (g Grant) TagFor() string {
	tag, err := g.Tag()
	if err != nil || g.Holder == "" {
		return tag
	}
	return tag + " holder=" + encodeName(g.Holder)
}

// encodeName writes a name in %XX, cut to a length that every log takes and never within a character.
func encodeName(name string) string {
	var b strings.Builder
	for _, r := range name {
		one := ""
		for _, c := range []byte(string(r)) {
			if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_' {
				one += string(rune(c))
			} else {
				one += fmt.Sprintf("%%%02X", c)
			}
		}
		if b.Len()+len(one) > maxTold {
			break
		}
		b.WriteString(one)
	}
	return b.String()
}
