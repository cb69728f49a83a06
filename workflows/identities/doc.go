// Package identities holds the events of people and non-human identities: who is linked to whom, who owns what. The inventory
// grows on these streams.
package identities
