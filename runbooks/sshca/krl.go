package sshca

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"time"

	"golang.org/x/crypto/ssh"
)

// The numbers of OpenSSH's PROTOCOL.krl.
const (
	krlMagic         = 0x5353484b524c0a00 // "SSHKRL\n\0"
	krlFormat        = 1
	sectionCerts     = 1
	certSerialList   = 0x20
	certSerialRange  = 0x21
	certSerialBitmap = 0x22
)

// List is what a key revocation list says, before it is encoded: serials per CA.
type List struct {
	Version   uint64
	Generated time.Time
	Comment   string
	CAs       []Revocations
}

// Revocations are the revoked serials of one CA's certificates.
type Revocations struct {
	CA      ssh.PublicKey
	Serials []uint64
}

// Encode gives the bytes that sshd reads as RevokedKeys. The same list gives the same bytes.
func (l List) Encode() []byte {
	var b bytes.Buffer
	put(&b, uint64(krlMagic))
	put(&b, uint32(krlFormat))
	put(&b, l.Version)
	put(&b, uint64(l.Generated.Unix()))
	put(&b, uint64(0)) // flags
	putString(&b, nil) // reserved
	putString(&b, []byte(l.Comment))
	for _, ca := range l.CAs {
		if len(ca.Serials) == 0 {
			continue
		}
		b.WriteByte(sectionCerts)
		putString(&b, encodeSerials(ca))
	}
	return b.Bytes()
}

// encodeSerials picks the shortest of the three spellings: runs as ranges, dense stretches as bitmaps, the rest listed.
// Ours are hashes, so in practice they are listed; hosts may keep lists of CAs that count upwards.
func encodeSerials(ca Revocations) []byte {
	var b, list bytes.Buffer
	putString(&b, ca.CA.Marshal())
	putString(&b, nil) // reserved
	serials := slices.Compact(slices.Sorted(slices.Values(ca.Serials)))
	for i := 0; i < len(serials); {
		if n := runLength(serials[i:]); n >= 4 {
			var r bytes.Buffer
			put(&r, serials[i])
			put(&r, serials[i+n-1])
			b.WriteByte(certSerialRange)
			putString(&b, r.Bytes())
			i += n
			continue
		}
		if n := denseLength(serials[i:]); n > 0 {
			b.WriteByte(certSerialBitmap)
			putString(&b, encodeBitmap(serials[i:i+n]))
			i += n
			continue
		}
		put(&list, serials[i])
		i++
	}
	if list.Len() > 0 {
		b.WriteByte(certSerialList)
		putString(&b, list.Bytes())
	}
	return b.Bytes()
}

// runLength counts the serials from the first that follow each other without a gap.
func runLength(serials []uint64) int {
	n := 1
	for n < len(serials) && serials[n] == serials[n-1]+1 {
		n++
	}
	return n
}

// denseLength counts the serials from the first that a bitmap holds in fewer bytes than a list, or answers zero.
func denseLength(serials []uint64) int {
	n := 1
	for n < len(serials) && serials[n]-serials[0] < maxBitmapBits {
		n++
	}
	const overhead = 1 + 4 + 8 + 4 + 1 // type, length, offset, length of the number, its sign byte
	if span := int(serials[n-1]-serials[0])/8 + 1; n*8 <= overhead+span {
		return 0
	}
	return n
}

// encodeBitmap sets bit N of a number for serial first+N.
func encodeBitmap(serials []uint64) []byte {
	first, last := serials[0], serials[len(serials)-1]
	bits := make([]byte, (last-first)/8+1)
	for _, s := range serials {
		n := s - first
		bits[len(bits)-1-int(n/8)] |= 1 << (n % 8)
	}
	if bits[0]&0x80 != 0 {
		bits = append([]byte{0}, bits...) // an mpint with its top bit set would be negative
	}
	var b bytes.Buffer
	put(&b, first)
	putString(&b, bits)
	return b.Bytes()
}

