"use strict";
// A reader of zip files that takes as little as the Go one (store/ledger/bundle/zip.go): stored or deflated, one disk, nothing before,
// between or behind its members, no member over another, the same name in front of the data as in the directory.

const limits = {
	zip: 512 << 20, // a browser holds all of it in memory; the program takes larger ones
	unpacked: 1 << 30,
	inflation: 100,
	members: 65000,
	name: 128,
	entries: 2000000,
	anchors: 1 << 17,
	line: 1 << 19,
	leaf: 65535,
	document: 4 << 20,
	depth: 16,
	problems: 100, // named of each kind; the rest is counted
};

// Malformed says that the files do not make a bundle.
class Malformed extends Error {}

function malformed(text) {
	throw new Malformed("this is not a whole and plain bundle: " + text);
}

const crcTable = Uint32Array.from({length: 256}, (_, n) => {
	for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
	return n;
});

function crc32(b) {
	let c = -1;
	for (let i = 0; i < b.length; i++) c = (c >>> 8) ^ crcTable[(c ^ b[i]) & 255];
	return ~c >>> 0;
}

// limitOf is how large a file of this name may be, or -1.
function limitOf(name) {
	if (name.length > limits.name) return -1;
	const fixed = {
		"checkpoint": 1 << 16, "custody": 1 << 16, "published.jsonl": 2 ** 36, "witness.jsonl": 2 ** 36, "openings.jsonl": 2 ** 36, "people.jsonl": 2 ** 36,
		"MANIFEST.json": 32 << 20, "SHA256SUMS": 32 << 20, "index.html": 64 << 20, "README.txt": 1 << 20,
	};
	if (Object.hasOwn(fixed, name)) return fixed[name];
	if (/^documents\/[0-9a-f]{64}$/.test(name)) return limits.document;
	if (/^pages\/\d{6}\.html$/.test(name)) return 64 << 20;
	const tile = tileOf(name);
	if (!tile) return -1;
	return tile.width * (tile.level < 0 ? 2 + limits.leaf : 32);
}

// tileOf takes the name of a tile or of a file of entries apart (C2SP tlog-tiles); level is -1 for entries.
function tileOf(name) {
	const m = /^tile\/(entries|[0-7])\/((?:x\d{3}\/)*)(\d{3})(?:\.p\/([1-9]\d{0,2}))?$/.exec(name);
	if (!m) return null;
	const n = Number(m[2].replace(/[x/]/g, "") + m[3]), width = m[4] ? Number(m[4]) : 256;
	const tile = {level: m[1] === "entries" ? -1 : Number(m[1]), n, width};
	return Number.isSafeInteger(n) && (!m[4] || width < 256) && tilePath(tile.level, n, width) === name ? tile : null;
}

function tilePath(level, n, width) {
	let path = String(n % 1000).padStart(3, "0");
	while (n >= 1000) {
		n = Math.floor(n / 1000);
		path = "x" + String(n % 1000).padStart(3, "0") + "/" + path;
	}
	return `tile/${level < 0 ? "entries" : level}/${path}${width === 256 ? "" : ".p/" + width}`;
}

// openZip checks the whole directory and gives the members by name, nothing unpacked yet.
function openZip(bytes) {
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), end = bytes.length - 22;
	if (bytes.length > limits.zip) malformed(`${bytes.length} bytes are more than a browser should hold: use the program`);
	if (end < 0) malformed(`${bytes.length} bytes are no zip this page takes`);
	const u16 = (at) => view.getUint16(at, true), u32 = (at) => view.getUint32(at, true);
	if (u32(end) !== 0x06054b50 || u16(end + 20)) malformed("a zip does not end here: it was cut off, something stands behind it, or it is none");
	const count = u16(end + 10), size = u32(end + 12), start = u32(end + 16);
	if (u16(end + 4) || u16(end + 6) || u16(end + 8) !== count) malformed("it is one of several disks");
	if (count > limits.members) malformed(`it has more than ${limits.members} members, or the 64-bit form`);
	if (start + size !== end || size < count * 46 || size > count * (46 + 2 * limits.name)) {
		malformed(`its directory is not right before its end, or not of a size for ${count} members`);
	}
	const list = [];
	let at = start;
	for (let i = 0; i < count; i++) {
		const m = member(bytes, u16, u32, at, end);
		list.push(m);
		at = m.next;
	}
	if (at !== end) malformed(`its directory has ${end - at} bytes too many`);
	return placed(bytes, u16, u32, list, start);
}

