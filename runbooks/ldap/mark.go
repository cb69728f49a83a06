package ldap

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/countersign-bot/countersign/runbooks"
	"github.com/countersign-bot/countersign/workflows"
)

// mark is what the bot writes beside a membership that it made. Its form is kept for ever: marks outlive versions of the bot.
type mark struct {
	raw     string // as the directory has it
	grant   workflows.GrantID
	end     time.Time
	account string
	member  string // the value beside which it stands
}

var markGrammar = regexp.MustCompile(`^countersign grant=(g_[0-9A-Za-z_-]+)(?: request=r_[0-9A-Za-z_-]+)? end=([0-9TZ:-]+) account=("(?:[^"\\]|\\.)*") member=(.+)$`)

func newMark(g runbooks.Grant, tag, member string) mark {
	end := g.End.UTC().Truncate(time.Second)
	return mark{
		raw:   fmt.Sprintf("%s end=%s account=%s member=%s", tag, end.Format(time.RFC3339), strconv.Quote(g.Account), member),
		grant: g.ID, end: end, account: g.Account, member: member,
	}
}

func parseMark(s string) (mark, bool) {
	parts := markGrammar.FindStringSubmatch(s)
	if parts == nil {
		return mark{}, false
	}
	end, err := time.Parse(time.RFC3339, parts[2])
	account, err2 := strconv.Unquote(parts[3])
	if err != nil || err2 != nil {
		return mark{}, false
	}
	return mark{raw: s, grant: workflows.GrantID(parts[1]), end: end, account: account, member: parts[4]}, true
}
