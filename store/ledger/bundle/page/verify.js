"use strict";
// What `countersign ledger verify` does with a bundle, a second time and in another language: files against their sums, every entry, the
// tree, tiles, signatures and changes of keys, documents, texts, and what others remember. It does not decide requests again by their
// documents; the program does.

const timeShape = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z$/;
const isTime = (s) => timeShape.test(s) && new Date(s.slice(0, 23) + "Z").toISOString().slice(0, 23) === s.slice(0, 23) && s > "1970-01-01T00:00:00.000000Z";
const isName = (s, most = 128) => typeof s === "string" && s !== "" && bytesOf(s).length <= most && !/[\u0000-\u001f\u007f]/.test(s);
const isHash = (s) => typeof s === "string" && /^[0-9a-f]{64}$/.test(s);

// canonicalText writes a value in the ledger's profile of RFC 8785: no fractions, no null, whole numbers that every reader keeps.
function canonicalText(v, depth) {
	if (typeof v === "string") {
		if (!v.isWellFormed()) throw new Error("half a character");
		return JSON.stringify(v);
	}
	if (typeof v === "boolean") return String(v);
	if (typeof v === "number") {
		if (!Number.isSafeInteger(v) || Object.is(v, -0)) throw new Error("a number outside of the profile");
		return String(v);
	}
	if (v === null || typeof v !== "object") throw new Error("a value outside of the profile");
	if (depth > limits.depth) throw new Error("nested too deep");
	if (Array.isArray(v)) return "[" + v.map((x) => canonicalText(x, depth + 1)).join(",") + "]";
	return "{" + Object.keys(v).sort().map((k) => canonicalText(k, depth) + ":" + canonicalText(v[k], depth + 1)).join(",") + "}";
}

// parseCanonical reads an object in its one spelling. How deep it is nested is counted before anything recursive looks at it.
function parseCanonical(text) {
	let depth = 0, quoted = false;
	for (let i = 0; i < text.length; i++) {
		const c = text[i];
		if (quoted) {
			if (c === "\\") i++;
			else if (c === '"') quoted = false;
		} else if (c === '"') quoted = true;
		else if (c === "{" || c === "[") {
			if (++depth > limits.depth) throw new Error("nested too deep");
		} else if (c === "}" || c === "]") depth--;
	}
	const v = JSON.parse(text);
	if (v === null || typeof v !== "object" || Array.isArray(v) || canonicalText(v, 1) !== text) throw new Error("not an object in its one spelling");
	return v;
}

function parseVKey(text) {
	const [name, id, ...rest] = text.split("+"), raw = base64(rest.join("+"));
	if (!name || !raw || raw.length !== 33 || raw[0] !== 1 || /\s/.test(name) || hex(sha256(concat(bytesOf(name + "\n"), raw)).subarray(0, 4)) !== id) {
		throw new Error(`"${text}" is not an Ed25519 key in the form origin+hash+base64`);
	}
	return {text, name, id, key: raw.subarray(1)};
}

function isOrigin(s) {
	const [domain, ...path] = s.split("/");
	return bytesOf(s).length <= 200 && path.length > 0 && domain.includes(".") &&
		domain.split(".").every((l) => /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(l)) &&
		path.every((p) => p !== "." && p !== ".." && /^[A-Za-z0-9\-_.~]+$/.test(p));
}

function parseCheckpoint(body) {
	const [origin, size, root, end, ...more] = body.split("\n"), raw = base64(root ?? "");
	if (end !== "" || more.length || !isOrigin(origin) || !/^(0|[1-9]\d*)$/.test(size) || !Number.isSafeInteger(Number(size)) || raw?.length !== 32) {
		throw new Error("it is not a checkpoint of three lines: origin, size, root");
	}
	return {origin, size: Number(size), root: raw};
}

