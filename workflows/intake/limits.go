package intake

// The limits of what is read.
const (
	MaxBytes    = 128 << 20 // of a file: 100,000 identities are some 40 MB; more is refused before it is read
	MaxRows     = 200_000
	maxYAML     = 4 << 20 // YAML is decoded as a whole
	maxCell     = 2000    // bytes
	maxList     = 50      // items of one cell
	maxProblems = 100     // named before reading stops
)
