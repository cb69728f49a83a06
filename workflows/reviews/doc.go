// Package reviews is the pure engine of reviews: what must be looked at afterwards, by whom, until when. The first kind is
// the review of a broken glass; attestation campaigns will use the same stream.
package reviews
