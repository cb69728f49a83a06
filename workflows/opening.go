package workflows

import "slices"

// RequestOpened says that somebody who can decide an open stage had the request before them on a screen of its own: its form to read and decide, its
// page, its full text by a command. A card that stands in a channel or comes as a message is not opened by being there.
type RequestOpened struct {
	Stage   int    `json:"stage"`
	How     string `json:"how"`   // OpenedToRead …
	Shown   string `json:"shown"` // as of a vote: what stood there
	Channel string `json:"channel"`
}

// Kind name for the ledger.
func (RequestOpened) Kind() string { return "request.opened" }

// The ways in which a request is opened.
const (
	OpenedToRead  = "read"  // the form that shows all of it
	OpenedToDeny  = "deny"  // the form of a denial
	OpenedToOffer = "offer" // the form of a counter-offer
	OpenedPage    = "page"  // its page in the browser
	OpenedStatus  = "status"
)

// Unopened is what a vote says of its voter who had not opened the request. Zero is a vote of a program that did not look at that, and one that rests on
// an offer of before.
const Unopened = -1

// Opening is a request as somebody had it before them.
type Opening struct {
	Person PersonID
	At     Instant
	Seq    int64 // of its entry
}

// Opens is somebody who has a request before them.
type Opens struct {
	By      Acting
	How     string
	Channel string
}

// NewsOf tells whether an opening is worth an entry: by somebody who can decide now, for the first time in this stage.
func (s State) NewsOf(p PersonID) bool {
	st := s.Open()
	return st != nil && containsPerson(s.CanVote(), p) && st.openedBy(p, 0) == Unopened
}

// Open records that somebody who can decide now has the request before them, once for each stage.
func Open(f Facts, id RequestID, o Opens) (Outcome, error) {
	s, err := Fold(f.Histories[RequestStream(id)])
	if err != nil || !s.NewsOf(o.By.Person) {
		return Outcome{}, err
	}
	t := newTurn(s, id, f.Now)
	t.add(o.By, RequestOpened{Stage: s.Current, How: o.How, Shown: s.Shown(s.Current), Channel: o.Channel})
	return t.done()
}

func (s *StageState) opening(r *Record) {
	if s.openedBy(r.Person, 0) == Unopened {
		s.Openings = append(slices.Clip(s.Openings), Opening{r.Person, r.At, r.Seq})
	}
}

// openedBy is the place of the entry by which somebody opened the request before a moment, or Unopened. The zero moment: at any time.
func (s *StageState) openedBy(p PersonID, before Stamp) int64 {
	for _, o := range s.Openings {
		if o.Person == p && (before.IsZero() || o.At.UTC <= before) {
			return o.Seq
		}
	}
	return Unopened
}
