// Package grants is the pure engine of granted access. One stream holds everything one identity ever held of one entitlement
// on one target, so that overlapping grants of one membership are counted and never revoke each other. Like package
// workflows it reads no clock and no network; package workflows/desk feeds it recorded facts.
package grants
