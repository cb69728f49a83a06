// Package runs is the pure engine of a runbook being carried out: which step is next, who did what, what a connector answered, what is
// taken back when a step fails. One stream is one run, of an incident, a drill or a routine. Like package workflows it reads no clock and
// no network; package desk calls it, package cmd carries its jobs to the connectors.
package runs
