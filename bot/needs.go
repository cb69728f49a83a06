package bot

import (
	"context"

	"github.com/countersign-bot/countersign/workflows"
)

// Account is one way to act, as the erasable tables know it.
type Account struct {
	Actor  workflows.ActorID
	Kind   string             // "slack", "unix"
	Key    string             // unique within Kind: "T0001/U0001"
	Person workflows.PersonID // empty while it is not linked
}

// Accounts keeps which account belongs to whom. Every call is durable when it returns; all may be repeated.
type Accounts interface {
	// Ensure gives the account with this key and makes it, unlinked, when it is new.
	Ensure(ctx context.Context, kind, key string) (Account, error)
	// Link says which person an account belongs to from now on.
	Link(ctx context.Context, actor workflows.ActorID, person workflows.PersonID) error
	// ByActor gives the zero Account when there is none.
	ByActor(ctx context.Context, actor workflows.ActorID) (Account, error)
	// Of gives the accounts of a person, in a stable order.
	Of(ctx context.Context, person workflows.PersonID) ([]Account, error)
}

// Persons gives humans their ids: random, one for each key. Keys are "people:<key>" for somebody in the people file and "slack:<team>/<user>"
// for an account that nobody listed.
type Persons interface {
	EnsurePerson(ctx context.Context, key string) (workflows.PersonID, error)
}

// Surface is a message or Home page that shows a stream and is repainted in place when the stream moves.
type Surface struct {
	ID      int64
	Stream  workflows.StreamID
	Home    bool
	Channel string
	TS      string
	Person  workflows.PersonID // whose direct message or Home page it is; empty for a channel
	Pace    string             // paint jobs with one key are spaced as Slack demands
	Thread  int64              // seq of the stream up to which the thread below the message was written
}

// Surfaces keeps them.
type Surfaces interface {
	// Save keeps a surface that was just put up. seq is the last entry of the stream that it shows: when the stream has gone on since, it
	// is repainted at once. The same place again keeps one row.
	Save(ctx context.Context, f Surface, seq int64) (Surface, error)
	// Of gives the surfaces of a stream.
	Of(ctx context.Context, stream workflows.StreamID) ([]Surface, error)
	// At finds the surface that a message in a channel is; false when it is none of ours.
	At(ctx context.Context, channel, ts string) (Surface, bool, error)
	// Threaded moves Surface.Thread forward.
	Threaded(ctx context.Context, id, seq int64) error
	// Drop forgets a surface that is gone.
	Drop(ctx context.Context, id int64) error
}

// Inbox is where interactions were made durable before they came here. id is an Interaction's InboxID.
type Inbox interface {
	// ReceivedAt is when the row was committed: deadlines are compared with it.
	ReceivedAt(ctx context.Context, id string) (workflows.Stamp, error)
	// Done says that the row needs nothing more.
	Done(ctx context.Context, id string) error
}

// Histories reads one stream as committed.
type Histories interface {
	History(ctx context.Context, s workflows.StreamID) ([]workflows.Record, error)
}

// Finder knows the ids behind names that files use. Both listings are Tier 2, so it keeps what it has asked. No such name is an error.
type Finder interface {
	// ChannelID resolves "#access"; an id stays as it is.
	ChannelID(ctx context.Context, name string) (string, error)
	// GroupID resolves "@dba"; an id stays as it is.
	GroupID(ctx context.Context, handle string) (string, error)
}
