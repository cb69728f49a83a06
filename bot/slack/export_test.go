package slack

// OutsideOnly, CheckSocketURL and CodeClass let the tests of the package's border reach the rules behind it.
func OutsideOnly(address string) error { return outsideOnly("tcp", address, nil) }

func CheckSocketURL(raw string, loopback bool) error { return checkSocketURL(raw, loopback) }

func CodeClass(code string) string {
	return map[class]string{
		classPermanent: "permanent", classAuth: "auth", classRate: "rate limited", classAmbiguous: "ambiguous", classConflict: "conflict", classExpired: "expired",
	}[codeClass(code)]
}
