package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/countersign-bot/countersign/bot/screens"
	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// step is one line of the story: what a person does, and what must come of it. After act the bot may be killed; hold must
// come true all the same.
type step struct {
	id   string
	says string
	act  func(context.Context) error
	hold func(context.Context) (string, error) // what is seen, for the transcript
}

// story is the state that later steps need of earlier ones.
type story struct {
	*demo
	card   slacksim.Message // of the first request
	cert   string
	root   string
	book   slacksim.Message
	page   slacksim.Message // of the escalation, as Sofia got it
	review slacksim.Message
}

const (
	stepPatience = 90 * time.Second // a slow machine, a killed bot and a paced Slack together stay far below
	lookEvery    = 40 * time.Millisecond
)

// play acts the story and prints it. With kill the bot is ended with SIGKILL after that step's act, or after every one.
func (d *demo) play(ctx context.Context, kill string) error {
	s := &story{demo: d}
	steps := s.steps()
	fmt.Fprintf(d.out, "\nA story in %d steps. Product time starts at %s.\n\n", len(steps), d.now())
	for i, st := range steps {
		if err := s.run(ctx, i+1, st, kill == "all" || kill == st.id); err != nil {
			fmt.Fprintf(d.out, "\n    FAILED at step %q: %v\n", st.id, err)
			return hint(fmt.Errorf("step %q did not hold: %w", st.id, err), "the bot's log is %s", d.child.log.Name())
		}
	}
	fmt.Fprintf(d.out, "\nEvery step held.\n")
	return nil
}

func (s *story) run(ctx context.Context, n int, st step, kill bool) error {
	ctx, cancel := context.WithTimeout(ctx, 2*stepPatience)
	defer cancel()
	fmt.Fprintf(s.out, "%2d  %s\n", n, st.says)
	if err := st.act(ctx); err != nil {
		return err
	}
	if kill {
		if err := s.child.kill(ctx); err != nil {
			return err
		}
		fmt.Fprintf(s.out, "    … the bot is killed with SIGKILL and started again …\n")
	}
	seen, err := st.hold(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "    %s\n", strings.ReplaceAll(seen, "\n", "\n    "))
	return nil
}

func hasStep(steps []step, id string) bool {
	for _, s := range steps {
		if s.id == id {
			return true
		}
	}
	return false
}

func stepIDs(steps []step) string {
	var out []string
	for _, s := range steps {
		out = append(out, s.id)
	}
	return strings.Join(out, ", ")
}

func (d *demo) now() string { return d.clock.Now().Wall.UTC().Format("2006-01-02 15:04 UTC") }

// until looks again and again until what is wanted is there.
func until[T any](ctx context.Context, what string, look func() (T, bool)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, stepPatience)
	defer cancel()
	for {
		if v, ok := look(); ok {
			return v, nil
		}
		select {
		case <-ctx.Done():
			var zero T
			return zero, fmt.Errorf("waited in vain for %s", what)
		case <-time.After(lookEvery):
		}
	}
}

// did turns what became of an act into an error: a person would see that it failed and try again, once. An act whose answer came too late may have
// worked all the same: then its button or its form is gone at the second try, and what is seen afterwards tells.
func did(what string, act func() slacksim.Delivery) error {
	d := act()
	if errors.Is(d.Err, slacksim.ErrOperationTimeout) || errors.Is(d.Err, slacksim.ErrDispatchFailed) {
		if d = act(); errors.Is(d.Err, slacksim.ErrNotThere) {
			return nil
		}
	}
	for tries := 0; tries < 4 && notRecorded(d); tries++ { // a slow disk: the bot says that nothing has happened, and people try again
		d = act()
	}
	switch {
	case d.Err != nil:
		return fmt.Errorf("%s: %w", what, d.Err)
	case len(d.Errors) > 0:
		return fmt.Errorf("%s: the form says %v", what, d.Errors)
	}
	return nil
}

// notRecorded tells whether the answer says that nothing was recorded.
func notRecorded(d slacksim.Delivery) bool {
	const words = "Not recorded"
	for _, said := range d.Errors {
		if strings.HasPrefix(said, words) {
			return true
		}
	}
	return bytes.Contains(d.AckPayload, []byte(words))
}

func (s *story) slackID(person string) string { return s.people[person].slack }

