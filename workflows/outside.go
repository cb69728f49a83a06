package workflows

// Holders who do not belong to the company. They may hold what is brokered, and nothing else (R48, R108).
const (
	OutsideContractor = "contractor"
	OutsideVendor     = "vendor"
)

// RefuseOutside says that somebody from outside may not hold an entitlement that no connector keeps to a bastion and one command; outside is
// OutsideContractor or OutsideVendor, name is "target/entitlement".
func RefuseOutside(outside, name string) *Refusal {
	return Refusef(CodeBrokered, "Ask for a target that is marked brokered, or have somebody of the company do it.",
		"A %s may hold access to brokered targets only, and %s is not one: nothing would keep them to the bastion.", outside, name)
}
