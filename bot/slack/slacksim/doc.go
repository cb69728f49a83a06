// Package slacksim is an embedded Slack workspace: Web API, Socket Mode or signed HTTP, Block Kit with Slack's limits, modals, Home
// tabs, response_urls, and a browser page on which anybody can be any of its users. It knows nothing of what the app does. It can
// misbehave on demand: see Fault.
//
// Tests act through the Go methods (Command, Click, SubmitView …), other processes through the JSON API under /sim/, which is what
// the page uses. The app under test needs nothing but the API address and the two tokens.
//
// What it does not do: message search, files beyond the upload handshake, canvases, lists, huddles, workflow steps, unfurling,
// scheduled messages, OAuth installation, Enterprise Grid, more than one app, user tokens, editing by people, channel creation
// through the API, streams of assistant messages. Retries of events wait in real time, not on Config.Clock. Slack's own answers to
// broken blocks are only approximated in wording: the code (invalid_blocks, invalid_arguments) and the JSON pointer are what counts.
package slacksim