func put[T uint32 | uint64](b *bytes.Buffer, v T) {
	switch v := any(v).(type) {
	case uint32:
		b.Write(binary.BigEndian.AppendUint32(b.AvailableBuffer(), v))
	case uint64:
		b.Write(binary.BigEndian.AppendUint64(b.AvailableBuffer(), v))
	}
}

func putString(b *bytes.Buffer, s []byte) {
	put(b, uint32(len(s)))
	b.Write(s)
}

// KRL is a parsed list. The zero value revokes nothing.
type KRL struct {
	Version   uint64
	Generated time.Time
	Comment   string
	cas       []caSpans
}

type caSpans struct {
	key   string // wire form; empty: any CA
	spans []span
}

type span struct{ lo, hi uint64 }

// Revoked tells whether any CA's certificate with this serial is on the list.
func (k KRL) Revoked(serial uint64) bool {
	return slices.ContainsFunc(k.cas, func(ca caSpans) bool { return contains(ca.spans, serial) })
}

// RevokedBy tells whether this CA's certificate with this serial is on the list, as sshd asks it.
func (k KRL) RevokedBy(ca ssh.PublicKey, serial uint64) bool {
	key := string(ca.Marshal())
	return slices.ContainsFunc(k.cas, func(c caSpans) bool {
		return (c.key == "" || c.key == key) && contains(c.spans, serial)
	})
}

// Count is how many serials the list names, over all CAs.
func (k KRL) Count() uint64 {
	var n uint64
	for _, ca := range k.cas {
		for _, s := range ca.spans {
			n += s.hi - s.lo + 1
		}
	}
	return n
}

// missingFrom counts the serials of k that newer does not have for the same CA.
func (k KRL) missingFrom(newer KRL) uint64 {
	var n uint64
	for _, ca := range k.cas {
		for _, s := range ca.spans {
			n += s.hi - s.lo + 1 - covered(newer, ca.key, s)
		}
	}
	return n
}

// covered counts the serials of s that k has for the CA.
func covered(k KRL, key string, s span) uint64 {
	var n uint64
	for _, ca := range k.cas {
		if ca.key != key {
			continue
		}
		i := sort.Search(len(ca.spans), func(i int) bool { return ca.spans[i].hi >= s.lo })
		for ; i < len(ca.spans) && ca.spans[i].lo <= s.hi; i++ {
			n += min(s.hi, ca.spans[i].hi) - max(s.lo, ca.spans[i].lo) + 1
		}
	}
	return n
}

func contains(spans []span, serial uint64) bool {
	i := sort.Search(len(spans), func(i int) bool { return spans[i].hi >= serial })
	return i < len(spans) && spans[i].lo <= serial
}

// ParseKRL reads a list of revoked serials. What it cannot judge (revoked keys, key ids, signatures, unknown sections)
// is an error and not skipped: a list that is understood in part would let somebody in.
func ParseKRL(raw []byte) (KRL, error) {
	if len(raw) > maxKRL {
		return KRL{}, fmt.Errorf("reading a revocation list: %d bytes, more than %d", len(raw), maxKRL)
	}
	k, err := parseKRL(&reader{rest: raw})
	if err != nil {
		return KRL{}, fmt.Errorf("reading a revocation list: %w", err)
	}
	return k, nil
}

