package main

import "sort"

// sortBy sorts as slices.SortFunc does, which is compiled anew for each kind of row: sixteen kilobytes for each of a dozen lists of a few rows.
func sortBy[E any](list []E, order func(a, b E) int) {
	sort.Slice(list, func(i, j int) bool { return order(list[i], list[j]) < 0 })
}
