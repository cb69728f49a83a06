package slack

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// IntakeOptions are what both transports need. Inbox, Handler and Installation are required; hooks may be nil and must not block.
type IntakeOptions struct {
	Inbox        Inbox
	Handler      Handler
	Installation Installation

	// Late gets an answer that could not travel in the acknowledgement, because it came too late or is too large.
	Late func(Interaction, Reply)
	// NotRecorded is told of a person's action that was refused and could not be answered in place. Slack shows them a warning sign; a
	// sentence through the response URL says more.
	NotRecorded func(in Interaction, sentence string)
	// OnForeign is told of each payload that was sent to another app or workspace.
	OnForeign func(Foreign)
	// OnMalformed is told of each payload that was refused because a field that a decision rests on is missing or has another type:
	// Slack changed what it sends, or somebody tries. The class is that of the road: command, interactive, event.
	OnMalformed func(class string)
	// OnPanic is told of each panic that was caught, with the class of what was being handled.
	OnPanic func(class string)
	Log     *slog.Logger
	// Wanted tells whether an event is of any use; one that is not is acknowledged and stored nowhere. nil: all are.
	Wanted func(context.Context, Interaction) bool
	// Censor takes out of a payload what must not be kept, and tells whether it found any: then only what it returns is stored and handled.
	// It must return JSON of the same shape. nil: nothing is taken out.
	Censor func(raw []byte) ([]byte, bool)
}

// Intake is the part of a transport that both share: check, make durable, hand on, answer in time.
type Intake struct {
	opt      IntakeOptions
	count    counters
	attempts attempts
	handlers chan struct{}

	mu     sync.Mutex
	open   map[string]*exchange // being handled or just ended, by key
	recent []*exchange          // just ended, oldest first
	flying int
	bytes  int
	idle   chan struct{} // closed while nothing is in flight
}

