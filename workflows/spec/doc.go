// Package spec reads the configuration folder of a company (people, roles, identities, targets, workflows, runbooks) and
// compiles it into the values that the engine binds requests to.
//
// Load is strict: it refuses what it does not know, says so with file, line and column, offers what was probably meant
// and collects every problem instead of stopping at the first. Compile turns a loaded folder into policy versions: the
// canonical JSON of each workflow and runbook with everything it names, and its hash. A policy version holds person
// ids, never names or addresses, because it is kept for ever.
//
// The package reads no clock, no network and no environment; its only input is the file system it is handed. It must
// not import any room but workflows and its stream packages. It is called by cmd (check, serve, reload, init).
package spec
