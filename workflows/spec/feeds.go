package spec

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/workflows"
	"github.com/countersign-bot/countersign/workflows/calendar"
)

// Feeds are iCalendar files that others keep, named by their address. This room never fetches: it is given the last good copy. Those who keep a
// feed say when somebody is on shift; who may be asked at all is written in the folder, so that no address decides who approves.

// Feed is an address that the folder names.
type Feed struct {
	Address string // https; it may hold a secret
	Uses    []Use
}

// Use is where a feed is named.
type Use struct {
	Rotation string // its name; or
	Calendar string // of a calendar, whose holidays the events are
	at       *value
}

// String is such as "rotation sre".
func (u Use) String() string {
	if u.Rotation != "" {
		return "rotation " + u.Rotation
	}
	return "calendar " + u.Calendar
}

// Feeds lists the addresses that the folder names, each once, in the order of the files.
func (f *Folder) Feeds() []Feed {
	var out []Feed
	place := map[string]int{}
	add := func(v *value, u Use) {
		address := feedOf(v)
		if address == "" {
			return
		}
		i, ok := place[address]
		if !ok {
			i = len(out)
			place[address] = i
			out = append(out, Feed{Address: address})
		}
		u.at = v
		out[i].Uses = append(out[i].Uses, u)
	}
	for _, v := range f.calendars {
		add(v, Use{Calendar: v.str("name")})
	}
	for _, v := range f.rotations {
		add(v, Use{Rotation: v.str("name")})
	}
	return out
}

// feedAhead is how far a feed must have something for: one with nothing in the coming year is taken for broken.
const feedAhead = 366 * 24 * time.Hour

// TryFeed tells whether what a feed answered can stand for it wherever it is named: an error says why not. A rotation whose feed has no shift
// of anybody in the coming year would ask nobody.
func (f *Folder) TryFeed(feed Feed, raw []byte, now workflows.Stamp) error {
	for _, u := range feed.Uses {
		ical, err := calendar.ReadICS(raw, zoneOf(u.at, "zone"))
		if err != nil {
			return err
		}
		if u.Calendar != "" {
			_, err = ical.Between(calendar.First(calendar.Date{Year: holidaysFrom, Month: 1, Day: 1}, 0, time.UTC), calendar.First(calendar.Date{Year: holidaysTo + 1, Month: 1, Day: 1}, 0, time.UTC))
		} else {
			err = f.tryShifts(u.at, ical, now)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", u, err)
		}
	}
	return nil
}

func (f *Folder) tryShifts(v *value, ical *calendar.Feed, now workflows.Stamp) error {
	id := func(ref string) workflows.PersonID { return workflows.PersonID(f.index.keyOf(ref)) }
	r, strange, err := fetchedRotation(v, ical, id, nil)
	if err != nil {
		return err
	}
	changes, err := r.Changes(now, now.Add(feedAhead))
	if err != nil {
		return err
	}
	if len(changes) > 0 || len(r.On(now)) > 0 {
		return nil
	}
	if len(strange) > 0 {
		return fmt.Errorf("in the coming year it has no shift of anybody whom the rotation names; %s is somebody else", strange[0])
	}
	return errors.New("in the coming year it has no shift of anybody")
}

// fetchedRotation makes a rotation of the copy of a feed, nil where there is none. A copy that repeats too much to be answered counts as none.
func fetchedRotation(v *value, ical *calendar.Feed, id func(ref string) workflows.PersonID, over []calendar.Override) (*calendar.Rotation, []string, error) {
	may := map[workflows.PersonID]bool{}
	for _, p := range v.strs("people") {
		may[id(p)] = true
	}
	return calendar.NewFetchedRotation(ical, func(e calendar.Event) workflows.PersonID {
		if p, err := onShift(e, id); err == nil && may[p] {
			return p
		}
		return ""
	}, over)
}

// fetched reads the copy of a feed, and nothing where it cannot stand for it: nobody keeps such a copy on purpose, and it must not keep the bot from
// reading the rest of the folder.
func (c *checker) fetched(address string, zone *time.Location) *calendar.Feed {
	if c.copyOf == nil {
		return nil
	}
	raw := c.copyOf(address)
	if raw == nil {
		return nil
	}
	f, err := calendar.ReadICS(raw, zone)
	if err != nil {
		return nil
	}
	if _, _, err := calendar.NewFetchedRotation(f, func(calendar.Event) workflows.PersonID { return "" }, nil); err != nil {
		return nil
	}
	c.f.icals[feedID(address, zone)] = f
	return f
}

// whomFeedNames checks the people of a rotation whose shifts are kept elsewhere.
func (c *checker) whomFeedNames(v *value) {
	people := v.list("people")
	if len(people) == 0 && !hasBad(v) {
		c.at(v.get("ics"), "people: [ada, kenji]: whoever keeps the feed then decides when, and not who", "rotation %q does not say whom its feed may name", v.str("name"))
	}
	for _, p := range people {
		c.who(p)
	}
}

// Strange are the entries of a feed's copy that name nobody whom the rotations that go by it name, in words.
func (f *Folder) Strange(feed Feed) (out []string) {
	for _, u := range feed.Uses {
		if u.Rotation == "" {
			continue
		}
		_, strange, err := f.rotation(u.at, func(ref string) workflows.PersonID { return workflows.PersonID(f.index.keyOf(ref)) })
		if err == nil {
			out = append(out, strange...)
		}
	}
	return out
}

// unread warns of feeds of which no copy is here, and of entries that name nobody whom they may.
func (c *checker) unread() {
	for _, feed := range c.f.Feeds() {
		for _, u := range feed.Uses {
			at := u.at.get("ics")
			if c.f.icals[feedID(feed.Address, zoneOf(u.at, "zone"))] == nil {
				c.warn(at, "the bot reads it by itself; set COUNTERSIGN_DATA for its last copy, or see countersign calendar feeds", "%s: nothing of its feed is known here, so it counts as empty", u)
				continue
			}
			if strange := c.f.Strange(Feed{Uses: []Use{u}}); len(strange) > 0 {
				c.warn(at, "add them to people, or have the feed corrected", "%s: its feed has shifts of others, which count as nobody's: %s", u, few(strange))
			}
		}
	}
}

// few is a list for a sentence.
func few(list []string) string {
	if len(list) > 3 {
		return strings.Join(list[:3], "; ") + fmt.Sprintf("; and %d more", len(list)-3)
	}
	return strings.Join(list, "; ")
}
