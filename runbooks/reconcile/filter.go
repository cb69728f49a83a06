package reconcile

import "hash/maphash"

// filter is a Bloom filter: it may say that it met a key which it did not, never the other way round. Its seed is its own, so
// that what one sweep misses the next one finds.
type filter struct {
	bits []uint64
	a, b maphash.Seed
}

func newFilter() *filter {
	return &filter{bits: make([]uint64, filterBytes/8), a: maphash.MakeSeed(), b: maphash.MakeSeed()}
}

// places gives the bits of a key, by double hashing (Kirsch and Mitzenmacher, "Less hashing, same performance", 2006).
func (f *filter) places(key string, do func(word, mask uint64) bool) bool {
	h, step := maphash.String(f.a, key), maphash.String(f.b, key)|1
	n := uint64(len(f.bits)) * 64
	for range filterHashes {
		bit := h % n
		if !do(bit/64, 1<<(bit%64)) {
			return false
		}
		h += step
	}
	return true
}

func (f *filter) add(key string) {
	f.places(key, func(word, mask uint64) bool { f.bits[word] |= mask; return true })
}

func (f *filter) has(key string) bool {
	return f.places(key, func(word, mask uint64) bool { return f.bits[word]&mask != 0 })
}