// openNote gives the text of a signed note, which the key must have signed: signatures by others are left alone.
async function openNote(note, key) {
	const at = note.lastIndexOf("\n\n"), text = note.slice(0, at + 1), lines = note.slice(at + 2).split("\n");
	if (at < 0 || lines.pop() !== "" || !lines.length || bytesOf(note).length > 1 << 16) throw new Error("it is not a signed note");
	if (/[\u0000-\u0009\u000b-\u001f]/.test(note)) throw new Error("it is not a signed note");
	let found = false;
	for (const line of lines) {
		const m = /^\u2014 (\S+) (\S+)$/.exec(line), raw = m && base64(m[2]);
		if (!raw || raw.length < 5) throw new Error("it is not a signed note");
		if (m[1] !== key.name || hex(raw.subarray(0, 4)) !== key.id || found) continue;
		if (raw.length !== 68 || !(await signatures.verify(key.key, bytesOf(text), raw.subarray(4)))) throw new Error("the signature is not by the holder of the key");
		found = true;
	}
	if (!found) throw new Error("the key in force has not signed it");
	return text;
}

// Tree keeps the roots of the complete subtrees, as RFC 6962 has them.
class Tree {
	constructor() {
		this.size = 0;
		this.stack = [];
	}
	append(h) {
		this.stack.push(h);
		this.size++;
		for (let n = this.size; n % 2 === 0; n /= 2) {
			const right = this.stack.pop(), left = this.stack.pop();
			this.stack.push(node(left, right));
		}
	}
	root() {
		if (!this.size) return sha256(new Uint8Array(0));
		return this.stack.reduceRight((right, left) => node(left, right));
	}
}

const both = new Uint8Array(64);

function node(left, right) {
	both.set(left);
	both.set(right, 32);
	return sha256(both, 1);
}

// Verification is one run over one bundle.
class Verification {
	constructor(bytes, keys, progress, kept) {
		Object.assign(this, {bytes, keys, progress, kept});
		this.report = {
			ok: false, problems: [], counts: {}, origin: "", size: 0, read: 0, bytes: 0, root: "", streams: 0, key: "", pinned: false, keyChanges: 0,
			tiles: 0, published: 0, anchors: 0, largestAnchor: 0, documents: 0, commitments: 0, opened: 0, firstTime: "", lastTime: "", manifest: null,
			checkedBy: "", kept: 0, people: {}, texts: new Map(),
		};
		this.files = new Map();
		this.seqs = new Map();
		this.ids = new Map();
		this.chain = [];
		this.policies = new Map();
		this.leaves = [];
		this.hashes = [];
		this.mono = -1n;
	}

	say(code, index, text, extra = {}) {
		const r = this.report;
		r.counts[code] = (r.counts[code] ?? 0) + 1;
		if (r.counts[code] <= limits.problems) r.problems.push({code, index, text, ...extra});
	}

	// complain begins with which entry.
	complain(code, e, i, text) {
		this.say(code, i, `Entry ${i} (number ${e.seq} of ${e.stream}, ${e.type}) ${text}.`);
	}

	async run() {
		if (hex(sha256(bytesOf("abc"))) !== "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad") throw new Error("this browser does not compute SHA-256");
		await signatures.ask();
		await this.open();
		await this.compareFiles();
		this.readTexts();
		await this.readEntries();
		this.judgeTree();
		await this.judgeNotes();
		this.judgeDocuments();
		const r = this.report;
		r.problems.sort((a, b) => (a.index < 0) - (b.index < 0) || a.index - b.index);
		r.ok = r.problems.length === 0;
		r.checkedBy = signatures.native && !signatures.ownOnly ? "the browser's WebCrypto" : "this page's own code, as this browser has no Ed25519";
		return r;
	}

	async open() {
		const members = openZip(this.bytes);
		for (const name of ["checkpoint", "MANIFEST.json", "SHA256SUMS"]) if (!members.has(name)) malformed(`"${name}" is missing`);
		this.note = this.text(await unpack(this.bytes, members.get("checkpoint")), "checkpoint");
		try {
			const at = this.note.indexOf("\n\n");
			if (at < 0) throw new Error("no signature");
			this.head = parseCheckpoint(this.note.slice(0, at + 1));
		} catch {
			malformed('"checkpoint" is not a signed head');
		}
		const r = this.report;
		r.origin = this.head.origin;
		r.size = this.head.size;
		if (r.size > limits.entries) malformed(`${r.size} entries are more than a browser should hold: use the program`);
		for (const name of [...members.keys()].sort()) if (!this.wanted(name)) malformed(`"${name}" does not belong to a ledger of ${r.size} entries`);
		let done = 0;
		for (const [name, m] of members) {
			this.files.set(name, await unpack(this.bytes, m));
			await this.step("Unpacking", ++done, members.size);
		}
	}

