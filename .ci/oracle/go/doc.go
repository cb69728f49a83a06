// Package oracle holds the tests that let foreign verifiers judge our bundles. It has no code of its own, and none of Countersign's.
package oracle
