package screens

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	slackgo "github.com/slack-go/slack"

	"github.com/countersign-bot/countersign/workflows"
)

// Home is a person's page: what waits for them, what they asked for, what they have.
type Home struct {
	Name      string
	Waiting   []HomeRequest
	Mine      []HomeRequest
	Grants    []HomeGrant
	Reviews   []HomeReview
	Offers    []Item
	Runbooks  []Item
	More      map[string]int // list -> entries behind those that are shown
	From      map[string]int // list -> entries before those that are shown
	Owned     []Item         // non-human identities that the person answers for
	Duty      []Item         // who is on duty now, by rotation
	DrawnAt   workflows.Stamp
	MayDecide bool // false: not in the people file
	Away      *Away
	Proposals []Proposal
	In        Locale
	Pages     []HomePage // escalations that the reader was asked about
	Overdue   []string   // drills, as markup that is safe already
}

// HomeRequest is a request on a Home page.
type HomeRequest struct {
	Card     Card
	Delegate string // value of the button that lets somebody else decide; empty: no button
}

// HomeGrant is access that somebody has.
type HomeGrant struct {
	What   string
	For    string
	Access Access
	Done   string
	Extend string
}

// HomeReview is a review that waits.
type HomeReview struct{ Review Review }

// Names of the lists in Home.More.
const (
	HomeWaiting = "waiting"
	HomeMine    = "mine"
	HomeGrants  = "grants"
	HomeReviews = "reviews"
	HomeOwned   = "owned"
)

// HomeLines is how many entries of each list a Home page shows: four full lists stay below Slack's 100 blocks.
const HomeLines = homeLines

// Render draws the page.
func (h Home) Render() slackgo.HomeTabViewRequest {
	ask := button(ActForm, "form", h.In.Of("Ask for access"), h.In.Of("Open the form to ask for access"))
	ask.Style = slackgo.StylePrimary
	top := []slackgo.BlockElement{ask}
	if h.MayDecide {
		away := button(ActAway, "form", h.In.Of("I'm away…"), h.In.Of("Say that you are away, and who decides for you"))
		if h.Away != nil {
			away = button(ActBack, "back", h.In.Of("I'm back"), h.In.Of("End your time off"))
		}
		top = append(top, away)
	}
	blocks := []slackgo.Block{header(h.In.Of("Access, approvals and what you hold")), slackgo.NewActionBlock("ask", top...)}
	if h.Away != nil {
		blocks = append(blocks, section(h.Away.Sentence()))
	}
	if !h.MayDecide {
		blocks = append(blocks, note(h.In.Of("Your account is not in the people file, so you cannot decide. Ask the operator to add you.")))
	}
	for i, p := range h.Proposals[:min(len(h.Proposals), maxProposals)] {
		blocks = append(blocks, p.home(i)...)
	}
	blocks = append(blocks, h.cannotWait()...)
	blocks = append(blocks, h.waiting()...)
	blocks = append(blocks, h.grants()...)
	blocks = append(blocks, h.mine()...)
	blocks = append(blocks, h.reviews()...)
	blocks = append(blocks, h.itemList(h.In.Of("Identities you answer for"), h.Owned)...)
	blocks = append(blocks, h.pages(HomeOwned, len(h.Owned))...)
	blocks = append(blocks, h.itemList(h.In.Of("On duty now"), h.Duty)...)
	blocks = append(blocks, h.catalogue()...)
	blocks = append(blocks, note(h.In.Say("Updated at %s · `/access help` says what you can type.", h.In.When(h.DrawnAt))))
	return slackgo.HomeTabViewRequest{Type: slackgo.VTHomeTab, Blocks: slackgo.Blocks{BlockSet: within(blocks, maxBlocks)}}
}

// within takes out dividers, the last ones first, where a page is so full that Slack would refuse all of it.
func within(blocks []slackgo.Block, most int) []slackgo.Block {
	for i := len(blocks) - 1; i >= 0 && len(blocks) > most; i-- {
		if blocks[i].BlockType() == slackgo.MBTDivider {
			blocks = slices.Delete(blocks, i, i+1)
		}
	}
	return blocks
}

func (h Home) part(title, list string, n int, empty string) []slackgo.Block {
	out := []slackgo.Block{divider(), section("*" + title + "*")}
	if n == 0 {
		out = append(out, note(empty))
	}
	return append(out, h.pages(list, n)...)
}

// pages are the buttons that turn over a list that is longer than its part of the page.
func (h Home) pages(list string, n int) []slackgo.Block {
	from, more := h.From[list], h.More[list]
	if from == 0 && more == 0 {
		return nil
	}
	var row []slackgo.BlockElement
	if from > 0 {
		row = append(row, button(ActPage+".back", list+":"+strconv.Itoa(max(0, from-HomeLines)), h.In.Of("← Earlier"), h.In.Of("Show earlier entries of this list")))
	}
	if more > 0 {
		row = append(row, button(ActPage, list+":"+strconv.Itoa(from+n), h.In.Of("More →"), h.In.Of("Show more entries of this list")))
	}
	where := h.In.Say("%d to %d of %d", from+min(1, n), from+n, from+n+more)
	return []slackgo.Block{note(where), slackgo.NewActionBlock("page-"+list, row...)}
}

// itemList is a short list under a title; nothing where there is nothing to say.
func (h Home) itemList(title string, items []Item) []slackgo.Block {
	if len(items) == 0 {
		return nil
	}
	lines := make([]string, 0, len(items))
	for _, x := range items {
		lines = append(lines, "• *"+label(x.Title)+"* – "+x.Line)
	}
	return []slackgo.Block{divider(), section(h.In.listing("*"+title+"*", lines, listLines))}
}