	text(b, name) {
		try {
			return textOf(b);
		} catch {
			return malformed(`"${name}" is not text`);
		}
	}

	wanted(name) {
		const t = tileOf(name);
		if (!t) return !name.startsWith("tile/");
		const nodes = Math.floor(this.head.size / 256 ** Math.max(0, t.level)), full = Math.floor(nodes / 256);
		return t.width === 256 ? t.n < full : t.n === full && t.width === nodes % 256;
	}

	// step lets the page breathe and say how far it is.
	async step(what, done, all) {
		const now = performance.now();
		if (now - (this.breathed ?? 0) < 60) return;
		this.breathed = now;
		this.progress?.(what, done, all);
		await new Promise((go) => setTimeout(go));
	}

	async compareFiles() {
		const sums = new Map(), text = this.text(this.files.get("SHA256SUMS"), "SHA256SUMS");
		if (!text.endsWith("\n")) malformed('"SHA256SUMS" does not end with a whole line: it was cut off');
		for (const line of text.split("\n").slice(0, -1)) {
			const m = /^([0-9a-f]{64})  (.+)$/.exec(line);
			if (!m || sums.has(m[2])) malformed(`"SHA256SUMS": "${line}" is not a sum and a name, or the name is there twice`);
			sums.set(m[2], m[1]);
		}
		const m = this.manifest(), listed = new Map(m.files.map((f) => [f.name, f])), h = this.head;
		const say = (text) => this.say("file", -1, text);
		if (m.origin !== h.origin || m.rows !== h.size || m.root !== toBase64(h.root)) {
			say(`The manifest is about ${m.rows} entries of "${m.origin}" with root ${m.root}, the head about ${h.size} of "${h.origin}" with root ${toBase64(h.root)}.`);
		}
		for (const name of listed.keys()) if (!this.files.has(name)) say(`The file ${name} is missing: the manifest lists it.`);
		let done = 0;
		for (const name of [...this.files.keys()].sort()) {
			await this.step("Comparing files", ++done, this.files.size);
			if (name === "SHA256SUMS") continue;
			const b = this.files.get(name), sum = hex(await fileHash(b)), f = listed.get(name), is = name === "MANIFEST.json" || name === "custody";
			if (!is && !f) say(`The file ${name} is not in the manifest: it was added.`);
			else if (!is && (f.sha256 !== sum || f.bytes !== b.length)) say(`The file ${name} was changed after the manifest was written.`);
			else if (sums.get(name) !== sum) say(`The file ${name} does not have the sum that SHA256SUMS says.`);
			if (name.startsWith("documents/") && name.slice(10) !== sum) say(`The document ${name.slice(10)} was changed: its bytes have the sum ${sum}.`);
			sums.delete(name);
		}
		for (const name of [...sums.keys()].sort()) say(`The file ${name} is missing: SHA256SUMS lists it.`);
		const texts = (this.files.get("openings.jsonl") ?? []).reduce((n, c) => n + (c === 10), 0);
		if (texts !== m.openings) say(`The manifest is about ${m.openings} disclosed texts, openings.jsonl has ${texts}.`);
	}

	manifest() {
		let m;
		try {
			m = JSON.parse(this.text(this.files.get("MANIFEST.json"), "MANIFEST.json"));
		} catch (err) {
			malformed(`"MANIFEST.json" is not a manifest: ${err.message}`);
		}
		if (m?.format !== "countersign-bundle/1" || !Array.isArray(m.files)) malformed(`"MANIFEST.json" is of format "${m?.format}", this page reads "countersign-bundle/1"`);
		this.report.manifest = m;
		return m;
	}

