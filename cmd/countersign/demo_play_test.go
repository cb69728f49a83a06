package main

import (
	"fmt"
	"testing"

	"github.com/countersign-bot/countersign/bot/slack/slacksim"
)

// An act that was answered too late may have worked: the second try then finds nothing to press, and only what is seen afterwards tells. An act that
// never found its button, or was never answered, did not work.
func TestActsOfTheStoryAreTriedOnceMore(t *testing.T) {
	late, gone := fmt.Errorf("clicking: %w", slacksim.ErrOperationTimeout), fmt.Errorf("clicking: %w", slacksim.ErrNotThere)
	for name, c := range map[string]struct {
		answers []error
		ok      bool
	}{
		"answered": {[]error{nil}, true}, "late, then answered": {[]error{late, nil}, true}, "late, and the button is gone": {[]error{late, gone}, true},
		"never there": {[]error{gone}, false}, "never answered": {[]error{late, late}, false},
		"nobody heard, and then the button is gone": {[]error{fmt.Errorf("%w", slacksim.ErrDispatchFailed), gone}, true},
	} {
		t.Run(name, func(t *testing.T) {
			tries := 0
			err := did("maya clicks", func() slacksim.Delivery {
				tries++
				return slacksim.Delivery{Err: c.answers[tries-1]}
			})
			if (err == nil) != c.ok || tries != len(c.answers) {
				t.Errorf("%v after %d tries, want ok %v after %d", err, tries, c.ok, len(c.answers))
			}
		})
	}
}
