"use strict";
// Hashes and signatures. SHA-256 of leaves and nodes is computed here, because a hundred thousand calls of an asynchronous function cost
// more than the hashing; a self-test compares it with WebCrypto. Ed25519 is WebCrypto's where the browser has it, else the code below, which
// is RFC 8032 with whole numbers: slow, and enough for the few signatures of a ledger.

const utf8 = new TextEncoder();
const bytesOf = (s) => utf8.encode(s);
const hex = (b) => Array.from(b, (x) => x.toString(16).padStart(2, "0")).join("");
const sameBytes = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);

function textOf(b) {
	return new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(b);
}

function concat(...parts) {
	const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
	let at = 0;
	for (const p of parts) {
		out.set(p, at);
		at += p.length;
	}
	return out;
}

// base64 decodes the one spelling of some bytes, and null otherwise.
function base64(s) {
	if (!/^[A-Za-z0-9+/]*={0,2}$/.test(s)) return null;
	try {
		const raw = atob(s);
		return btoa(raw) === s ? Uint8Array.from(raw, (c) => c.charCodeAt(0)) : null;
	} catch {
		return null;
	}
}

const toBase64 = (b) => btoa(String.fromCharCode(...b));

const primes = [];
for (let n = 2; primes.length < 80; n++) if (primes.every((p) => n % p)) primes.push(n);

// root gives the first bits of the fraction of the square (2) or cube (3) root of n.
function rootBits(n, degree, bits) {
	const want = BigInt(n) << BigInt(bits * degree);
	let low = 0n, high = 1n << BigInt(bits + 6);
	while (high - low > 1n) {
		const mid = (low + high) >> 1n;
		if (mid ** BigInt(degree) <= want) low = mid;
		else high = mid;
	}
	return low & ((1n << BigInt(bits)) - 1n);
}

const K256 = Uint32Array.from(primes.slice(0, 64), (p) => Number(rootBits(p, 3, 32)));
const H256 = Uint32Array.from(primes.slice(0, 8), (p) => Number(rootBits(p, 2, 32)));
const schedule = new Uint32Array(64);
let padded = new Uint8Array(1 << 12);

// sha256 hashes bytes behind an optional prefix byte.
function sha256(data, prefix = -1) {
	const lead = prefix >= 0 ? 1 : 0;
	const length = lead + data.length;
	const size = ((length + 8) >> 6) * 64 + 64;
	if (padded.length < size) padded = new Uint8Array(size * 2);
	if (lead) padded[0] = prefix;
	padded.set(data, lead);
	padded.fill(0, length, size);
	padded[length] = 0x80;
	const view = new DataView(padded.buffer);
	view.setUint32(size - 8, Math.floor(length / 0x20000000));
	view.setUint32(size - 4, (length << 3) >>> 0);
	const h = Uint32Array.from(H256), w = schedule;
	for (let at = 0; at < size; at += 64) {
		for (let i = 0; i < 16; i++) w[i] = view.getUint32(at + 4 * i);
		for (let i = 16; i < 64; i++) {
			const a = w[i - 15], b = w[i - 2];
			const s0 = ((a >>> 7) | (a << 25)) ^ ((a >>> 18) | (a << 14)) ^ (a >>> 3);
			const s1 = ((b >>> 17) | (b << 15)) ^ ((b >>> 19) | (b << 13)) ^ (b >>> 10);
			w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
		}
		let [a, b, c, d, e, f, g, k] = h;
		for (let i = 0; i < 64; i++) {
			const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
			const t1 = (k + s1 + ((e & f) ^ (~e & g)) + K256[i] + w[i]) | 0;
			const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
			const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
			k = g;
			g = f;
			f = e;
			e = (d + t1) | 0;
			d = c;
			c = b;
			b = a;
			a = (t1 + t2) | 0;
		}
		h[0] += a;
		h[1] += b;
		h[2] += c;
		h[3] += d;
		h[4] += e;
		h[5] += f;
		h[6] += g;
		h[7] += k;
	}
	const out = new Uint8Array(32), result = new DataView(out.buffer);
	h.forEach((x, i) => result.setUint32(4 * i, x));
	return out;
}

function hmac256(key, data) {
	const block = new Uint8Array(64);
	block.set(key.length > 64 ? sha256(key) : key);
	return sha256(concat(block.map((x) => x ^ 0x5c), sha256(concat(block.map((x) => x ^ 0x36), data))));
}