	lines(name, most) {
		if (!this.files.has(name)) return [];
		const text = this.text(this.files.get(name), name), out = text.split("\n");
		if (out.pop() !== "") malformed(`"${name}", line ${out.length + 1}: it does not end`);
		if (out.length > most) malformed(`"${name}" has more than ${most} lines`);
		return out.map((line, i) => {
			try {
				if (line.length > limits.line) throw new Error("too long");
				return parseCanonical(line);
			} catch (err) {
				return malformed(`"${name}", line ${i + 1}: ${err.message}`);
			}
		});
	}

	readTexts() {
		let last = 0;
		this.lines("openings.jsonl", 2 ** 30).forEach((o, i) => {
			const bad = (why) => malformed(`"openings.jsonl", line ${i + 1}: ${why}`);
			if (!Number.isSafeInteger(o.entry) || !isHash(o.salt) || typeof o.field !== "string" || typeof o.value !== "string" || Object.keys(o).length !== 4) bad("not a text");
			if (o.entry < 0 || o.entry >= this.head.size) bad(`there is no entry ${o.entry}`);
			if (o.entry < last) bad("it is not behind the line before it");
			last = o.entry;
			if (!this.report.texts.has(o.entry)) this.report.texts.set(o.entry, []);
			this.report.texts.get(o.entry).push(o);
		});
		const people = Object.create(null);
		for (const p of this.lines("people.jsonl", 1 << 20)) {
			if (typeof p.person !== "string" || p.person === "" || typeof p.name !== "string") malformed('"people.jsonl": not a person');
			people[p.person] = p.name;
		}
		this.report.people = people;
		this.memories = ["published.jsonl", "witness.jsonl"].flatMap((name) => this.lines(name, limits.anchors).map((a, i) => this.anchor(name, a, i)));
		if (this.kept) {
			this.memories.push({...this.kept, published: false});
			this.report.kept = this.kept.size;
		}
		this.memories.sort((a, b) => a.size - b.size);
	}

	anchor(name, a, i) {
		const bad = () => malformed(`"${name}", line ${i + 1}: not a head that somebody remembers`);
		const root = typeof a.root === "string" ? base64(a.root) : null;
		if (!isName(a.from, 1 << 12) || !Number.isSafeInteger(a.size) || a.size < 0 || root?.length !== 32) bad();
		if (name === "published.jsonl") this.report.published++;
		else {
			this.report.anchors++;
			this.report.largestAnchor = Math.max(this.report.largestAnchor, a.size);
		}
		if (a.note !== undefined) {
			try {
				const cp = parseCheckpoint(a.note.slice(0, a.note.indexOf("\n\n") + 1));
				if (cp.size !== a.size || !sameBytes(cp.root, root)) bad();
			} catch (err) {
				if (err instanceof Malformed) throw err;
				bad();
			}
		}
		return {...a, root, published: name === "published.jsonl"};
	}

	async readEntries() {
		const r = this.report, size = this.head.size;
		let gap = null;
		const close = (to) => {
			if (gap === null) return;
			this.say("entry-missing", gap, to >= size ? `Entries ${gap} to ${to - 1} are missing: the tail was cut off.` : `Entries ${gap} to ${to - 1} are missing: they were deleted.`);
			gap = null;
		};
		for (let n = 0; n * 256 < size; n++) {
			const width = Math.min(256, size - n * 256), raw = this.files.get(tilePath(-1, n, width));
			if (!raw) {
				gap ??= n * 256;
				continue;
			}
			close(n * 256);
			let at = 0;
			for (let k = 0; k < width; k++) {
				const length = at + 2 <= raw.length ? (raw[at] << 8) | raw[at + 1] : Infinity;
				if (at + 2 + length > raw.length) malformed(`"${tilePath(-1, n, width)}" does not hold ${width} entries`);
				await this.entry(n * 256 + k, raw.subarray(at + 2, at + 2 + length));
				at += 2 + length;
			}
			if (at !== raw.length) malformed(`"${tilePath(-1, n, width)}" does not hold ${width} entries: something is behind them`);
			await this.step("Reading entries", n * 256 + width, size);
		}
		close(size);
		r.streams = this.seqs.size;
		r.key = this.chain.at(-1)?.text ?? "";
		r.keyChanges = Math.max(0, this.chain.length - 1);
		r.pinned = this.chain.some((k) => this.keys.includes(k.text));
		if (this.keys.length && !r.pinned) {
			this.say("key", -1, "None of the keys you pinned has ever belonged to this ledger: it is another one, or it was rewritten from the start.");
		}
	}

