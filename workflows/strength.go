package workflows

// How strong a kind of credential is by itself (R89).
const (
	StrengthStatic    = "static"    // a secret that lies somewhere and works for whoever has it, until somebody replaces it
	StrengthBound     = "bound"     // bound to a key or an end of its own
	StrengthFederated = "federated" // there is no secret to keep: proven anew at each use
)

// StrengthOf is the class of a kind of identity; stored says where its secret lies, "none" where there is none. A kind that is not known is static.
func StrengthOf(kind, stored string) string {
	switch {
	case stored == "none" || kind == "workload":
		return StrengthFederated
	case kind == "certificate":
		return StrengthBound
	}
	return StrengthStatic
}

// IsKey tells whether identities of a kind are nothing but a static, long-lived secret.
func IsKey(kind string) bool { return kind == "api_key" || kind == "oauth_token" || kind == "ssh_key" }
