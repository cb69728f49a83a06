package slacksim

import "time"

// Slack's own limits. The source of each number is Slack's published type documentation or method page as gathered in the
// project's Slack notes; where two sources differ the stricter one is taken, so that what passes here passes there.
const (
	maxMessageBlocks   = 50
	maxViewBlocks      = 100
	maxTextObject      = 3000
	maxFieldText       = 2000
	maxFields          = 10
	maxHeaderText      = 150
	maxContextElements = 10
	maxActionElements  = 25
	maxContextActions  = 5
	maxMarkdownText    = 12000 // all markdown blocks of one payload together
	maxTableRows       = 100
	maxTableCells      = 20
	maxButtonText      = 75
	maxButtonValue     = 2000
	maxURL             = 3000
	maxA11yLabel       = 75
	maxID              = 255 // block_id, action_id, callback_id, external_id
	maxPrivateMetadata = 3000
	maxViewTitle       = 24 // title, submit and close
	maxOptionText      = 75 // text, description and value
	maxOptions         = 100
	maxOptionGroups    = 100
	maxOverflowOptions = 5
	maxChoiceOptions   = 10 // checkboxes and radio buttons
	maxPlaceholder     = 150
	maxLabel           = 2000
	maxInputLength     = 3000
	maxConfirmTitle    = 100
	maxConfirmText     = 300
	maxConfirmButton   = 30
	maxAltText         = 2000
	maxVideoTitle      = 200
	maxVideoAuthor     = 50
	maxPostText        = 40000 // chat.postMessage cuts here
	maxUpdateText      = 4000  // chat.update answers msg_too_long above
	maxAttachments     = 100
	maxMetadataBytes   = 16 << 10
	maxViewBytes       = 250 << 10
	maxViewStack       = 3
	maxReactions       = 23 // distinct emoji one user may put on a message
	maxMPIMUsers       = 8
	maxSuggestions     = 100

	triggerLife       = 3 * time.Second
	defaultAckTimeout = 3 * time.Second
	maxAckBytes       = 20 << 10 // Slack drops a larger acknowledgement without a word
	maxConnections    = 10       // per app
	ticketLife        = 30 * time.Second
	warningGrace      = 10 * time.Second
	connectionTime    = 18060 // approximate_connection_time in hello, seconds
	responseUses      = 5
	responseLife      = 30 * time.Minute
)

// The simulator's own bounds, so that a demo left running for a week or a test that loops cannot eat the machine.
const (
	maxChannelHistory = 2000     // messages kept per channel; the oldest leave first
	maxEphemerals     = 100      // per user and channel
	maxTriggers       = 4096     // remembered to tell an expired trigger from an unknown one
	maxResponses      = 4096     // response_url records
	maxTraffic        = 4000     // records of traffic
	maxTrafficBytes   = 16 << 20 // bytes of all records together
	maxBody           = 1 << 20  // of any request; Slack's largest legal call (a view) is a quarter of it
	maxUploads        = 64
	maxUploadBytes    = 1 << 20
	maxPendingEvents  = 4096 // events waiting for an acknowledgement or a retry
	maxOutbound       = 4096 // envelopes queued to one connection; a client that never reads loses the connection
	maxSubscribers    = 64   // browser pages listening at once
	maxHeldFaults     = 1000
	maxPageMessages   = 300 // the page shows the latest of a channel
	defaultPage       = 100
	maxPage           = 1000

	defaultPingEvery = 5 * time.Second
	socketWriteWait  = 10 * time.Second
	reorderHold      = 250 * time.Millisecond // a reordered envelope waits this long for another to overtake it
	httpIdle         = 15 * time.Second       // server-sent events send a comment this often, so that a proxy does not hang up
)