	async entry(i, leaf) {
		const r = this.report;
		r.read++;
		r.bytes += leaf.length;
		this.hashes[i] = sha256(leaf, 0);
		let e;
		try {
			e = this.decode(leaf);
		} catch (err) {
			this.say("entry-form", i, `Entry ${i} cannot be read: ${err.message}. No program of ours wrote it so.`);
			return;
		}
		this.leaves[i] = leaf;
		this.order(e, i);
		await this.special(e, i);
		this.openings(e, i);
		if (e.policy !== undefined && !this.policies.has(e.policy)) this.policies.set(e.policy, i);
	}

	decode(leaf) {
		if (leaf.length < 2) throw new Error("too short");
		const e = parseCanonical(textOf(leaf));
		const bad = (what) => {
			throw new Error(`${what} is missing or wrong`);
		};
		if (!Number.isSafeInteger(e.v) || e.v < 1) bad("v");
		if (!Number.isSafeInteger(e.seq) || e.seq < 1) bad("seq");
		if (typeof e.time !== "string" || !isTime(e.time)) bad("time");
		if (typeof e.mono !== "string" || !/^(0|[1-9]\d{0,18})$/.test(e.mono) || BigInt(e.mono) >= 1n << 63n) bad("mono");
		for (const k of ["type", "id"]) if (!isName(e[k])) bad(k);
		if (!isName(e.stream, 512)) bad("stream");
		for (const k of ["actor", "person", "cause"]) if (e[k] !== undefined && !isName(e[k], 512)) bad(k);
		if (e.policy !== undefined && (typeof e.policy !== "string" || !/^sha256:[0-9a-f]{64}$/.test(e.policy))) bad("policy");
		if (e.sealed !== undefined) {
			const all = Object.entries(e.sealed);
			if (typeof e.sealed !== "object" || !all.length || !all.every(([k, c]) => isName(k) && isHash(c))) bad("sealed");
		}
		return e;
	}

	order(e, i) {
		const r = this.report, last = this.seqs.get(e.stream) ?? 0;
		if (e.seq > last + 1) this.complain("seq", e, i, `follows number ${last} of its stream: what was between is missing`);
		else if (e.seq <= last) this.complain("seq", e, i, `comes after number ${last} of its stream: entries were swapped or repeated`);
		this.seqs.set(e.stream, Math.max(last, e.seq));
		if (this.ids.has(e.id)) this.say("id", i, `Entry ${i} (number ${e.seq} of ${e.stream}) repeats the id "${e.id}" of entry ${this.ids.get(e.id)}.`);
		else this.ids.set(e.id, i);
		if (BigInt(e.mono) < this.mono) this.complain("mono", e, i, "is older than the entry before it by the ledger's own clock, which never runs backwards");
		else this.mono = BigInt(e.mono);
		r.firstTime ||= e.time;
		r.lastTime = e.time;
	}

	async special(e, i) {
		if (i === 0 && e.type !== "genesis") this.complain("genesis", e, i, "stands at the beginning, where the genesis entry belongs");
		else if (i > 0 && e.type === "genesis") this.complain("genesis", e, i, "is a second beginning");
		else if (e.type === "genesis") {
			try {
				const k = parseVKey(e.vkey);
				if (e.format !== 1) throw new Error(`it is of format ${e.format}, this page reads 1`);
				if (k.name !== e.origin) throw new Error(`its key is named "${k.name}", the ledger "${e.origin}"`);
				this.chain.push({...k, since: -1});
			} catch (err) {
				this.complain("genesis", e, i, `does not begin a ledger: ${err.message}`);
			}
		} else if (e.type === "key.rotated") {
			try {
				await this.rotate(e, i);
			} catch (err) {
				this.complain("key", e, i, `does not change the key: ${err.message}`);
			}
		}
	}