function sha512(data) {
	const mask = (1n << 64n) - 1n;
	const rot = (x, n) => ((x >> n) | (x << (64n - n))) & mask;
	const k = primes.map((p) => rootBits(p, 3, 64));
	const h = primes.slice(0, 8).map((p) => rootBits(p, 2, 64));
	const size = ((data.length + 16) >> 7) * 128 + 128;
	const full = new Uint8Array(size), view = new DataView(full.buffer);
	full.set(data);
	full[data.length] = 0x80;
	view.setBigUint64(size - 8, BigInt(data.length) * 8n);
	for (let at = 0; at < size; at += 128) {
		const w = [];
		for (let i = 0; i < 80; i++) {
			if (i < 16) {
				w.push(view.getBigUint64(at + 8 * i));
				continue;
			}
			const a = w[i - 15], b = w[i - 2];
			w.push((w[i - 16] + (rot(a, 1n) ^ rot(a, 8n) ^ (a >> 7n)) + w[i - 7] + (rot(b, 19n) ^ rot(b, 61n) ^ (b >> 6n))) & mask);
		}
		const v = [...h];
		for (let i = 0; i < 80; i++) {
			const [a, b, c, , e, f, g] = v;
			const t1 = v[7] + (rot(e, 14n) ^ rot(e, 18n) ^ rot(e, 41n)) + ((e & f) ^ (~e & mask & g)) + k[i] + w[i];
			const t2 = (rot(a, 28n) ^ rot(a, 34n) ^ rot(a, 39n)) + ((a & b) ^ (a & c) ^ (b & c));
			v.pop();
			v.unshift((t1 + t2) & mask);
			v[4] = (v[4] + t1) & mask;
		}
		v.forEach((x, i) => (h[i] = (h[i] + x) & mask));
	}
	const out = new Uint8Array(64), result = new DataView(out.buffer);
	h.forEach((x, i) => result.setBigUint64(8 * i, x));
	return out;
}

// Ed25519 as RFC 8032, section 5.1.7, has it, without the cofactor, as Go's crypto/ed25519.
const P = 2n ** 255n - 19n, Q = 2n ** 252n + 27742317777372353535851937790883648493n;
const mod = (x) => ((x % P) + P) % P;

function power(b, e) {
	let out = 1n;
	for (b = mod(b); e > 0n; e >>= 1n, b = (b * b) % P) if (e & 1n) out = (out * b) % P;
	return out;
}

const D = mod(-121665n * power(121666n, P - 2n)), I = power(2n, (P - 1n) / 4n);

function addPoints(p, q) {
	const A = mod((p[1] - p[0]) * (q[1] - q[0])), B = mod((p[1] + p[0]) * (q[1] + q[0]));
	const C = mod(2n * p[3] * q[3] * D), E = mod(2n * p[2] * q[2]);
	const e = B - A, f = E - C, g = E + C, h = B + A;
	return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function times(n, p) {
	let q = [0n, 1n, 1n, 0n];
	for (const bit of n.toString(2)) {
		q = addPoints(q, q);
		if (bit === "1") q = addPoints(q, p);
	}
	return q;
}

const little = (b) => BigInt("0x" + (hex(Uint8Array.from(b).reverse()) || "0"));

function pointOf(b) {
	const all = little(b), sign = all >> 255n, y = all & ((1n << 255n) - 1n);
	const xx = mod((y * y - 1n) * power(D * y * y + 1n, P - 2n));
	let x = power(xx, (P + 3n) / 8n);
	if (mod(x * x - xx)) x = mod(x * I);
	if (y >= P || mod(x * x - xx) || (x === 0n && sign)) return null;
	if ((x & 1n) !== sign) x = P - x;
	return [x, y, 1n, mod(x * y)];
}

function ownEd25519(key, message, sig) {
	const a = pointOf(key), r = pointOf(sig.subarray(0, 32)), s = little(sig.subarray(32));
	const base = pointOf(Uint8Array.from({length: 32}, (_, i) => (i ? 0x66 : 0x58)));
	if (!a || !r || s >= Q) return false;
	const k = little(sha512(concat(sig.subarray(0, 32), key, message))) % Q;
	const left = times(s, base), right = addPoints(r, times(k, a));
	return !mod(left[0] * right[2] - right[0] * left[2]) && !mod(left[1] * right[2] - right[1] * left[2]);
}

// signatures says who checks signatures here; ask decides it once. ownOnly is for tests of the code above.
const signatures = {
	ownOnly: false,
	native: null,
	async ask() {
		if (this.native !== null) return;
		this.native = false;
		if (!globalThis.crypto?.subtle) return;
		try { // RFC 8032, section 7.1, TEST 1
			const key = Uint8Array.from("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a".match(/../g), (x) => parseInt(x, 16));
			const imported = await crypto.subtle.importKey("raw", key, {name: "Ed25519"}, false, ["verify"]);
			this.native = !(await crypto.subtle.verify({name: "Ed25519"}, imported, new Uint8Array(64), new Uint8Array(0)));
		} catch { // this browser has no Ed25519
		}
	},
	async verify(key, message, sig) {
		await this.ask();
		if (!this.native || this.ownOnly) return ownEd25519(key, message, sig);
		try {
			const imported = await crypto.subtle.importKey("raw", key, {name: "Ed25519"}, false, ["verify"]);
			return await crypto.subtle.verify({name: "Ed25519"}, imported, sig, message);
		} catch {
			return false;
		}
	},
};

// fileHash is SHA-256 of a whole file: WebCrypto's where there is one.
async function fileHash(b) {
	if (!globalThis.crypto?.subtle) return sha256(b);
	return new Uint8Array(await crypto.subtle.digest("SHA-256", b));
}
