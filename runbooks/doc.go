// Package runbooks acts: it holds the contract of connectors to target systems, the Runner that executes grants and
// revocations on them, and the reading of runbook documents. It decides nothing and remembers nothing; jobs in cmd call
// it and record what it answers. Each connector is a package below this one and imports no other.
package runbooks
