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
	maxWorkloads    = 10 // ways in of one identity: each is a way in
	maxTokenClaims  = 20 // of a token that must have a value
	maxClaimBytes   = 500
	maxKeySet       = 16 << 10 // bytes: an issuer in the middle of a rotation has four keys
	maxParams       = 20
	maxParamValues  = 50

	maxRules       = 50   // of one workflow: a table that is longer is read by nobody
	maxParts       = 5    // groups with quorums of their own in one stage
	maxTiers       = 10   // of one stage's escalation, or of the risk table
	maxTimes       = 1000 // of something in a period
	maxBudget      = 9999 // grants of one standing window
	maxTimeOff     = 100  // written times off of one person
	maxCalendars   = 100
	maxHolidays    = 500 // written ones of one calendar; public ones come on top
	maxFreezes     = 50
	maxClaims      = 20 // claims about a device that a workflow may need: a form of endpoint checks, not a programme
	maxRotations   = 100
	maxRotaPeople  = 100
	maxRotaDays    = 60
	maxOverrides   = 500
	maxRiskRows    = 200
	maxRiskWords   = 40
	maxConflicts   = 200
	maxWatch       = 100           // rules of watch.yaml: each is asked about every entry
	maxCampaigns   = 50            // of campaigns.yaml: more campaigns than weeks are not looked at by anybody
	maxReminders   = 10            // of one campaign: who did not answer by then is not reached by one more
	maxCampaignDue = 90 * day      // a review that may take longer runs into the next one
	maxTests       = 300           // of one file
	maxNumber      = 1_000_000_000 // a number in a form: exact in every JSON reader

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

	maxCondition      = 500   // characters of a condition: what needs more is two rules
	maxConditionDepth = 30    // of brackets in a condition
	maxConditionCost  = 5_000 // steps of CEL: a condition that uses all of them takes less than a millisecond
	maxPrograms       = 5_000 // compiled conditions that are kept: ten rules of 500 workflows

	maxSeverity = 5
	maxGlass    = 10 // people on a short list for emergencies: more is not short
	maxExposed  = 20
	maxRetries  = 10

	maxStepTimeout = workflows.Span(3600) // one attempt of a step; what takes longer is not waited for by anybody

	day             = 24 * 3600
	maxSpan         = workflows.Span(366 * day) // any duration in a file; a leap year
	maxAccess       = workflows.Span(90 * day)  // access that is granted; longer is standing access, which is not ours to give
	maxRoutine      = workflows.Span(30 * day)  // a routine waits for people who move to a new secret
	maxIncident     = workflows.Span(1 * day)   // access under a runbook: break glass is short
	maxStageTimeout = workflows.Span(30 * day)
	maxReviewDue    = workflows.Span(30 * day)
	maxLater        = workflows.Span(90 * day) // what is asked for longer ahead is asked for by people who will have left

	holidaysFrom, holidaysTo = 2024, 2049 // years whose public holidays are entered: no clock is read, so there is no "now" to begin with

	longAccess = workflows.Span(30 * day) // longer than that is as good as standing access, where no table of risks says otherwise

	defaultLintApprovers = 2 // people that a chain should need
	defaultLintZones     = 2 // time zones that the approvers of a step should live in

	defaultReasonMin = 10
	defaultUses      = 5
	defaultHours     = "Mon-Fri 09:00-17:00"
	madeUpReason     = "Asked by a test of the chain, to see what becomes of it."
	defaultSchedule  = "0 * * * *"
	defaultZone      = "UTC"
)
