package main

import "slices"

// nearest is the word of the list that was probably meant, or "": at most two letters apart.
func nearest(word string, list []string) string {
	slices.Sort(list)
	best, at := "", 3
	for _, w := range list {
		if d := distance(word, w); d < at {
			best, at = w, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes; the words are short and ASCII.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diag, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diag+cost)
		}
	}
	return row[len(b)]
}
