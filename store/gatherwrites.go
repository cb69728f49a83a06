package store

import (
	"errors"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// SQLite writes each page of a commit into the write-ahead log by two calls, one for the 24 bytes before it. Here what it writes one behind the
// other goes to the kernel at once: its own file system with another way to write into a log, which gathers, and writes before anything else is
// done with the file. No other connection looks at what is gathered: it reads as far as the index of the log says, and SQLite moves
// that on when a commit was written and synced; the page that ends a transaction takes all before it along.
//
// What is kept belongs to a transaction that goes on: it is dropped with the lock that keeps others from writing, never written later over
// what they wrote. A write that fails is not tried again: the log lacks what was gathered, so that every call that needs something from there
// on fails as well, until SQLite has given the transaction up.

// gatherName is the name of that file system.
const gatherName = "countersign"

// gatherRoom is how much is kept back: a commit of 64 callers has some fifty pages. SQLite hands the kernel less than 128 KiB in one call, and of
// exactly 128 KiB nothing.
const gatherRoom = 31 * (4096 + frameHeader)

// Of each page in the log: its header, and where in it stands that a transaction ends here.
const (
	frameHeader = 24
	logHeader   = 32
	endOffset   = 4
	endSize     = 4
)

// gatheringVFS is SQLite's own file system with another way to open files. It lies in memory that the garbage collector does not see, as
// do all that SQLite has addresses of.
type gatheringVFS struct {
	sqlite3.Tsqlite3_vfs
	open uintptr // SQLite's own
}

// gathering is what a log is written with: the methods of the open file, which SQLite finds at its beginning, and what they know of it.
type gathering struct {
	methods  sqlite3.Tsqlite3_io_methods
	under    sqlite3.Tsqlite3_io_methods // SQLite's own
	database gatheredDatabase
	room     uintptr
	at       int64 // where in the file the room begins
	kept     int32 // bytes in it
	ends     bool  // the page whose header was kept last ends a transaction
	failed   int32 // the result of a write of this transaction that failed
	failedAt int64
}

// gatheredDatabase are the methods of the database beside a log: they see when a transaction is over.
type gatheredDatabase struct {
	methods sqlite3.Tsqlite3_io_methods
	file    uintptr
	own     uintptr // SQLite's own methods
	log     uintptr // the gathering
}

// writeLock is the place of SQLite's lock that lets one connection at a time write into the log.
const writeLock = 0

// The methods as SQLite calls them.
type (
	openMethod  = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32
	fileMethod  = func(tls *libc.TLS, file uintptr) int32
	moveMethod  = func(tls *libc.TLS, file, data uintptr, n int32, at int64) int32
	sizeMethod  = func(tls *libc.TLS, file uintptr, size int64) int32
	syncMethod  = func(tls *libc.TLS, file uintptr, flags int32) int32
	tellMethod  = func(tls *libc.TLS, file, out uintptr) int32
	orderMethod = func(tls *libc.TLS, file uintptr, op int32, arg uintptr) int32
	lockMethod  = func(tls *libc.TLS, file uintptr, first, n, flags int32) int32
)

// method is the function that SQLite calls by an address.
func method[F any](address uintptr) F { return *(*F)(unsafe.Pointer(&address)) }

// address is what SQLite calls a function by. It must be one of this package, not a closure: those move on and go.
func address[F any](f F) uintptr { return *(*uintptr)(unsafe.Pointer(&f)) }

// behind is the value at an address.
func behind[T any](address uintptr) *T { return *(**T)(unsafe.Pointer(&address)) }

// gatheringFiles makes the file system known to SQLite, once for the process, and gives its name. Two that come at the same time make two
// that are alike, of which SQLite uses one.
func gatheringFiles() (string, error) {
	tls := libc.NewTLS()
	defer tls.Close()
	name, err := libc.CString(gatherName)
	if err != nil {
		return "", err
	}
	if sqlite3.Xsqlite3_vfs_find(tls, name) != 0 {
		libc.Xfree(tls, name)
		return gatherName, nil
	}
	own := sqlite3.Xsqlite3_vfs_find(tls, 0)
	at := libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(gatheringVFS{})))
	if own == 0 || at == 0 {
		return "", errors.New("SQLite has no file system, or no memory")
	}
	v := behind[gatheringVFS](at)
	v.Tsqlite3_vfs = *behind[sqlite3.Tsqlite3_vfs](own)
	v.open = v.FxOpen
	v.FpNext, v.FzName, v.FxOpen = 0, name, address[openMethod](gatherOpen)
	if rc := sqlite3.Xsqlite3_vfs_register(tls, at, 0); rc != sqlite3.SQLITE_OK {
		return "", errors.New("SQLite takes no file system")
	}
	return gatherName, nil
}

