package desk

import (
	"context"

	"github.com/countersign-bot/countersign/workflows"
)

// TaskSource answers for the tickets, incidents, pull requests or change windows of one system. It is asked at submission, before the target
// is called, and every few minutes while access is active that is to last no longer than the task. Package cmd joins the implementations.
//
// It keeps no state that a restart could lose, answers concurrent calls, keeps to the context, and spaces its own requests as its system
// demands. A task that its system says was closed (a signed webhook, an event) is handed to Desk.CloseTicket by whoever receives that.
type TaskSource interface {
	// Name is the source's name as the operator configured it.
	Name() string

	// Covers tells, by its form alone, whether a reference is one of this source's: "PAY-123", "acme/shop#12". No I/O. A reference that no
	// source covers is refused where at least one source is configured, and taken as typed where none is.
	Covers(ref string) bool

	// Task asks the system; the answer is at most 60 seconds old. That there is no such task is an answer (Exists is false), not an error.
	// An error means "cannot tell": new requests are refused, active access is marked as unverified and goes on until the policy's limit.
	Task(ctx context.Context, ref string) (workflows.Task, error)
}

// PostureSource answers for the state of devices and workloads. Package cmd joins the implementations: signed claims and webhooks that were
// pushed to us, or a system that is asked.
type PostureSource interface {
	// Name is the source's name as the operator configured it.
	Name() string

	// Posture tells what is known of a claim about a holder now. That nothing is known is an answer (Said is false), not an error; where
	// several sources answer, what is fresh and says no counts first. An error means "cannot tell".
	Posture(ctx context.Context, holder workflows.IdentityID, claim string) (workflows.Posture, error)
}
