// Package campaigns is the pure engine of attestation campaigns: what is looked at, by whom, until when, what each reviewer was shown and
// decided, and what follows where nobody answered. One stream holds all runs of a campaign; what one reviewer looks at in one run is a sheet
// with a stream of its own, so that thousands of items of hundreds of reviewers are decided beside each other. It carries nothing out: every
// decision is a job until its effect is recorded. Package desk calls it.
package campaigns
