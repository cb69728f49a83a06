package bundle

import (
	"bufio"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"sort"
)

// archive/zip reads more kinds of zip than a verifier should accept: it takes any number of members before anybody can count them, names
// from the directory that differ from those before the data, and members that lie over each other. So the directory is read here.
// The format is APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.9, 4.3.12 and 4.3.16.
const (
	signLocal      = 0x04034b50
	signDirectory  = 0x02014b50
	signEnd        = 0x06054b50
	signDescriptor = 0x08074b50
	lenLocal       = 30
	lenDirectory   = 46
	lenEnd         = 22
	lenDescriptor  = 16 // behind the data of a member whose sizes its writer did not know before

	methodStored   = 0
	methodDeflated = 8
	flagEncrypted  = 1
	flagUTF8       = 1 << 11
	flagDescriptor = 1 << 3
)

// member is one file of a zip.
type member struct {
	name   string
	method uint16
	flags  uint16
	crc    uint32
	packed int64
	size   int64
	header int64 // offset of its local header
	data   int64 // offset of its bytes
}

// readDirectory reads and checks the whole directory of a zip.
func readDirectory(r io.ReaderAt, length int64) ([]member, error) {
	count, at, err := readEnd(r, length)
	if err != nil {
		return nil, err
	}
	raw := make([]byte, length-lenEnd-at)
	if _, err := r.ReadAt(raw, at); err != nil {
		return nil, err
	}
	list := make([]member, 0, count)
	for range count {
		m, rest, err := parseMember(raw)
		if err != nil {
			return nil, malformed("its directory: %v", err)
		}
		list, raw = append(list, m), rest
	}
	if len(raw) > 0 {
		return nil, malformed("its directory has %d bytes too many", len(raw))
	}
	sort.Slice(list, func(i, j int) bool { return list[i].header < list[j].header })
	return list, checkPlaces(r, list, at)
}

// readEnd finds the directory: the end record must be the end, and the directory right before it.
func readEnd(r io.ReaderAt, length int64) (count int, at int64, err error) {
	var b [lenEnd]byte
	if length < lenEnd || length > maxZipBytes {
		return 0, 0, malformed("%d bytes are no zip this program takes: a folder can be larger", length)
	}
	if _, err := r.ReadAt(b[:], length-lenEnd); err != nil {
		return 0, 0, err
	}
	le := binary.LittleEndian
	if le.Uint32(b[:]) != signEnd || le.Uint16(b[20:]) != 0 {
		return 0, 0, malformed("a zip does not end here: it was cut off, something stands behind it, or it is none")
	}
	count, size := int(le.Uint16(b[10:])), int64(le.Uint32(b[12:]))
	at = int64(le.Uint32(b[16:]))
	switch {
	case le.Uint16(b[4:]) != 0 || le.Uint16(b[6:]) != 0 || int(le.Uint16(b[8:])) != count:
		return 0, 0, malformed("it is one of several disks")
	case count > maxZipFiles:
		return 0, 0, malformed("it has more than %d members, or the 64-bit form", maxZipFiles)
	case at+size != length-lenEnd || size < int64(count)*lenDirectory || size > int64(count)*(lenDirectory+2*maxName):
		return 0, 0, malformed("its directory is not right before its end, or not of a size for %d members", count)
	}
	return count, at, nil
}

func parseMember(b []byte) (m member, rest []byte, err error) {
	le := binary.LittleEndian
	if len(b) < lenDirectory || le.Uint32(b) != signDirectory {
		return m, nil, errors.New("a member is missing")
	}
	name, extra, comment := int(le.Uint16(b[28:])), int(le.Uint16(b[30:])), int(le.Uint16(b[32:]))
	if name > maxName || len(b) < lenDirectory+name+extra+comment {
		return m, nil, errors.New("a name or what is beside it is too long")
	}
	m = member{
		name:  string(b[lenDirectory : lenDirectory+name]),
		flags: le.Uint16(b[8:]), method: le.Uint16(b[10:]), crc: le.Uint32(b[16:]),
		packed: int64(le.Uint32(b[20:])), size: int64(le.Uint32(b[24:])), header: int64(le.Uint32(b[42:])),
	}
	madeBy, mode := b[5], le.Uint32(b[38:])>>16
	switch {
	case m.flags&^(flagDescriptor|flagUTF8|6) != 0: // 6: the two bits in which a deflater says how hard it tried
		err = fmt.Errorf("%q is encrypted or of another unusual kind", m.name)
	case m.method != methodStored && m.method != methodDeflated:
		err = fmt.Errorf("%q is packed by method %d", m.name, m.method)
	case m.method == methodStored && m.packed != m.size:
		err = fmt.Errorf("%q is stored with two sizes", m.name)
	case le.Uint16(b[34:]) != 0:
		err = fmt.Errorf("%q is on another disk", m.name)
	case madeBy == 3 && mode&0o170000 != 0 && mode&0o170000 != 0o100000: // 3: Unix
		err = fmt.Errorf("%q is a link or something else that is not a file", m.name)
	}
	return m, b[lenDirectory+name+extra+comment:], err
}

