package incidents

import "github.com/countersign-bot/countersign/workflows"

const (
	maxIncident = 60

	// mildest is the highest number of a severity: five classes are the most that published schemes use.
	mildest = 5

	// incidentPrefix begins the name of an incident that nobody named: what the runbooks of the library expect.
	incidentPrefix = "INC-"

	// maxOutline bounds the steps of a document; one of more than 200 helps nobody at night.
	maxOutline = 200

	// secondWithin is how long an invocation that needs a second person waits for one. Longer, and it would be agreed to in ignorance of
	// what has happened since.
	secondWithin = 30 * workflows.Span(60)

	// glassReasonMin is how much somebody says who goes around a condition that fails, in characters.
	glassReasonMin = 10

	// glassReviewDue is the longest that the review of such a use may wait, whatever the runbook says (24 hours are common in published
	// guidance).
	glassReviewDue = 24 * workflows.Span(3600)
)

// usualOften is how often one person breaks the glass in peace: twice a week. From then on a second listed person agrees.
func usualOften() Often { return Often{Times: 2, Per: 7 * 24 * 3600} }
