// Sigstore's verifier (npm packages @sigstore/verify and @sigstore/core, by the Sigstore project) judges what we sign and prove: checkpoints as
// signed notes with Ed25519, and inclusion proofs by RFC 6962. It has never heard of Countersign. It has no consistency proofs; those are
// held in Go. ORACLE_BUNDLE, ORACLE_VKEY and ORACLE_PROOF are set by .ci/run oracle.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import fs from "node:fs";
import {createRequire} from "node:module";
import path from "node:path";
import test from "node:test";

const require = createRequire(import.meta.url);
const {verifyCheckpoint} = require("@sigstore/verify/dist/tlog/checkpoint.js");
const {verifyMerkleInclusion} = require("@sigstore/verify/dist/tlog/merkle.js");

const dir = process.env.ORACLE_BUNDLE, vkey = process.env.ORACLE_VKEY, proofFile = process.env.ORACLE_PROOF;
const skip = dir && vkey && proofFile ? false : "ORACLE_BUNDLE, ORACLE_VKEY and ORACLE_PROOF are not set";

// authority is a ledger's key as Sigstore knows transparency logs: the public key, and an id that begins with the hint in signature lines.
function authority(text) {
	const [name, id, ...rest] = text.split("+");
	const key = Buffer.from(rest.join("+"), "base64").subarray(1);
	const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), key]); // SubjectPublicKeyInfo of RFC 8410
	return {
		baseURL: name, logID: Buffer.from(id, "hex"), validFor: {start: new Date(0), end: new Date("9999-01-01")},
		publicKey: crypto.createPublicKey({key: der, format: "der", type: "spki"}),
	};
}

// proven gives what `countersign ledger prove` wrote: entries with the way to a signed head.
function proven() {
	const out = [], blocks = fs.readFileSync(proofFile, "utf8").matchAll(/-----BEGIN ([A-Z0-9 ]+)-----\n([\s\S]*?)-----END \1-----/g);
	let entry = null;
	for (const [, type, body] of blocks) {
		const bytes = Buffer.from(body.slice(body.includes("\n\n") ? body.indexOf("\n\n") : 0), "base64");
		if (type === "COUNTERSIGN ENTRY") entry = bytes;
		if (type !== "C2SP TLOG PROOF") continue;
		const [top, ...rest] = bytes.toString("utf8").split("\n\n"), [header, index, ...hashes] = top.split("\n");
		assert.equal(header, "c2sp.org/tlog-proof@v1");
		out.push(sigstoreEntry(entry, index.replace("index ", ""), hashes.map((h) => Buffer.from(h, "base64")), rest.join("\n\n")));
	}
	return out;
}

const sigstoreEntry = (entry, logIndex, hashes, envelope) => ({canonicalizedBody: entry, inclusionProof: {logIndex, hashes, checkpoint: {envelope}}});

test("our checkpoint is signed as Sigstore wants it", {skip}, () => {
	const envelope = fs.readFileSync(path.join(dir, "checkpoint"), "utf8"), log = authority(vkey);
	const cp = verifyCheckpoint(sigstoreEntry(null, "0", [], envelope), [log]);
	assert.equal(cp.origin, log.baseURL);
	assert.equal(String(cp.logSize), envelope.split("\n")[1]);
	assert.equal(cp.logHash.toString("base64"), envelope.split("\n")[2]);
	const other = envelope.replace(/\n(\d)/, (_, d) => "\n" + ((Number(d) % 9) + 1));
	assert.throws(() => verifyCheckpoint(sigstoreEntry(null, "0", [], other), [log]), /invalid checkpoint signature/);
	const stranger = {...log, publicKey: crypto.generateKeyPairSync("ed25519").publicKey};
	assert.throws(() => verifyCheckpoint(sigstoreEntry(null, "0", [], envelope), [stranger]), /invalid checkpoint signature/);
});

test("the heads that left the machine are signed as Sigstore wants it", {skip}, () => {
	let n = 0;
	for (const name of ["published.jsonl", "witness.jsonl"]) {
		const file = path.join(dir, name);
		for (const line of fs.existsSync(file) ? fs.readFileSync(file, "utf8").trimEnd().split("\n") : []) {
			const a = JSON.parse(line), cp = verifyCheckpoint(sigstoreEntry(null, "0", [], a.note), [authority(vkey)]);
			assert.equal(Number(cp.logSize), a.size);
			n++;
		}
	}
	assert.ok(n >= 3, `${n} heads`);
});

test("our inclusion proofs hold in Sigstore's Merkle tree", {skip}, () => {
	const list = proven();
	assert.ok(list.length > 0);
	for (const e of list) {
		const cp = verifyCheckpoint(e, [authority(vkey)]);
		verifyMerkleInclusion(e, cp);
		const changed = Buffer.from(e.canonicalizedBody);
		changed[changed.length >> 1] ^= 1;
		assert.throws(() => verifyMerkleInclusion({...e, canonicalizedBody: changed}, cp), /root hash does not match/);
		const moved = {...e, inclusionProof: {...e.inclusionProof, logIndex: String(BigInt(e.inclusionProof.logIndex) ^ 1n)}};
		assert.throws(() => verifyMerkleInclusion(moved, cp), /root hash|hash count|index/);
		const hashes = e.inclusionProof.hashes.slice(1);
		if (e.inclusionProof.hashes.length) assert.throws(() => verifyMerkleInclusion({...e, inclusionProof: {...e.inclusionProof, hashes}}, cp), /hash count/);
	}
	console.log(`# ${list.length} proofs of ours hold`);
});
