package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/desk"
	"github.com/countersign-bot/countersign/workflows/identities"
)

// offboarded is one identity of somebody who left, for a program.
type offboarded struct {
	ID       workflows.IdentityID `json:"id"`
	Made     bool                 `json:"made,omitempty"` // they had asked for it, and somebody else owns it
	Decision string               `json:"decision"`       // undecided, keep, retire, replace
	By       string               `json:"by,omitempty"`
	At       workflows.Stamp      `json:"at,omitzero"`
	Owner    string               `json:"owner,omitempty"`
	Asked    []string             `json:"asked,omitempty"`
	Until    workflows.Stamp      `json:"until,omitzero"`
	Proof    string               `json:"proof,omitempty"`
	Done     bool                 `json:"done"`
}

// offboardReply is the off-boarding of a person as one list: each identity that they answered for or had asked for, with who decided what about it, and
// what is left to do. It is closed when nothing is.
func (s *serving) offboardReply(ctx context.Context, by workflows.Acting, word string) (reply, error) {
	if !s.desk.SeesInventory(ctx, by.Person) {
		return refusedReply(workflows.Refuse(workflows.CodeNotYours, "The off-boarding of people is for owners of Countersign, security, auditors and operators.", "countersign identities list shows yours.")), nil
	}
	who := s.personNamed(strings.TrimSpace(word))
	if who == "" {
		return refusedReply(workflows.Refuse(workflows.CodeBadField, "Nobody in the people file is called "+printable(word)+".", "countersign identities leaver KEY")), nil
	}
	list, left, err := s.desk.Offboarding(ctx, who)
	if err != nil {
		return reply{}, err
	}
	if !left {
		return reply{OK: true, Status: "none", Text: s.desk.Name(ctx, who) + " is not on record as having left.", Data: json.RawMessage(`{"identities":[]}`)}, nil
	}
	out, rows := reply{OK: true, Status: "open"}, []offboarded{}
	for _, i := range list.Items {
		row := offboarded{ID: i.ID, Made: i.Made, Decision: i.Decision, By: s.keyOf(string(i.By)), At: i.At, Owner: s.keyOf(i.Owner), Until: i.Until, Proof: i.Proof, Done: i.Done}
		for _, p := range i.Asked {
			row.Asked = append(row.Asked, s.keyOf(string(p)))
		}
		rows = append(rows, row)
		out.Lines = append(out.Lines, fmt.Sprintf("%s  %s", i.ID, s.offboardWords(ctx, i)))
	}
	open := list.Open()
	head := fmt.Sprintf("%s left on %s, as known from %s", s.desk.Name(ctx, who), dayOr(list.At, ""), list.Left.Source)
	if list.Left.Why == identities.LeftRole {
		head = fmt.Sprintf("%s has another role since %s, as known from %s", s.desk.Name(ctx, who), dayOr(list.At, ""), list.Left.Source)
	}
	switch {
	case !list.Begun:
		out.Text = head + ". What they hold is being taken back; the list comes next."
	case open > 0:
		out.Text = fmt.Sprintf("%s; grants taken back: %d. Open: %d of %s.", head, list.Grants, open, quantity(len(rows), "identity", "identities"))
	default:
		out.Status = "closed"
		out.Text = fmt.Sprintf("%s; grants taken back: %d. Closed: nothing is left to do about %s.", head, list.Grants, quantity(len(rows), "identity", "identities"))
	}
	out.Data, err = json.Marshal(map[string]any{"person": s.keyOf(string(who)), "left": list.At, "source": list.Left.Source, "status": out.Status, "open": open, "grants": list.Grants, "identities": rows})
	return out, err
}

// offboardWords says what was decided about one, by whom, and what is left to do.
func (s *serving) offboardWords(ctx context.Context, i desk.OffboardItem) string {
	whose := "theirs"
	if i.Made {
		whose = "asked for by them, owned by " + s.ownerWords(ctx, i.Owner)
	}
	by := fmt.Sprintf("by %s on %s", cmp.Or(s.desk.Name(ctx, i.By), "the bot"), dayOr(i.At, ""))
	if i.By == "" {
		by = "on " + dayOr(i.At, "")
	}
	secret := ""
	switch {
	case i.Proof != "" && i.Done:
		secret = "; its secret was replaced, the old one is dead: " + i.Proof
	case i.Until != 0 && i.Decision == desk.OffboardKept:
		secret = "; STILL TO DO: replace its secret until " + dayOr(i.Until, "")
	}
	switch i.Decision {
	case desk.OffboardKept:
		return whose + ": kept " + by + secret
	case desk.OffboardReplaced:
		return whose + ": secret replaced " + by + ": " + i.Proof
	case desk.OffboardRetired:
		if i.Done {
			return whose + ": taken off, decided " + by
		}
		return fmt.Sprintf("%s: to be taken off, decided %s; STILL TO DO: %s", whose, by, quantity(i.Left, "thing", "things"))
	}
	switch {
	case i.Made:
		return whose + ": UNDECIDED: its owner has its secret replaced until " + dayOr(i.Until, "no day")
	case len(i.Asked) == 0:
		return whose + ": UNDECIDED: nobody took it over, and it is suspended"
	}
	var asked []string
	for _, p := range i.Asked {
		asked = append(asked, s.desk.Name(ctx, p))
	}
	return whose + ": UNDECIDED: " + strings.Join(asked, ", ") + " asked until " + dayOr(i.Until, "")
}
