// Package intake reads what other systems say of identities: inventories as CSV, JSON or YAML. It checks every cell and names the row and the
// column of what is wrong; it decides nothing, knows nobody, and keeps nothing. Called by cmd.
package intake
