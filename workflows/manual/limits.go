package manual

// Bounds of what is printed. A manual that lists five hundred names for one step is not read.
const (
	maxNames = 12 // people named one by one; beyond them the group or the list is counted
	maxLabel = 90 // characters of a label in a diagram
)