func parseKRL(r *reader) (KRL, error) {
	magic, format := r.uint64(), r.uint32()
	k := KRL{Version: r.uint64(), Generated: time.Unix(int64(r.uint64()), 0).UTC()}
	flags, reserved := r.uint64(), r.string()
	k.Comment = string(r.string())
	switch {
	case r.err != nil:
		return KRL{}, r.err
	case magic != krlMagic || format != krlFormat:
		return KRL{}, errors.New("not a key revocation list of format 1")
	case flags != 0 || len(reserved) != 0:
		return KRL{}, errors.New("flags or reserved bytes are set")
	}
	byCA := map[string][]span{}
	total := 0
	for sections := 0; len(r.rest) > 0; sections++ {
		kind, body := r.byte(), r.string()
		if r.err != nil {
			return KRL{}, r.err
		}
		if kind != sectionCerts || sections >= maxSections {
			return KRL{}, fmt.Errorf("section of type %d (number %d) is not one that is understood", kind, sections+1)
		}
		key, spans, err := parseCerts(&reader{rest: body}, maxSpans-total)
		if err != nil {
			return KRL{}, err
		}
		total += len(spans)
		byCA[key] = append(byCA[key], spans...)
	}
	for _, key := range slices.Sorted(maps.Keys(byCA)) {
		k.cas = append(k.cas, caSpans{key: key, spans: mergeSpans(byCA[key])})
	}
	return k, nil
}

func parseCerts(r *reader, room int) (string, []span, error) {
	key, reserved := string(r.string()), r.string()
	if r.err == nil && len(reserved) != 0 {
		return "", nil, errors.New("reserved bytes of a section are set")
	}
	var spans []span
	for r.err == nil && len(r.rest) > 0 {
		kind, body := r.byte(), &reader{rest: r.string()}
		var more []span
		switch {
		case r.err != nil:
		case kind == certSerialList:
			more = body.list()
		case kind == certSerialRange:
			more = []span{{lo: body.uint64(), hi: body.uint64()}}
		case kind == certSerialBitmap:
			more = body.bitmap()
		default:
			return "", nil, fmt.Errorf("certificates revoked by something else than their serial (type %#x)", kind)
		}
		if err := body.finish(more); err != nil {
			return "", nil, err
		}
		if spans = append(spans, more...); len(spans) > room {
			return "", nil, errors.New("too many serials")
		}
	}
	return key, spans, r.err
}

// mergeSpans sorts and joins, so that a search finds the one span that can hold a serial.
func mergeSpans(spans []span) []span {
	sort.Slice(spans, func(i, j int) bool { return spans[i].lo < spans[j].lo })
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 && (s.lo <= out[n-1].hi || s.lo == out[n-1].hi+1) {
			out[n-1].hi = max(out[n-1].hi, s.hi)
			continue
		}
		out = append(out, s)
	}
	return out
}

// reader takes a list apart; its first error sticks and empties it.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) take(n int) []byte {
	if r.err != nil || n > len(r.rest) {
		if r.err == nil {
			r.err = errors.New("cut short")
		}
		r.rest = nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) string() []byte {
	n := r.uint32()
	if uint64(n) > uint64(len(r.rest)) {
		n = uint32(min(uint64(len(r.rest))+1, 1<<31)) // take reports it
	}
	return r.take(int(n))
}

func (r *reader) list() []span {
	var out []span
	for r.err == nil && len(r.rest) > 0 {
		s := r.uint64()
		out = append(out, span{s, s})
	}
	return out
}

func (r *reader) bitmap() []span {
	first, bits := r.uint64(), r.string()
	if len(bits) > 0 && bits[0]&0x80 != 0 {
		r.err = errors.New("a bitmap is negative")
	}
	if len(bits)*8 > 1<<20 {
		r.err = errors.New("a bitmap is too long")
	}
	if r.err != nil {
		return nil
	}
	var out []span
	for i := range len(bits) * 8 {
		if bits[len(bits)-1-i/8]&(1<<(i%8)) == 0 {
			continue
		}
		s := first + uint64(i)
		if s < first {
			r.err = errors.New("a bitmap runs past the largest serial")
			return nil
		}
		out = append(out, span{s, s})
	}
	return out
}

// finish checks that a subsection held something sensible and nothing more.
func (r *reader) finish(spans []span) error {
	switch {
	case r.err != nil:
		return r.err
	case len(r.rest) > 0:
		return errors.New("bytes after the end of a section")
	}
	for _, s := range spans {
		if s.lo == 0 || s.lo > s.hi {
			return errors.New("serial zero or a range that runs backwards")
		}
	}
	return nil
}