	async rotate(e, i) {
		const now = this.chain.at(-1);
		if (!now) throw new Error("a key cannot follow where no key was named");
		if (e.previous !== now.text) throw new Error("it does not follow the key that signs at this point");
		const next = parseVKey(e.vkey);
		if (next.name !== this.chain[0].name || next.id === now.id) throw new Error("the new key is the old one, or for another ledger");
		for (const k of [now, next]) {
			if ((await openNote(e.cross, k)) !== `countersign key rotation v1\n${now.text}\n${next.text}\n`) throw new Error("the signatures are about another change of keys");
		}
		this.chain.push({...next, since: i});
	}

	openings(e, i) {
		const r = this.report, sealed = e.sealed ?? {}, opened = new Set();
		r.commitments += Object.keys(sealed).length;
		for (const o of r.texts.get(i) ?? []) {
			const salt = Uint8Array.from(o.salt.match(/../g), (x) => parseInt(x, 16));
			const mac = hex(hmac256(salt, concat(bytesOf("countersign/commit/v1" + o.field), new Uint8Array(1), bytesOf(o.value))));
			if (Object.hasOwn(sealed, o.field) && sealed[o.field] === mac && !opened.has(o.field)) {
				opened.add(o.field);
				r.opened++;
				continue;
			}
			this.complain("opening", e, i, `has a text beside it for "${o.field}" that is not the one it was recorded with`);
			o.strange = true;
		}
	}

	where(i) {
		try {
			const e = JSON.parse(textOf(this.leaves[i]));
			return `Entry ${i} (number ${e.seq} of ${e.stream}, ${e.type})`;
		} catch {
			return `Entry ${i}`;
		}
	}

	// judgeTree rebuilds the tree and compares it with the head, with every memory, and with the tiles.
	judgeTree() {
		const r = this.report, size = this.head.size, tree = new Tree(), memories = [...this.memories];
		const pass = () => {
			for (; memories.length && memories[0].size <= tree.size; memories.shift()) this.remember(memories[0], tree.root());
		};
		pass();
		let whole = true;
		for (let i = 0; i < size && (whole = this.hashes[i] !== undefined); i++) {
			tree.append(this.hashes[i]);
			pass();
		}
		if (!whole) return; // what is missing has been said, and nothing can be compared behind it
		for (const m of memories) {
			const who = m.published ? `A checkpoint for ${m.size} entries was published` : `${m.from} remembers ${m.size} entries`;
			this.say("rollback", -1, `${who}, the head covers ${size}: ${m.size - size} entries are gone, or an old copy was put back.`);
		}
		r.root = toBase64(tree.root());
		const rootOK = sameBytes(tree.root(), this.head.root);
		if (!rootOK) this.say("root", -1, `The ${size} entries are not those that were signed: they give root ${r.root}, the head says ${toBase64(this.head.root)}.`);
		this.compareTiles(rootOK);
	}

	remember(m, root) {
		if (sameBytes(m.root, root)) return;
		if (m.published) {
			this.say("checkpoint", -1, `The first ${m.size} entries are not those of the checkpoint that was published: the root is ${toBase64(root)}, published was ${m.root && toBase64(m.root)}.`);
		} else {
			this.say("fork", -1, `${m.from} remembers another ledger: for the first ${m.size} entries it has root ${toBase64(m.root)}, here they give ${toBase64(root)}.`);
		}
	}

	compareTiles(rootOK) {
		let row = this.hashes;
		for (let level = 0; row.length; level++) {
			const above = [];
			for (let n = 0; n * 256 < row.length; n++) {
				const part = row.slice(n * 256, n * 256 + 256), width = part.length, stored = this.files.get(tilePath(level, n, width));
				if (!stored) {
					this.say("tile", -1, width === 256 ? `Tiles ${n} to ${n} of level ${level} are missing.` : `The unfinished tile of level ${level} is missing, or not one for ${this.head.size} entries.`);
				} else if (stored.length !== width * 32 || !part.every((h, k) => sameBytes(h, stored.subarray(32 * k, 32 * k + 32)))) {
					this.wrongTile(level, n, part, stored, rootOK);
				} else if (width === 256) this.report.tiles++;
				if (width === 256) {
					const t = new Tree();
					part.forEach((h) => t.append(h));
					above.push(t.root());
				}
			}
			row = above;
		}
	}

