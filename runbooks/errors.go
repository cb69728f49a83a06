package runbooks

import (
	"context"
	"errors"
	"fmt"
)

// Errorf makes a classed error. The formatted text is for the ledger and for people; cause is for logs and may be nil.
func Errorf(class Class, cause error, format string, args ...any) *Error {
	return &Error{Class: class, Text: fmt.Sprintf(format, args...), Err: cause}
}

// ClassOf says what to do about an error of this package or of a connector. What nobody classed is an unknown outcome,
// and so is a call that was cut short: Retry.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Retry
}

// String names the class for logs and statistics.
func (c Class) String() string {
	switch c {
	case Retry:
		return "retry"
	case Refuse:
		return "refuse"
	case Broken:
		return "broken"
	default:
		return fmt.Sprintf("class %d", int(c))
	}
}

// isCut tells whether err is the end of a context and not an answer of the target.
func isCut(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
