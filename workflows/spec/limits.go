package spec

import "github.com/countersign-bot/countersign/workflows"

// The limits of a configuration folder. All of them are far above what a company of a thousand people writes and far
// below what costs the process memory or time.
const (
	maxFileBytes  = 256 << 10 // the parser needs some 40 bytes of memory for each byte of text
	maxTotalBytes = 16 << 20  // of the whole folder
	maxFiles      = 500       // in one of the folders targets, workflows, runbooks
	maxStray      = 2000      // entries of one directory that are looked at, README and dotfiles included
	maxProblems   = 100       // problems that are told; the first hundred keep an author busy
	maxTokens     = 120_000   // of one file; a full file of people has 108,000
	maxDepth      = 32        // of nesting; our own files need 8. The parser takes 0.8 s for 20,000 levels
	maxMapKeys    = 256       // of one mapping; the parser compares every key with every other

	maxPeople       = 5000
	maxGroups       = 500
	maxMembers      = 1000 // of one group, or of one list of people
	maxIdentities   = 2000
	maxEntitlements = 100 // of one target: a Slack menu holds a hundred options
	maxGrants       = 100 // of one workflow: likewise
	maxStages       = 10
	maxFields       = 20  // a Slack form holds a hundred blocks, ours adds up to ten of its own
	maxChoices      = 100 // Slack's limit for one menu
	maxSettings     = 50
	maxParams       = 20
	maxParamValues  = 50

	maxID       = 40   // characters of an id: three of them and a request id still fit one stream name
	maxLine     = 150  // characters of a title: Slack's limit for a header block
	maxProse    = 1500 // characters of a description: two of them fit one Slack section
	maxParam    = 1000 // a forced command is the longest
	maxChoice   = 75   // Slack's limit for the text of one option
	maxPattern  = 200  // characters of a regular expression (T41)
	maxTextLen  = 3000 // Slack's limit for a text input
	maxReason   = 500  // characters that a workflow may demand as a reason
	maxUses     = 100
	maxSuggest  = 2 // edits between what was written and what is offered
	maxFieldLen = 40

	day             = 24 * 3600
	maxSpan         = workflows.Span(366 * day) // any duration in a file; a leap year
	maxAccess       = workflows.Span(90 * day)  // access that is granted; longer is standing access, which is not ours to give
	maxIncident     = workflows.Span(1 * day)   // access under a runbook: break glass is short
	maxStageTimeout = workflows.Span(30 * day)
	maxReviewDue    = workflows.Span(30 * day)

	defaultReasonMin = 10
	defaultUses      = 5
	defaultSchedule  = "0 * * * *"
	defaultZone      = "UTC"
)