	wrongTile(level, n, part, stored, rootOK) {
		const from = n * 256 ** (level + 1);
		if (rootOK || stored.length !== part.length * 32) {
			this.say("tile", -1, part.length === 256 ? `Tile ${n} of level ${level}, over the entries ${from} to ${from + 256 ** (level + 1) - 1}, was changed.` :
				`The unfinished tile of level ${level}, at the end of the ledger, was changed.`);
			return;
		}
		if (level > 0) return; // what lies below it has been said
		part.forEach((h, k) => {
			if (!sameBytes(h, stored.subarray(32 * k, 32 * k + 32))) {
				this.say("entry-changed", from + k, `${this.where(from + k)} was changed: it is not what was hashed when it was written.`);
			}
		});
	}

	// keyFor is the key in force for a checkpoint over so many entries.
	keyFor(size) {
		return this.chain.findLast((k) => size > k.since);
	}

	async judgeNotes() {
		let done = 0;
		const check = async (note) => {
			const size = parseCheckpoint(note.slice(0, note.indexOf("\n\n") + 1)).size, key = this.keyFor(size);
			if (!key) throw new Error("no key was in force");
			const cp = parseCheckpoint(await openNote(note, key));
			if (cp.origin !== this.chain[0].name) throw new Error(`it is of the ledger "${cp.origin}"`);
			return cp;
		};
		try {
			await check(this.note);
		} catch (err) {
			this.say("signature", -1, `The checkpoint in the head is not one that the ledger's key has signed: ${err.message}.`);
		}
		await this.judgeCustody();
		for (const m of this.memories) {
			await this.step("Checking signatures", ++done, this.memories.length);
			if (m.note === undefined) continue;
			try {
				await check(m.note);
			} catch (err) {
				this.say("signature", -1, m.published ? `The published checkpoint for ${m.size} entries is not signed by the key then in force: ${err.message}.` :
					`What ${m.from} remembers of ${m.size} entries is not signed by the key then in force, or about other entries.`);
			}
		}
	}

	// judgeCustody reads who made the bundle, in a note that the ledger's key has signed over the manifest.
	async judgeCustody() {
		if (!this.files.has("custody")) return;
		try {
			const key = this.keyFor(this.head.size);
			if (!key) throw new Error("no key is known");
			const lines = (await openNote(this.text(this.files.get("custody"), "custody"), key)).split("\n");
			if (lines.length !== 6 || lines[0] !== "countersign custody v1" || lines[1] !== this.head.origin || !isTime(lines[3]) || !isName(lines[4], 256)) throw new Error("it is not a custody note of this ledger");
			if (lines[2] !== hex(await fileHash(this.files.get("MANIFEST.json")))) throw new Error("it is about another manifest");
			this.report.custody = {time: lines[3], exporter: lines[4]};
		} catch (err) {
			this.say("custody", -1, `The note that says who made this bundle does not hold: ${err.message}.`);
		}
	}

	judgeDocuments() {
		for (const [hash, i] of this.policies) {
			const b = this.files.get("documents/" + hash.slice(7));
			if (!b) this.say("doc-missing", i, `The policy ${hash}, first named by entry ${i}, is not there.`);
			else if (hex(sha256(b)) !== hash.slice(7)) this.say("doc-changed", i, `The policy ${hash}, first named by entry ${i}, was changed: its bytes hash to sha256:${hex(sha256(b))}.`);
			this.report.documents++;
		}
	}
}

// verifyBundle checks a zip; kept is a signed head that somebody kept elsewhere: {size, root, note, from}. What is no bundle at all ends in a report with malformed set; nothing is thrown but what is wrong with the page.
async function verifyBundle(bytes, keys = [], progress = null, kept = null) {
	const v = new Verification(bytes, keys, progress, kept);
	try {
		const r = await v.run();
		r.leaves = v.leaves;
		return r;
	} catch (err) {
		if (!(err instanceof Malformed)) throw err;
		const text = err.message[0].toUpperCase() + err.message.slice(1) + ".";
		return {...v.report, ok: false, malformed: true, problems: [{code: "malformed", index: -1, text}], leaves: []};
	}
}