// NewIntake checks the options.
func NewIntake(opt IntakeOptions) (*Intake, error) {
	if opt.Inbox == nil || opt.Handler == nil {
		return nil, errors.New("making a Slack intake: an inbox and a handler are needed")
	}
	at := opt.Installation
	if at.AppID == "" || at.TeamID == "" && !(at.OrgWide && at.EnterpriseID != "") {
		return nil, errors.New("making a Slack intake: the installation names no app, or neither a workspace nor an organisation")
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	in := &Intake{opt: opt, handlers: make(chan struct{}, maxHandlers), idle: make(chan struct{}), open: map[string]*exchange{}}
	close(in.idle)
	return in, nil
}

// Stats is a snapshot of the intake's counters.
func (i *Intake) Stats() IntakeStats {
	s := i.count.snapshot()
	i.mu.Lock()
	defer i.mu.Unlock()
	s.InFlight, s.InFlightBytes = i.flying, i.bytes
	return s
}

// Wait returns when nothing is in flight, or with ctx's error.
func (i *Intake) Wait(ctx context.Context) error {
	for {
		i.mu.Lock()
		idle, n := i.idle, i.flying
		i.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// admit takes a place for size bytes, or says that there is none. It never waits: the caller is reading a socket.
func (i *Intake) admit(size int) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.flying >= maxInFlight || i.bytes+size > maxInFlightBytes {
		return false
	}
	if i.flying == 0 {
		i.idle = make(chan struct{})
	}
	i.flying++
	i.bytes += size
	return true
}

func (i *Intake) release(size int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.flying--
	i.bytes -= size
	if i.flying == 0 {
		close(i.idle)
	}
}

// delivery is one payload as a transport got it.
type delivery struct {
	transport string // "socket" or "http"
	class     string
	key       string // the transport's own key
	payload   *node
	retry     int
	received  time.Time
	mute      bool // the acknowledgement cannot carry an answer, says the envelope
	// answer is called exactly once, from any goroutine. An error means that Slack did not get it.
	answer func(answer) error
}

// exchange is a delivery and what was answered to it.
type exchange struct {
	delivery
	count    *counters
	once     sync.Once
	keys     []string // under which a duplicate finds it
	ended    time.Time
	said     answer
	answered chan struct{} // closed once said is set
}

// say answers if nothing was said before, and tells whether this answer went out.
func (x *exchange) say(a answer) bool {
	sent := false
	x.once.Do(func() {
		x.said = a
		close(x.answered)
		err := x.answer(a)
		sent = err == nil
		x.count.answered(a, err, time.Since(x.received))
	})
	return sent
}

// answer is what a transport tells Slack. Without ack Slack is left to believe that we failed: it sends events again and shows the
// clicker a warning.
type answer struct {
	ack     bool
	payload []byte // JSON or nil
}

const (
	busySentence      = "Not recorded: too much is happening at once right now. Please try again in a minute."
	inboxSentence     = "Not recorded: this could not be saved, so nothing has happened. Please try again."
	malformedSentence = "Not recorded: this could not be read safely, so nothing has happened. Please start again."
)

// offer takes a delivery in and returns at once. ctx is for the handler, not for the delivery: it outlives the connection.
func (i *Intake) offer(ctx context.Context, d delivery) {
	i.count.received.Add(1)
	x := &exchange{delivery: d, count: &i.count, answered: make(chan struct{})}
	size := len(d.payload.raw)
	if !i.admit(size) {
		i.count.busy.Add(1)
		in, err := decode(d.class, d.payload)
		if err != nil {
			in = Interaction{Kind: d.class}
		}
		i.refuse(x, in, busySentence)
		return
	}
	go func() {
		defer i.release(size)
		defer i.survive(x)
		i.take(ctx, x)
	}()
}

// survive keeps the process up when the inbox or a hook panics; Slack is then not told that all is well.
func (i *Intake) survive(x *exchange) {
	if r := recover(); r != nil {
		i.panicked(x)
		i.opt.Log.Error("taking an interaction in panicked", "class", x.class, "err", fmt.Sprint(r))
		x.say(answer{})
	}
}

// panicked counts a panic and tells of it.
func (i *Intake) panicked(x *exchange) {
	i.count.panics.Add(1)
	if i.opt.OnPanic != nil {
		i.opt.OnPanic(x.class)
	}
}

// take sees one delivery through: it returns when the handler has.
func (i *Intake) take(ctx context.Context, x *exchange) {
	in, ok := i.admitted(x)
	if !ok {
		return
	}
	if in.Kind == KindBlockSuggestion {
		i.handle(ctx, x, in)
		return
	}
	if i.opt.Wanted != nil && strings.HasPrefix(in.Kind, KindEvent) && !i.opt.Wanted(ctx, in) {
		i.count.unwanted.Add(1)
		x.say(answer{ack: true})
		return
	}
	attempt := 0
	if in.Kind == KindViewSubmission {
		attempt = i.attempts.of(in.View.ID)
	}
	x.keys = append([]string{x.key}, meaning(in, attempt)...)
	first := i.claim(x)
	defer i.finished(x)
	put, cancel := context.WithTimeout(ctx, putWait)
	id, dup, err := i.opt.Inbox.Put(put, Received{Transport: x.transport, Kind: in.Kind, Keys: x.keys, Body: in.Raw})
	cancel()
	switch {
	case err != nil:
		i.count.inboxErrors.Add(1)
		i.opt.Log.Error("an interaction was not recorded", "kind", in.Kind, "err", err)
		i.refuse(x, in, notSaved(err))
	case dup:
		i.count.duplicates.Add(1)
		x.follow(first)
	default:
		i.count.recorded.Add(1)
		in.InboxID = id
		i.handle(ctx, x, in)
	}
}

// notSaved says that an interaction was not recorded, and why as far as the inbox has words for people.
func notSaved(err error) string {
	var says interface{ ForPeople() string }
	if errors.As(err, &says) {
		return "Not recorded, so nothing has happened. " + says.ForPeople()
	}
	return inboxSentence
}

// claim enters an exchange under its keys and returns the one that was entered under any of them before, or nil.
func (i *Intake) claim(x *exchange) *exchange {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.forget(x.received.Add(-ackWindow))
	var first *exchange
	for _, k := range x.keys {
		if other, taken := i.open[k]; taken && other != x {
			first = other
		} else {
			i.open[k] = x
		}
	}
	return first
}

// finished keeps a handled exchange for as long as Slack may still take the acknowledgement of a duplicate for the answer.
func (i *Intake) finished(x *exchange) {
	i.mu.Lock()
	defer i.mu.Unlock()
	x.payload, x.ended = nil, time.Now()
	i.recent = append(i.recent, x)
}

// forget drops exchanges that ended before a time; the caller holds the lock.
func (i *Intake) forget(before time.Time) {
	n := 0
	for ; n < len(i.recent) && i.recent[n].ended.Before(before); n++ {
		x := i.recent[n]
		for _, k := range x.keys {
			if i.open[k] == x {
				delete(i.open, k)
			}
		}
		i.recent[n] = nil
	}
	i.recent = i.recent[n:]
}

// follow answers a duplicate. Within Slack's three seconds the duplicate waits for the first one's answer and repeats it: Slack takes the
// acknowledgement that arrives first, and an empty one would close a form that is about to come back with errors.
func (x *exchange) follow(first *exchange) {
	a := answer{ack: true}
	if first != nil {
		timer := time.NewTimer(putWait + replyWait - time.Since(x.received))
		defer timer.Stop()
		select {
		case <-first.answered:
			a = first.said
		case <-timer.C:
		}
	}
	x.say(a)
}

// admitted decodes and checks. What it turns away is acknowledged and counted, never recorded.
func (i *Intake) admitted(x *exchange) (Interaction, bool) {
	in, err := i.read(x)
	var c claims
	if err == nil {
		if c, err = readClaims(x.payload); err != nil {
			err = &Malformed{Kind: in.Kind, Err: err}
		}
	}
	if errors.Is(err, ErrUnknownKind) {
		i.count.unknownKinds.Add(1)
		i.opt.Log.Info("a payload of an unknown kind was ignored", "err", err)
		x.say(answer{ack: true})
		return in, false
	}
	if err != nil {
		i.count.malformed.Add(1)
		i.opt.Log.Error("a payload was refused because it cannot be trusted", "err", err)
		if i.opt.OnMalformed != nil {
			i.opt.OnMalformed(x.class)
		}
		x.say(answer{ack: true, payload: x.sentence(Interaction{Kind: x.class}, malformedSentence)})
		return in, false
	}
	in.Retry = x.retry
	if f := i.opt.Installation.check(&in, c); f != nil {
		i.count.foreign.Add(1)
		if i.opt.OnForeign != nil {
			i.opt.OnForeign(*f)
		} else {
			i.opt.Log.Warn("a payload for another installation was dropped", "kind", f.Kind, "field", f.Field)
		}
		x.say(answer{ack: true})
		return in, false
	}
	return in, true
}

// read decodes a delivery, without what must not be kept.
func (i *Intake) read(x *exchange) (Interaction, error) {
	in, err := decode(x.class, x.payload)
	if err != nil || i.opt.Censor == nil {
		return in, err
	}
	raw, found := i.opt.Censor(in.Raw)
	if !found {
		return in, nil
	}
	i.count.censored.Add(1)
	n, err := parse(raw, maxBody)
	if err != nil {
		return Interaction{}, &Malformed{Kind: in.Kind, Err: err}
	}
	x.payload = n
	return decode(x.class, n)
}

// refuse tells that nothing was recorded: in the acknowledgement where Slack shows it, else by not acknowledging.
func (i *Intake) refuse(x *exchange, in Interaction, words string) {
	if p := x.sentence(in, words); p != nil {
		x.say(answer{ack: true, payload: p})
		return
	}
	x.say(answer{})
	if i.opt.NotRecorded != nil && x.class != classEvent && in.UserID != "" {
		i.opt.NotRecorded(in, words)
	}
}

// Notice is an answer of the adapter's own: one sentence for the person who acted, in the shape commands and response URLs take.
type Notice struct {
	ResponseType    string `json:"response_type"`
	Text            string `json:"text"`
	ReplaceOriginal bool   `json:"replace_original"`
}

// speaks says whether Slack shows anyone what an acknowledgement of this kind carries.
func (x *exchange) speaks(kind string) bool {
	return !x.mute && (kind == KindCommand || kind == KindViewSubmission || kind == KindBlockSuggestion)
}

// notice puts a sentence into the shape the kind needs: forms show it beside an input.
func notice(in Interaction, words string) any {
	if in.Kind == KindViewSubmission && in.View != nil && in.View.inputBlock != "" {
		return map[string]any{"response_action": "errors", "errors": map[string]string{in.View.inputBlock: words}}
	}
	return Notice{ResponseType: "ephemeral", Text: words}
}

// sentence is the acknowledgement that shows words to the person, or nil where Slack would show none.
func (x *exchange) sentence(in Interaction, words string) []byte {
	if !x.speaks(in.Kind) || in.Kind == KindBlockSuggestion || in.Kind == KindViewSubmission && (in.View == nil || in.View.inputBlock == "") {
		return nil
	}
	b, err := json.Marshal(notice(in, words))
	if err != nil {
		return nil
	}
	return b
}

// handle runs the handler and answers with its reply, or empty when it takes longer than replyWait.
func (i *Intake) handle(ctx context.Context, x *exchange, in Interaction) {
	timer := time.AfterFunc(replyWait, func() { x.say(answer{ack: true}) })
	defer timer.Stop()
	select {
	case i.handlers <- struct{}{}:
	case <-ctx.Done():
		// The transport is stopping; the interaction is durable and drains at the next start.
		x.say(answer{ack: true})
		return
	}
	reply, err := i.guarded(ctx, x, in)
	<-i.handlers
	if err != nil {
		reply = i.failed(in, err)
	}
	i.reply(x, in, reply)
}

// guarded calls the handler and turns a panic into an error (T43).
func (i *Intake) guarded(ctx context.Context, x *exchange, in Interaction) (reply Reply, err error) {
	defer func() {
		if r := recover(); r != nil {
			i.panicked(x)
			err = fmt.Errorf("the handler panicked: %v", r)
		}
	}()
	return i.opt.Handler.Handle(ctx, in)
}

// failed logs what went wrong under a reference and tells the person only that.
func (i *Intake) failed(in Interaction, err error) Reply {
	i.count.handlerErrors.Add(1)
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails
	ref := strings.ToUpper(hex.EncodeToString(b[:]))
	i.opt.Log.Error("handling an interaction went wrong", "ref", ref, "kind", in.Kind, "inbox", in.InboxID, "err", err)
	if in.UserID == "" || in.Kind == KindBlockSuggestion || strings.HasPrefix(in.Kind, KindEvent) {
		return Reply{}
	}
	return Reply{Payload: notice(in, "Something went wrong (ref "+ref+"). It is kept and tried again by itself; if nothing follows, ask the operator with this reference.")}
}

// reply answers with the payload if that is still possible, and else hands it to Late.
func (i *Intake) reply(x *exchange, in Interaction, reply Reply) {
	body, err := payload(reply)
	if err != nil {
		i.count.handlerErrors.Add(1)
		i.opt.Log.Error("an answer could not be written as JSON", "kind", in.Kind, "inbox", in.InboxID, "err", err)
		body = nil
	}
	if in.Kind == KindViewSubmission && sentBack(body) {
		i.attempts.add(in.View.ID)
	}
	sent := false
	switch {
	case body != nil && !x.speaks(in.Kind):
		x.say(answer{ack: true})
	case len(body) > maxPayload:
		i.count.ackTooLarge.Add(1)
		x.say(answer{ack: true})
	default:
		sent = x.say(answer{ack: true, payload: body})
	}
	if !sent && body != nil {
		i.late(in, reply)
	}
}

func (i *Intake) late(in Interaction, reply Reply) {
	i.count.lateReplies.Add(1)
	if i.opt.Late != nil {
		i.opt.Late(in, reply)
	}
}

func payload(reply Reply) ([]byte, error) {
	if reply.Payload == nil {
		return nil, nil
	}
	b, err := json.Marshal(reply.Payload)
	if err != nil || string(b) == "null" {
		return nil, err
	}
	return b, nil
}

// sentBack says whether an answer keeps a form open with error messages.
func sentBack(body []byte) bool {
	var a struct {
		Action string `json:"response_action"`
	}
	return len(body) > 0 && json.Unmarshal(body, &a) == nil && a.Action == "errors"
}

// attempts counts, per open form, how often it was sent back. It forgets the oldest; a form forgotten is at worst taken for a duplicate
// when it is sent again unchanged.
type attempts struct {
	mu    sync.Mutex
	count map[string]int
	order []string
}

func (a *attempts) of(view string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.count[view]
}

func (a *attempts) add(view string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count == nil {
		a.count = map[string]int{}
	}
	if _, known := a.count[view]; !known {
		a.order = append(a.order, view)
	}
	a.count[view]++
	if len(a.order) > maxAttempts {
		delete(a.count, a.order[0])
		a.order = a.order[1:]
	}
}
