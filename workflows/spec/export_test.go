package spec

// For tests of what has no exported door.
var (
	Canonical = canonical
	NotNFC    = notNFC
	Near      = nearest
)

// MaxPrograms is how many compiled conditions are kept.
const MaxPrograms = maxPrograms

// Programs is how many compiled conditions an evaluator keeps now.
func Programs(c *Conditions) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.programs)
}
