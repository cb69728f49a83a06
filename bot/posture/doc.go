// Package posture takes in what others know of devices and workloads, and answers when a policy asks: is the disk encrypted, is the image the one
// that was signed. What is said is signed, fresh and small: an endpoint manager posts it as a webhook (Standard Webhooks, HMAC-SHA256), a device
// agent posts it as a claim of its own (compact JWS, Ed25519). The register keeps the newest answer to each claim until its time is over, in a
// file of the data folder, so that a restart forgets nothing; what is not in it is "nobody said so lately", which a policy takes for a no.
//
// Both ways carry the same object:
//
//	{"subject": "ada@example.com", "claims": {"disk-encrypted": true}, "observed_at": "2026-11-22T09:00:00Z", "valid_seconds": 3600}
//
// The subject is a key or e-mail address of the people file, or the id of a non-human identity. An observation that is older than the one at
// hand changes nothing, so that a delivery that comes twice, or late, does no harm; of two of the same moment (observed_at may have any fraction of
// a second, use it) the one that says no counts.
package posture