// command types a slash command in #access.
func (s *story) command(ctx context.Context, person, name, text string) error {
	return did(person+" types "+name, func() slacksim.Delivery {
		return s.slack.Command(ctx, s.slackID(person), "access", name, text)
	})
}

// press clicks a button of a message and confirms what it asks.
func (s *story) press(ctx context.Context, person string, m slacksim.Message, action string) error {
	return did(person+" clicks "+action, func() slacksim.Delivery {
		return s.slack.Click(ctx, slacksim.Press{User: s.slackID(person), Channel: m.Channel, TS: m.TS, ActionID: action, Confirmed: true})
	})
}

// submit fills the modal that the person has open.
func (s *story) submit(ctx context.Context, person string, values map[string]any) error {
	entered := map[string]map[string]any{}
	for block, v := range values {
		entered[block] = map[string]any{screens.InputValue: v}
	}
	return did(person+" sends the form", func() slacksim.Delivery { return s.slack.SubmitView(ctx, s.slackID(person), entered) })
}

// view waits until the person has a modal open that the test likes.
func (s *story) view(ctx context.Context, person, callback string) (slacksim.View, error) {
	return until(ctx, "the form "+callback, func() (slacksim.View, bool) {
		v, ok := s.slack.View(s.slackID(person))
		return v, ok && v.CallbackID == callback
	})
}

// choose picks the entry of a menu whose text contains words.
func (s *story) choose(ctx context.Context, person string, v slacksim.View, action, words string) error {
	value, ok := optionValue(v.Blocks, words)
	if !ok {
		return fmt.Errorf("no entry of the form says %q", words)
	}
	return did(person+" picks "+words, func() slacksim.Delivery {
		return s.slack.Select(ctx, slacksim.Press{User: s.slackID(person), ActionID: action, Values: []string{value}})
	})
}

// optionValue finds the value of the menu entry with these words.
func optionValue(v any, words string) (string, bool) {
	switch v := v.(type) {
	case []slacksim.Object:
		for _, x := range v {
			if value, ok := optionValue(x, words); ok {
				return value, true
			}
		}
	case []any:
		for _, x := range v {
			if value, ok := optionValue(x, words); ok {
				return value, true
			}
		}
	case slacksim.Object:
		if text, ok := v["text"].(slacksim.Object); ok && v["value"] != nil && v["type"] == nil {
			if t, _ := text["text"].(string); strings.Contains(t, words) {
				value, _ := v["value"].(string)
				return value, true
			}
		}
		for _, x := range v {
			if value, ok := optionValue(x, words); ok {
				return value, true
			}
		}
	}
	return "", false
}

// message waits for a message in a channel whose visible words contain all of these.
func (s *story) message(ctx context.Context, channel string, words ...string) (slacksim.Message, error) {
	return until(ctx, fmt.Sprintf("a message in #%s with %q", channel, words), func() (slacksim.Message, bool) {
		return newest(s.slack.Messages(channel), words)
	})
}

// dm waits for a direct message to a person.
func (s *story) dm(ctx context.Context, person string, words ...string) (slacksim.Message, error) {
	return until(ctx, fmt.Sprintf("a message to %s with %q", s.people[person].name, words), func() (slacksim.Message, bool) {
		return newest(s.slack.DM(s.slackID(person)), words)
	})
}

func newest(list []slacksim.Message, words []string) (slacksim.Message, bool) {
	for i := len(list) - 1; i >= 0; i-- {
		if containsAll(list[i].Text+"\n"+list[i].Visible(), words) {
			return list[i], true
		}
	}
	return slacksim.Message{}, false
}

func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(strings.ToLower(text), strings.ToLower(w)) {
			return false
		}
	}
	return true
}

// told waits until only this person sees an answer with these words, in a channel or as a direct message.
func (s *story) told(ctx context.Context, person, channel string, words ...string) (string, error) {
	m, err := until(ctx, fmt.Sprintf("an answer to %s with %q", s.people[person].name, words), func() (slacksim.Message, bool) {
		if m, ok := newest(s.slack.Ephemerals(s.slackID(person), channel), words); ok {
			return m, true
		}
		return newest(s.slack.DM(s.slackID(person)), words)
	})
	return firstLine(m.Text), err
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	if len(line) > 160 {
		line = line[:160] + "…"
	}
	return line
}

// lineWith is the first line of a text that has these words.
func lineWith(text, words string) string {
	for line := range strings.SplitSeq(text, "\n") {
		if strings.Contains(line, words) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