// gatherOpen opens a file as SQLite does, and gathers if it is a log. Without memory for that it is written as it always was.
func gatherOpen(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32 {
	rc := method[openMethod](behind[gatheringVFS](vfs).open)(tls, vfs, name, file, flags, out)
	if rc != sqlite3.SQLITE_OK || flags&sqlite3.SQLITE_OPEN_WAL == 0 {
		return rc
	}
	database := sqlite3.Xsqlite3_database_file_object(tls, name)
	at := libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(gathering{})+gatherRoom))
	if database == 0 || at == 0 {
		libc.Xfree(tls, at)
		return rc
	}
	g := behind[gathering](at)
	g.room = at + unsafe.Sizeof(gathering{})
	g.under = *behind[sqlite3.Tsqlite3_io_methods](*methodsOf(file))
	g.methods = g.under
	g.methods.FxClose, g.methods.FxRead, g.methods.FxWrite = address[fileMethod](gatherClose), address[moveMethod](gatherRead), address[moveMethod](gatherWrite)
	g.methods.FxTruncate, g.methods.FxSync = address[sizeMethod](gatherTruncate), address[syncMethod](gatherSync)
	g.methods.FxFileSize, g.methods.FxFileControl = address[tellMethod](gatherSize), address[orderMethod](gatherControl)
	*methodsOf(file) = at
	d := &g.database
	d.file, d.own, d.log = database, *methodsOf(database), at
	d.methods = *behind[sqlite3.Tsqlite3_io_methods](d.own)
	d.methods.FxShmLock = address[lockMethod](gatherLock)
	*methodsOf(database) = at + unsafe.Offsetof(g.database)
	return rc
}

// methodsOf is where an open file has the address of its methods.
func methodsOf(file uintptr) *uintptr { return &behind[sqlite3.Tsqlite3_file](file).FpMethods }

// gatheringOf is what a log is written with.
func gatheringOf(file uintptr) *gathering { return behind[gathering](*methodsOf(file)) }

// flush writes what is kept. end is where the caller reads or writes last: what lies before a write that failed is as it was.
func (g *gathering) flush(tls *libc.TLS, file uintptr, end int64) int32 {
	if n := g.kept; n > 0 {
		g.kept, g.ends = 0, false
		if rc := method[moveMethod](g.under.FxWrite)(tls, file, g.room, n, g.at); rc != sqlite3.SQLITE_OK {
			g.failed, g.failedAt = rc, g.at
		}
	}
	if end <= g.failedAt {
		return sqlite3.SQLITE_OK
	}
	return g.failed
}

// allOf is the end of a call that is about the whole file.
const allOf = 1<<63 - 1

func gatherWrite(tls *libc.TLS, file, data uintptr, n int32, at int64) int32 {
	g := gatheringOf(file)
	if at != g.at+int64(g.kept) || n > gatherRoom-g.kept {
		g.flush(tls, file, allOf)
	}
	if g.failed != sqlite3.SQLITE_OK {
		return g.failed
	}
	if n > gatherRoom {
		return method[moveMethod](g.under.FxWrite)(tls, file, data, n, at)
	}
	if g.kept == 0 {
		g.at = at
	}
	copy(unsafe.Slice(behind[byte](g.room+uintptr(g.kept)), n), unsafe.Slice(behind[byte](data), n))
	g.kept += n
	if n == frameHeader {
		g.ends = *behind[[endSize]byte](data + endOffset) != [endSize]byte{}
		return sqlite3.SQLITE_OK
	}
	if g.ends || n == logHeader {
		return g.flush(tls, file, allOf)
	}
	return sqlite3.SQLITE_OK
}

func gatherRead(tls *libc.TLS, file, data uintptr, n int32, at int64) int32 {
	g := gatheringOf(file)
	if rc := g.flush(tls, file, at+int64(n)); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return method[moveMethod](g.under.FxRead)(tls, file, data, n, at)
}

func gatherSync(tls *libc.TLS, file uintptr, flags int32) int32 {
	g := gatheringOf(file)
	if rc := g.flush(tls, file, allOf); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return method[syncMethod](g.under.FxSync)(tls, file, flags)
}

func gatherTruncate(tls *libc.TLS, file uintptr, size int64) int32 {
	g := gatheringOf(file)
	if rc := g.flush(tls, file, size); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return method[sizeMethod](g.under.FxTruncate)(tls, file, size)
}

func gatherSize(tls *libc.TLS, file, out uintptr) int32 {
	g := gatheringOf(file)
	if rc := g.flush(tls, file, allOf); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return method[tellMethod](g.under.FxFileSize)(tls, file, out)
}

func gatherControl(tls *libc.TLS, file uintptr, op int32, arg uintptr) int32 {
	g := gatheringOf(file)
	g.flush(tls, file, allOf) // whoever needs the bytes is told if that fails
	return method[orderMethod](g.under.FxFileControl)(tls, file, op, arg)
}

// gatherLock drops what is kept before another connection may write: a transaction that was committed has left nothing.
func gatherLock(tls *libc.TLS, file uintptr, first, n, flags int32) int32 {
	d := behind[gatheredDatabase](*methodsOf(file))
	if first == writeLock && flags&sqlite3.SQLITE_SHM_UNLOCK != 0 {
		g := behind[gathering](d.log)
		g.kept, g.ends, g.failed, g.failedAt = 0, false, sqlite3.SQLITE_OK, 0
	}
	return method[lockMethod](behind[sqlite3.Tsqlite3_io_methods](d.own).FxShmLock)(tls, file, first, n, flags)
}

// gatherClose gives both files their own methods back. SQLite closes a log before the database that it belongs to.
func gatherClose(tls *libc.TLS, file uintptr) int32 {
	at := *methodsOf(file)
	g := behind[gathering](at)
	if d := &g.database; *methodsOf(d.file) == at+unsafe.Offsetof(g.database) {
		*methodsOf(d.file) = d.own
	}
	rc := method[fileMethod](g.under.FxClose)(tls, file)
	libc.Xfree(tls, at)
	return rc
}
