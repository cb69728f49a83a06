package slacksim

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// What an act can end in when the app did not do its part. The acting person sees them as a notice.
var (
	// ErrOperationTimeout means that the app did not acknowledge within three seconds.
	ErrOperationTimeout = errors.New("operation_timeout")
	// ErrDispatchFailed means that the app had no connection open, or its URL refused.
	ErrDispatchFailed = errors.New("dispatch_failed")
	// ErrBadResponse means that the acknowledgement could not be used: wrong shape, invalid view, unknown block id.
	ErrBadResponse = errors.New("the app's response could not be used")
)

// What a person cannot do at all; nothing was sent to the app.
var (
	// ErrNotThere means that the message, view, element, user or channel does not exist, or not for this person.
	ErrNotThere = errors.New("not there")
	// ErrNeedsConfirm means that the element asks "are you sure" and Press.Confirmed was not set.
	ErrNeedsConfirm = errors.New("the confirmation dialog was not answered")
	// ErrDeactivated means that the acting person's account is deactivated: they cannot sign in.
	ErrDeactivated = errors.New("the account is deactivated")
	// ErrInvalidForm is matched by a *FormError.
	ErrInvalidForm = errors.New("the form is not complete")

	errNoSuchOption = errors.New("not one of the options")
	errClosed       = errors.New("the workspace is closed")
	errCommand      = errors.New("not a valid command")
)

// FormError lists what Slack's client shows under the fields of a form that it does not send, by block id.
type FormError struct {
	Fields map[string]string
}

func (e *FormError) Error() string {
	var parts []string
	for _, id := range slices.Sorted(maps.Keys(e.Fields)) {
		parts = append(parts, id+": "+e.Fields[id])
	}
	return ErrInvalidForm.Error() + ": " + strings.Join(parts, "; ")
}

// Unwrap makes errors.Is(err, ErrInvalidForm) true.
func (e *FormError) Unwrap() error { return ErrInvalidForm }
