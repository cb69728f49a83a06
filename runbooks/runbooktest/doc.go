// Package runbooktest holds what every connector must pass (Exercise) and a target in memory that misbehaves on demand
// (Memory), for tests of whoever calls connectors.
package runbooktest
