package github

import "time"

const (
	// callTimeout bounds one call with its pages.
	callTimeout = 30 * time.Second

	// pageSize is GitHub's largest page, and maxPages bounds a list: 20,000 collaborators or members.
	pageSize = 100
	maxPages = 200

	// tokenMargin is how long before its end an installation's token, which lasts an hour, is replaced.
	tokenMargin = 5 * time.Minute

	// jwtLife is how long a claim to be the App holds; GitHub takes up to ten minutes, and clocks differ.
	jwtLife = 8 * time.Minute

	// maxDigits bounds an id out of the settings.
	maxDigits = 18

	// maxShown and maxGrants bound what the inventory shows of one identity, maxFinding one line of doctor.
	maxShown   = 200
	maxGrants  = 20
	maxFinding = 300

	// maxChange bounds a sentence of a plan; the ledger takes 500 bytes.
	maxChange = 480

	// maxStatus bounds the word for how a task stands.
	maxStatus = 60
)
