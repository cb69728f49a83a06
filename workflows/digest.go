package workflows

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
)

// Digest binds everything that is asked: who would hold what, under which policy, for how long and why. A sealed random
// nonce is part of it, so that the digest in the ledger tells nothing about texts that could be guessed.
func (e Submitted) digest(id RequestID, policy DocHash, requester PersonID) string {
	e.Digest, e.Channel, e.Authn, e.Card = "", "", "", ""
	b, err := json.Marshal(struct {
		ID        RequestID
		Policy    DocHash
		Requester PersonID
		Asked     Submitted
	}{id, policy, requester, e})
	if err != nil {
		panic("encoding a submission: " + err.Error()) // strings, ints and maps of strings always encode
	}
	return hashOf("countersign/request/v1", string(b))
}

// Shown is the hash of what an approver of one stage decides on. A button carries it; a vote on anything else is stale.
func (s State) Shown(stage int) string {
	return hashOf("countersign/shown/v1", s.Asked.Digest, string(s.Policy), strconv.Itoa(stage))
}

// hashOf hashes length-prefixed parts, so that no two lists of parts collide by concatenation.
func hashOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(strconv.Itoa(len(p)) + ":" + p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// HashDocument is the DocHash of exact bytes.
func HashDocument(b []byte) DocHash {
	sum := sha256.Sum256(b)
	return DocHash("sha256:" + hex.EncodeToString(sum[:]))
}
