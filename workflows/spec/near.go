package spec

import (
	"cmp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// didYouMean offers the known name that was probably meant: at most maxSuggest edits away, or the only one that begins
// with what was written. Empty when nothing is near.
func didYouMean(got string, known []string) string {
	if best := nearest(got, known); best != "" {
		return "did you mean " + strconv.Quote(best) + "?"
	}
	return ""
}

// meantOr is didYouMean, or else the list of what is known when that is short.
func meantOr(got string, known []string) string {
	if h := didYouMean(got, known); h != "" {
		return h
	}
	if len(known) == 0 || len(known) > 12 {
		return ""
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(known)))
	return "known: " + strings.Join(sorted, ", ")
}

func nearest(got string, known []string) string {
	if got == "" || len(got) > 4*maxID {
		return ""
	}
	type candidate struct {
		name  string
		edits int
	}
	var near []candidate
	low := strings.ToLower(got)
	for _, k := range known {
		edits := distance(low, strings.ToLower(k))
		begins := len(got) >= 3 && (strings.HasPrefix(k, low) || len(k) >= 3 && strings.HasPrefix(low, k))
		if (edits <= maxSuggest && edits < len(k)) || begins {
			near = append(near, candidate{k, edits})
		}
	}
	if len(near) == 0 {
		return ""
	}
	sort.Slice(near, func(i, j int) bool {
		a, b := near[i], near[j]
		return cmp.Or(cmp.Compare(a.edits, b.edits), cmp.Compare(a.name, b.name)) < 0
	})
	return near[0].name
}

// distance is the Levenshtein distance in bytes, or a large number as soon as it must exceed maxSuggest by length.
func distance(a, b string) int {
	if d := len(a) - len(b); d > maxSuggest || -d > maxSuggest {
		return max(len(a), len(b))
	}
	prev, cur := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			swap := prev[j-1]
			if a[i-1] != b[j-1] {
				swap++
			}
			cur[j] = min(swap, prev[j]+1, cur[j-1]+1)
		}
		prev, cur = cur, prev
	}
	return prev[len(b)]
}
