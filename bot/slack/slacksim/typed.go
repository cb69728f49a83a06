package slacksim

import (
	"regexp"
	"strings"
)

// typed is what Slack makes of text a person types: message text, in which the three characters with a meaning are escaped and
// @name and #name become mentions.
func (w *Workspace) typed(text string) string {
	text = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
	return mentionPattern().ReplaceAllStringFunc(text, func(word string) string {
		lead, name := splitMention(word)
		if u := w.findUser(name); strings.HasPrefix(name, "@") && u != nil {
			return lead + "<@" + u.ID + ">"
		}
		if c := w.findChannel(name); strings.HasPrefix(name, "#") && c != nil {
			return lead + "<#" + c.ID + "|" + c.Name + ">"
		}
		return word
	})
}

func mentionPattern() *regexp.Regexp { return regexp.MustCompile(`(^|\s)[@#][a-z0-9_.-]*[a-z0-9]`) }

func splitMention(word string) (lead, name string) {
	i := strings.IndexAny(word, "@#")
	return word[:i], word[i:]
}

// richTyped is the same as rich text, the form in which Slack's clients send what people write.
func (w *Workspace) richTyped(text string) Object {
	pattern := regexp.MustCompile("`([^`\n]+)`|\\*([^*\n]+)\\*|(?:^|\\s)[@#][a-z0-9_.-]*[a-z0-9]|https?://[^\\s<>]+")
	var leaves []any
	plain := func(s string) {
		if s != "" {
			leaves = append(leaves, Object{"type": "text", "text": s})
		}
	}
	from := 0
	for _, m := range pattern.FindAllStringSubmatchIndex(text, -1) {
		all := text[m[0]:m[1]]
		switch {
		case m[2] >= 0:
			plain(text[from:m[0]])
			leaves = append(leaves, Object{"type": "text", "text": text[m[2]:m[3]], "style": Object{"code": true}})
		case m[4] >= 0:
			plain(text[from:m[0]])
			leaves = append(leaves, Object{"type": "text", "text": text[m[4]:m[5]], "style": Object{"bold": true}})
		case strings.HasPrefix(all, "http"):
			plain(text[from:m[0]])
			leaves = append(leaves, Object{"type": "link", "url": all})
		default:
			lead, name := splitMention(all)
			leaf := w.mentionLeaf(name)
			if leaf == nil {
				continue
			}
			plain(text[from:m[0]] + lead)
			leaves = append(leaves, leaf)
		}
		from = m[1]
	}
	plain(text[from:])
	return Object{"type": "rich_text", "elements": []any{Object{"type": "rich_text_section", "elements": leaves}}}
}

func (w *Workspace) mentionLeaf(name string) any {
	if u := w.findUser(name); strings.HasPrefix(name, "@") && u != nil {
		return Object{"type": "user", "user_id": u.ID}
	}
	if c := w.findChannel(name); strings.HasPrefix(name, "#") && c != nil {
		return Object{"type": "channel", "channel_id": c.ID}
	}
	return nil
}
