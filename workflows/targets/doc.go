// Package targets holds what is known of one target beside the grants on it: access that somebody found there and no grant
// explains, access that vanished before its end, and whether taking back still works (drills). It is pure: what a sweep or a
// drill found is handed to it, and it says what that means against what was known before, and who must be told.
package targets