func (h Home) waiting() []slackgo.Block {
	out := h.part(h.In.Of("Waiting for you"), HomeWaiting, len(h.Waiting), h.In.Of("Nothing waits for your decision."))
	for i, r := range h.Waiting {
		if i > 0 {
			out = append(out, divider())
		}
		c := r.Card
		c.Buttons.Done, c.Buttons.Revoke, c.Buttons.TakeBack, c.Buttons.Withdraw = "", "", "", ""
		c.compact = true
		out = append(out, c.entry()...)
		b := c.buttons()
		if r.Delegate != "" {
			b = append(b, button(ActDelegate, r.Delegate, h.In.Of("Delegate…"), h.In.Say("Let somebody else decide for you: %s", c.What)))
		}
		if len(b) > 0 {
			out = append(out, slackgo.NewActionBlock(fmt.Sprintf("waiting-%d", i), b...))
		}
	}
	return out
}

// entry is a request that waits, with what whoever decides it needs to know: what the card in the channel says, in at most five blocks, so that a
// full list and the rest of the page stay below Slack's 100.
func (c Card) entry() []slackgo.Block {
	head := c.sentence() + "\n" + c.In.Say("Decide by %s · %s", c.In.When(c.Deadline), code(string(c.ID))) + "\n*" + c.In.Of("Why") + "*"
	if c.Drill {
		head = "*" + c.In.Of("This is a drill.") + "*\n" + head
	}
	reason, _ := c.In.cut(strings.TrimSpace(c.Reason), shownRunes, shownLines)
	out := append([]slackgo.Block{section(head), c.In.typed(reason)}, c.filled(c.Fields[:len(c.Fields)-c.unseen()])...)
	out = append(out, fewFacts(c.facts())...)
	lines := []string{c.moreFields(), "", c.YouAre, c.Past, c.Next}
	if c.StepUp {
		lines[1] = c.stepUp()
	}
	if lines = slices.DeleteFunc(lines, func(s string) bool { return s == "" }); len(lines) > 0 {
		out = append(out, note(strings.Join(lines, "\n")))
	}
	return out
}

func (h Home) grants() []slackgo.Block {
	out := h.part(h.In.Of("Access you have"), HomeGrants, len(h.Grants), h.In.Of("You have no access through Countersign right now."))
	for i, g := range h.Grants {
		text := "*" + label(g.What) + "*"
		if g.For != "" {
			text += h.In.Say(", held by *%s*", label(g.For))
		}
		out = append(out, section(text+"\n"+g.Access.sentence(h.In)))
		var row []slackgo.BlockElement
		if g.Done != "" {
			row = append(row, h.In.doneButton(g.Done, g.What))
		}
		if g.Extend != "" {
			row = append(row, h.In.extendButton(g.Extend, g.What))
		}
		if len(row) > 0 {
			out = append(out, slackgo.NewActionBlock(fmt.Sprintf("grant-%d", i), row...))
		}
	}
	return out
}

func (h Home) mine() []slackgo.Block {
	out := h.part(h.In.Of("Your requests"), HomeMine, len(h.Mine), h.In.Of("You have no open requests."))
	for i, r := range h.Mine {
		c := r.Card
		out = append(out, section(h.In.Say("*%s* for *%s* · %s", label(c.What), c.Seconds, code(string(c.ID)))+"\n"+c.state()))
		if c.Buttons.Withdraw != "" {
			e := button(ActWithdraw, c.Buttons.Withdraw, h.In.Of("Withdraw"), h.In.Say("Withdraw your request for %s", c.What))
			e.Confirm = h.In.confirm(h.In.Of("Withdraw this request?"), h.In.Of("Nobody has to decide it any more."), h.In.Of("Withdraw"))
			out = append(out, slackgo.NewActionBlock(fmt.Sprintf("mine-%d", i), e))
		}
	}
	return out
}

func (h Home) reviews() []slackgo.Block {
	if len(h.Reviews) == 0 {
		return nil
	}
	out := h.part(h.In.Of("Reviews to close"), HomeReviews, len(h.Reviews), "")
	for i, r := range h.Reviews {
		out = append(out, section(r.Review.sentence()))
		if r.Review.Close != "" {
			out = append(out, slackgo.NewActionBlock(fmt.Sprintf("review-%d", i), button(ActReview, r.Review.Close, h.In.Of("Close review…"), h.In.Say("Close the review of %s", r.Review.Incident))))
		}
	}
	return out
}

func (h Home) catalogue() []slackgo.Block {
	lines := make([]string, 0, len(h.Offers))
	for _, o := range h.Offers {
		lines = append(lines, "• *"+label(o.Title)+"* – "+o.Line)
	}
	out := []slackgo.Block{divider()}
	if len(lines) == 0 {
		return append(out, section("*"+h.In.Of("What you can ask for")+"*"), note(h.In.Of("Nothing right now. Who may ask for what stands in the workflow files; their owner can add you.")))
	}
	out = append(out, section(h.In.listing("*"+h.In.Of("What you can ask for")+"*", lines, listLines)))
	if len(h.Runbooks) == 0 {
		return out
	}
	lines = lines[:0]
	for _, o := range h.Runbooks {
		lines = append(lines, "• *"+label(o.Title)+"* – "+o.Line)
	}
	return append(out, section(h.In.listing("*"+h.In.Of("Break glass")+"*", lines, listLines)))
}