function member(bytes, u16, u32, at, end) {
	if (at + 46 > end || u32(at) !== 0x02014b50) malformed("its directory: a member is missing");
	const length = u16(at + 28), next = at + 46 + length + u16(at + 30) + u16(at + 32);
	if (length > limits.name || next > end) malformed("its directory: a name or what is beside it is too long");
	const raw = bytes.subarray(at + 46, at + 46 + length);
	const m = {
		raw, name: Array.from(raw, (c) => String.fromCharCode(c)).join(""), flags: u16(at + 8), method: u16(at + 10), crc: u32(at + 16),
		packed: u32(at + 20), size: u32(at + 24), header: u32(at + 42), next,
	};
	const kind = (u32(at + 38) >>> 16) & 0o170000;
	if (m.flags & ~(8 | 2048 | 6)) malformed(`its directory: "${m.name}" is encrypted or of another unusual kind`);
	if (m.method !== 0 && m.method !== 8) malformed(`its directory: "${m.name}" is packed by method ${m.method}`);
	if (m.method === 0 && m.packed !== m.size) malformed(`its directory: "${m.name}" is stored with two sizes`);
	if (u16(at + 34)) malformed(`its directory: "${m.name}" is on another disk`);
	if (bytes[at + 5] === 3 && kind && kind !== 0o100000) malformed(`its directory: "${m.name}" is a link or something else that is not a file`);
	return m;
}

// placed reads what stands around the data of each member.
function placed(bytes, u16, u32, list, start) {
	const files = new Map();
	let next = 0, total = 0;
	for (const m of list.sort((a, b) => a.header - b.header)) {
		if (m.header !== next) malformed(`"${m.name}" does not follow what is before it: members overlap, or something is between them`);
		const at = m.header;
		if (at + 30 + m.raw.length > bytes.length) malformed(`"${m.name}" begins behind the end`);
		if (u32(at) !== 0x04034b50 || u16(at + 6) !== m.flags || u16(at + 8) !== m.method || u16(at + 26) !== m.raw.length ||
			!sameBytes(bytes.subarray(at + 30, at + 30 + m.raw.length), m.raw)) {
			malformed(`"${m.name}" is called or packed otherwise where it lies`);
		}
		m.data = at + 30 + m.raw.length + u16(at + 28);
		next = m.data + m.packed;
		let sums = at + 14;
		if (m.flags & 8) {
			if (next + 16 > bytes.length || u32(next) !== 0x08074b50) malformed(`"${m.name}" ends behind the end, or without its sums`);
			sums = next + 4;
			next += 16;
		}
		if (m.data + m.packed > start || u32(sums) !== m.crc || u32(sums + 4) !== m.packed || u32(sums + 8) !== m.size) {
			malformed(`"${m.name}" ends behind the end, or has other sizes where it lies`);
		}
		if (files.has(m.name)) malformed(`"${m.name}" is there twice`);
		files.set(m.name, m);
		total += m.size;
	}
	if (next !== start) malformed("something stands between the last member and the directory");
	if (total > limits.inflation * bytes.length + (1 << 20)) malformed(`${bytes.length} bytes unpack to ${total}: that is a bomb, not a ledger`);
	if (total > limits.unpacked) malformed(`it unpacks to ${total} bytes, more than a browser should hold: use the program`);
	for (const m of files.values()) {
		const most = limitOf(m.name);
		if (most < 0) malformed(`"${m.name}" does not belong into a bundle`);
		if (m.size > most) malformed(`"${m.name}" has ${m.size} bytes, more than ${most}`);
	}
	return files;
}

// unpack gives the bytes of a member, never more than it says.
async function unpack(bytes, m) {
	const packed = bytes.subarray(m.data, m.data + m.packed);
	let out = packed;
	if (m.method === 8) out = await inflate(packed, m);
	if (out.length !== m.size || crc32(out) !== m.crc) malformed(`"${m.name}" does not unpack to what it says`);
	return out;
}

async function inflate(packed, m) {
	const out = new Uint8Array(m.size);
	let at = 0;
	const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
	try {
		for (;;) {
			const {done, value} = await reader.read();
			if (done) return out.subarray(0, at);
			if (at + value.length > m.size) {
				await reader.cancel();
				malformed(`"${m.name}" unpacks to more than it says`);
			}
			out.set(value, at);
			at += value.length;
		}
	} catch (err) {
		if (err instanceof Malformed) throw err;
		malformed(`"${m.name}" does not unpack: ${err.message}`);
	}
}
