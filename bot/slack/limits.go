package slack

import "time"

// Every bound of the room, with its reason.
const (
	// maxBody bounds one HTTP body and one Socket Mode payload. Slack caps a view at 250 KB and sends it once per interaction.
	maxBody = 1 << 20
	// maxFrame leaves an envelope room around a payload of maxBody.
	maxFrame = maxBody + 4<<10
	// maxDepth bounds nesting: Block Kit needs about 12 levels, rich text a few more.
	maxDepth = 64
	// maxNodes bounds the values in one payload, so that a megabyte of "[" and "," cannot become a hundred megabytes of tree.
	maxNodes = 100_000
	// maxID bounds ids, block ids, action ids and callback ids; Slack allows 255.
	maxID = 255
	// maxToken bounds trigger ids, hashes and URLs handed to us.
	maxToken = 3000
	// maxText bounds command text and one input value in bytes: 3,000 characters of four bytes, and commands up to a message's 40,000.
	maxText = 40_000
	// maxMetadata bounds private_metadata: 3,000 characters of at most four bytes.
	maxMetadata = 12_000
	// maxActions bounds actions of one payload. Slack sends one; an actions block holds 25.
	maxActions = 25
	// maxInputs bounds the values of a view or message: 100 blocks of 25 elements at the very most.
	maxInputs = 2500
	// maxSelected bounds the choices of one multi select: Slack offers 100 options.
	maxSelected = 1000
	// maxAck is the size from which Slack drops an acknowledgement without a word (slack-go #1196 measured 20 KB).
	maxAck = 20_000
	// maxPayload leaves room for the envelope round it.
	maxPayload = maxAck - 500
	// maxAttempts is how many open forms are remembered that were sent back with errors.
	maxAttempts = 4096
	// maxAnswer bounds what we read of a Web API answer; conversations.history of 200 large messages stays under it.
	maxAnswer = 8 << 20
	// maxErrorBody bounds what we read of an answer that is no success.
	maxErrorBody = 64 << 10

	// maxInFlight is how many interactions may wait for the inbox or their handler at once. A second of the fastest stream we promise
	// (1,000/s) fits twice; beyond it people are told that nothing was recorded instead of waiting for a lost click.
	maxInFlight = 2048
	// maxInFlightBytes bounds the same by size, so that 2,048 large forms cannot take 2 GiB.
	maxInFlightBytes = 32 << 20
	// maxHandlers is how many handlers run at once; the others wait, already durable.
	maxHandlers = 256
	// maxOut is the outgoing queue of one connection. A connection that cannot take so many small frames is dead.
	maxOut = 4096

	// putWait and replyWait add up to 2.7 s of the three seconds Slack gives; the rest is the way there and back.
	putWait   = 1200 * time.Millisecond
	replyWait = 1500 * time.Millisecond

	// ackWindow is how long Slack takes an acknowledgement; as long an answer is kept for duplicates on another socket.
	ackWindow = 3 * time.Second

	// pingEvery and readWait find a half-open connection in 20 s at most (Teleport's figures).
	pingEvery = 5 * time.Second
	readWait  = 20 * time.Second
	writeWait = 5 * time.Second
	// helloWait bounds handshake and greeting each.
	helloWait = 10 * time.Second
	// lingerFor closes a connection that was replaced and that Slack forgot to end; its warning comes about ten seconds before.
	lingerFor = 2 * time.Minute
	// lingerRefused leaves a connection that Slack turned down the time of one acknowledgement.
	lingerRefused = 3 * time.Second
	// settledAfter is how long a connection must live before its end no longer counts as a refusal.
	settledAfter = 10 * time.Second
	// stopWait bounds a graceful stop: drainWait to acknowledge (an acknowledgement takes 2.7 s at most), writeWait for a stalled socket,
	// closeWait for the closing handshake, and for handlers to notice that they are cancelled.
	stopWait  = 10 * time.Second
	drainWait = 4 * time.Second
	closeWait = time.Second

	// backoffFirst doubles up to backoffMax; jitter takes up to half of it away.
	backoffFirst = time.Second
	backoffMax   = 30 * time.Second
	// gateFirst is the pace of patient calls after a refusal, that of Slack's third tier (50 a minute); it becomes gateFaster percent with each call that
	// goes well and doubles with a refusal, within gateShortest and gateLongest. gateHeld ends it: Slack counts by the minute.
	gateFirst    = 1200 * time.Millisecond
	gateFaster   = 99
	gateShortest = 100 * time.Millisecond
	gateLongest  = 15 * time.Second
	gateHeld     = time.Minute
	// maxDMs bounds the direct message channels that are remembered, 50 bytes each.
	maxDMs = 10_000
	// openEvery refills the allowance of openings beyond the first burst, so that a server that greets and hangs up at once is not hammered.
	openEvery = 2 * time.Second

	// callWait bounds one Web API call, connection included.
	callWait = 10 * time.Second
	// askAgain are the pauses before a question whose answer was lost is asked again: short, because somebody waits for the decision.
	askAgainFirst = 200 * time.Millisecond
	askAgainThen  = time.Second
	// refreshAhead is how long before its end a bot token is exchanged: it lives twelve hours, and two are time enough to repair what fails.
	refreshAhead = 2 * time.Hour
	// refreshLook is how often it is looked at; refreshPause is the longest pause after an exchange that failed.
	refreshLook  = time.Minute
	refreshPause = 10 * time.Minute
	// maxTokenLife bounds what Slack's answer is believed about a token's life.
	maxTokenLife = 7 * 24 * time.Hour
	// retryAfterDefault is used when a 429 names no time or a senseless one; retryAfterMax bounds what it may name.
	retryAfterDefault = 30 * time.Second
	retryAfterMax     = time.Hour
	// bodyWait bounds how long a client may take to send a body (slow sending holds a connection, not memory).
	bodyWait = 5 * time.Second
	// maxPages bounds every listing over remote pages of pageSize.
	maxPages = 50
	pageSize = 200
	// findPages bounds the search for one message by its metadata: newest first, it is nearly always on the first page.
	findPages = 5

	// signatureAge is Slack's own window for a signed request, both ways.
	signatureAge = 5 * time.Minute
)