// checkPlaces reads what stands around the data of each member: each begins where the one before it ends, and the directory where the last
// ends. list is in the order of the file.
func checkPlaces(r io.ReaderAt, list []member, end int64) error {
	next := int64(0)
	for i := range list {
		m := &list[i]
		if m.header != next {
			return malformed("%q does not follow what is before it: members overlap, or something is between them", m.name)
		}
		if err := m.checkLocal(r, end); err != nil {
			return err
		}
		if next = m.data + m.packed; m.flags&flagDescriptor != 0 {
			next += lenDescriptor
		}
	}
	if next != end {
		return malformed("something stands between the last member and the directory")
	}
	return nil
}

// checkLocal compares what stands before and behind the data with the directory.
func (m *member) checkLocal(r io.ReaderAt, end int64) error {
	var b [lenLocal + maxName]byte
	le := binary.LittleEndian
	head := b[:lenLocal+len(m.name)]
	if _, err := r.ReadAt(head, m.header); err != nil {
		return malformed("%q begins behind the end", m.name)
	}
	if le.Uint32(head) != signLocal || le.Uint16(head[6:]) != m.flags || le.Uint16(head[8:]) != m.method ||
		int(le.Uint16(head[26:])) != len(m.name) || string(head[lenLocal:]) != m.name {
		return malformed("%q is called or packed otherwise where it lies", m.name)
	}
	m.data = m.header + lenLocal + int64(len(m.name)) + int64(le.Uint16(head[28:]))
	sums := head[14:26]
	if m.flags&flagDescriptor != 0 {
		behind := b[:lenDescriptor]
		if _, err := r.ReadAt(behind, m.data+m.packed); err != nil || le.Uint32(behind) != signDescriptor {
			return malformed("%q ends behind the end, or without its sums", m.name)
		}
		sums = behind[4:]
	}
	if m.data+m.packed > end || le.Uint32(sums) != m.crc || int64(le.Uint32(sums[4:])) != m.packed || int64(le.Uint32(sums[8:])) != m.size {
		return malformed("%q ends behind the end, or has other sizes where it lies", m.name)
	}
	return nil
}

// unpacker reads one member and fails at its end if it was not what the directory says.
type unpacker struct {
	name   string
	r      io.Reader
	packed *bufio.Reader // what lies behind the deflated data; nil for stored members
	sum    hash.Hash32
	want   uint32
	left   int64
}

func (m *member) open(file io.ReaderAt) io.Reader {
	u := &unpacker{name: m.name, r: io.NewSectionReader(file, m.data, m.packed), sum: crc32.NewIEEE(), want: m.crc, left: m.size}
	if m.method == methodDeflated {
		u.packed = bufio.NewReader(u.r) // flate reads bytes from it one by one, and so none behind its last
		u.r = flate.NewReader(u.packed)
	}
	return u
}

// hides tells whether something stands between the deflated data and the end of the member, where no unzip would show it.
func (u *unpacker) hides() bool {
	if u.packed == nil {
		return false
	}
	_, err := u.packed.ReadByte()
	return err == nil
}

// Read implements io.Reader.
func (u *unpacker) Read(p []byte) (int, error) {
	n, err := u.r.Read(p[:min(int64(len(p)), u.left+1)])
	u.left -= int64(n)
	u.sum.Write(p[:max(0, n)])
	switch {
	case u.left < 0:
		return 0, malformed("%q unpacks to more than it says", u.name)
	case err == io.EOF && (u.left > 0 || u.sum.Sum32() != u.want):
		return 0, malformed("%q does not unpack to what it says", u.name)
	case err != nil && err != io.EOF:
		return 0, malformed("%q does not unpack: %v", u.name, err)
	case err == io.EOF && u.hides():
		return 0, malformed("%q does not unpack to what it says: something is hidden behind its data", u.name)
	}
	return n, err
}
