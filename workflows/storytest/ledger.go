package storytest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/countersign-bot/countersign/workflows"
)

// Ledger is a ledger in memory with a clock that its owner moves. The zero value is not ready; New makes one.
type Ledger struct {
	Now       workflows.Instant
	Histories map[workflows.StreamID][]workflows.Record
	kinds     map[string]workflows.EventKind
	last      int64
}

// Start is the moment at which every ledger of New begins: Monday, 2 November 2026, 09:00 UTC, an hour of monotonic time.
func Start() workflows.Instant {
	return workflows.Instant{UTC: workflows.StampOf(time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)), Mono: int64(time.Hour)}
}

// New makes an empty ledger that knows how to decode the given kinds.
func New(kinds ...[]workflows.EventKind) *Ledger {
	l := &Ledger{Now: Start(), Histories: map[workflows.StreamID][]workflows.Record{}, kinds: map[string]workflows.EventKind{}}
	for _, list := range kinds {
		for _, k := range list {
			l.kinds[k.Name] = k
		}
	}
	return l
}

// Facts are what a decision may look at now. The histories are copies: a decision that writes into them changes nothing.
func (l *Ledger) Facts() workflows.Facts {
	f := workflows.Facts{Now: l.Now, Histories: map[workflows.StreamID][]workflows.Record{}}
	for s, h := range l.Histories {
		f.Histories[s] = append([]workflows.Record(nil), h...)
	}
	return f
}

// Append writes an outcome and gives the streams it changed.
func (l *Ledger) Append(out workflows.Outcome) []workflows.StreamID {
	var changed []workflows.StreamID
	seen := map[workflows.StreamID]bool{}
	for _, e := range out.Events {
		h := l.Histories[e.Stream]
		l.Histories[e.Stream] = append(h[:len(h):len(h)], workflows.Record{
			Index: l.last, ID: fmt.Sprintf("e_%d", l.last), Stream: e.Stream, Seq: int64(len(h)) + 1, At: l.Now,
			Actor: e.Actor, Person: e.Person, Cause: "story", Policy: e.Policy, Event: e.Event,
		})
		l.last++
		if !seen[e.Stream] {
			seen[e.Stream] = true
			changed = append(changed, e.Stream)
		}
	}
	return changed
}

// Pass moves both clocks.
func (l *Ledger) Pass(d time.Duration) { l.Now = l.Now.Add(d) }

// Step moves the wall clock alone, back when d is negative, as an administrator or a bad time server does.
func (l *Ledger) Step(d time.Duration) { l.Now.UTC = l.Now.UTC.Add(d) }

// RoundTrip gives the history as it comes back from its JSON.
func (l *Ledger) RoundTrip(h []workflows.Record) ([]workflows.Record, error) {
	out := append([]workflows.Record(nil), h...)
	for i := range out {
		e, err := l.Reread(out[i].Event)
		if err != nil {
			return nil, err
		}
		out[i].Event = e
	}
	return out, nil
}

// Reread encodes one event and decodes it through its kind.
func (l *Ledger) Reread(e workflows.Event) (workflows.Event, error) {
	k, ok := l.kinds[e.Kind()]
	if !ok {
		return nil, fmt.Errorf("rereading %q: no such kind", e.Kind())
	}
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encoding %q: %w", e.Kind(), err)
	}
	p := k.New()
	if err := json.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("decoding %q: %w", e.Kind(), err)
	}
	return k.Value(p), nil
}

// Erase gives the history with every sealed field empty, as it is once the openings are gone.
func Erase(h []workflows.Record) []workflows.Record {
	out := append([]workflows.Record(nil), h...)
	for i := range out {
		v := reflect.New(reflect.TypeOf(out[i].Event)).Elem()
		v.Set(reflect.ValueOf(out[i].Event))
		for f := range v.NumField() {
			if v.Type().Field(f).Tag.Get("seal") == "true" {
				v.Field(f).SetZero()
			}
		}
		out[i].Event = v.Interface().(workflows.Event)
	}
	return out
}

// CheckJobs finds a job that is owed twice: the store keeps one row per kind and key.
func CheckJobs(jobs []workflows.Job) error {
	seen := map[string]bool{}
	for _, j := range jobs {
		name := j.Kind + " " + j.Key
		if seen[name] {
			return fmt.Errorf("job %s is owed twice", name)
		}
		if j.Key == "" || (j.Kind == workflows.JobNotice && (j.Pace == "ch:" || j.Pace == "dm:")) {
			return fmt.Errorf("job %s goes to nobody", name)
		}
		seen[name] = true
	}
	return nil
}

// CheckListings finds a place on a list that is named twice.
func CheckListings(list []workflows.Listing) error {
	seen := map[string]bool{}
	for _, x := range list {
		name := x.List + " " + x.Member
		if seen[name] {
			return fmt.Errorf("listed twice: %s", name)
		}
		seen[name] = true
	}
	return nil
}
