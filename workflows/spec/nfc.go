package spec

func notNFC(s string) string { return "" }
