// Package storytest holds what the tests of the engines share: a ledger in memory that keeps every promise the store makes
// (order, one history per stream, appends only), and a reader of stories, histories drawn as one line:
//
//	zed submits; ann approves; 61m; bob approves -> approved
//
// It must not decide anything. The tests of package workflows and of its stream packages call it.
package storytest
