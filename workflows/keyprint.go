package workflows

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
)

// ListKey names the streams on which a public key is on record: of a person who put it there, and of access that was made for it. Member: its fingerprint.
const ListKey = "keys"

// KeyPrint is the fingerprint of a public key as somebody hands it in: "SHA256:" and the hash in base64, as ssh-keygen -l writes it. Of a certificate
// request it is the hash of the key that would be certified. Empty: the text is no key.
func KeyPrint(text string) string {
	var key []byte
	if line, bad := cleanSSHKey(strings.TrimSpace(text)); bad == "" {
		key, _ = base64.StdEncoding.DecodeString(strings.Fields(line)[1])
	} else if block, _ := pem.Decode([]byte(text)); block != nil {
		request, err := x509.ParseCertificateRequest(block.Bytes)
		if err != nil {
			return ""
		}
		key = request.RawSubjectPublicKeyInfo
	}
	if len(key) == 0 {
		return ""
	}
	sum := sha256.Sum256(key)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}
