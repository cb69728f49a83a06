// Package incidents is the pure engine of pre-approved escalations: the stream of a runbook, which records the approvals of
// its exact text and every invocation. Like package workflows it reads no clock and no network.
package incidents
