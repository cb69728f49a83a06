// Package slacksim is an embedded Slack workspace: Web API, Socket Mode or signed HTTP, Block Kit with Slack's limits, modals, Home
// tabs, response_urls, and a browser page on which anybody can be any of its users. It knows nothing of what the app does. It can
// misbehave on demand: see Fault.
//
// The app under test needs nothing but the API address (the handler's address and "/api/") and the two tokens of App. Tests act
// through the Go methods: Command, Click, Select, SubmitView, CloseView, OpenHome, Shortcut, Post, React. Each returns a Delivery,
// whose Err says what the person would have seen. Messages, Thread, DM, Ephemerals, Home, View and Notices read what is on
// somebody's screen, Until waits for it, Traffic and TrafficContains look at what went over the wire.
//
// Another process does the same as JSON: POST /sim/act takes an Action, POST /sim/admin changes accounts, groups and channels and
// injects faults, GET /sim/state, /sim/messages, /sim/traffic, /sim/faults and /sim/stats read, GET /sim/events streams a line per
// change (GET /sim/live does over a WebSocket, for pages). The page uses exactly these.
//
// The page takes ?as=NAME, at=CHANNEL (a name, an id, "home" or "dm"), thread=TS, theme=light|dark, panel=1 and live=0 (no updates,
// for tools that wait for a quiet page). Its parts carry data-testid for browser tests: user-switcher, user-NAME, channel-NAME,
// nav-home, nav-dm, message and ephemeral (with data-ts), thread-open, thread-reply, thread-pane, thread-composer, thread-send,
// composer, composer-send, command-NAME, action-ACTION_ID, option-ACTION_ID-VALUE, choice-ACTION_ID-VALUE, confirm-yes, confirm-no,
// modal, modal-submit, modal-close, modal-x, field-BLOCK_ID, input-BLOCK_ID, error-BLOCK_ID, modal-notice, home, toast,
// panel-toggle, panel, theme, connections, banner.
//
// What it does not do: message search, files beyond the upload handshake, canvases, lists, huddles, workflow steps, unfurling,
// scheduled messages, OAuth installation, Enterprise Grid, more than one app, user tokens, editing by people, channel creation
// through the API, streams of assistant messages. Of Block Kit it knows no card, carousel, container, plan, task card and data
// table: such blocks are refused as unknown. Retries of events wait in real time, not on Config.Clock. Slack's own answers to
// broken blocks are only approximated in wording: the code (invalid_blocks, invalid_arguments for views) and the JSON pointer are
// what counts. An acknowledgement counts only on the connection its envelope came on, which is stricter than Slack promises to be.
package slacksim
