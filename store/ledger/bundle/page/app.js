"use strict";
// The page: a file in, a verdict out. Everything from a bundle is put in as text, never as markup.

const $ = (id) => document.getElementById(id);

function element(tag, className, ...children) {
	const e = document.createElement(tag);
	if (className) e.className = className;
	e.append(...children);
	return e;
}

const number = (n) => n.toLocaleString("en");
const count = (n, one, many = one + "s") => `${number(n)} ${n === 1 ? one : many}`;

const app = {report: null, rows: [], found: [], shown: 0, run: 0};
const pageOfRows = 100, tellMost = 200000;

function pinnedKeys() {
	return $("key").value.split(/\s+/).filter(Boolean);
}

// keptHead is the signed head that somebody pasted, or null.
function keptHead() {
	const note = $("head").value.replace(/\r/g, "").replace(/^\s+/, "").trimEnd();
	if (!note) return null;
	const cp = parseCheckpoint(note.slice(0, note.indexOf("\n\n") + 1));
	return {size: cp.size, root: cp.root, note: note + "\n", from: "The head you kept"};
}

function checkHead() {
	let why = "";
	try {
		keptHead();
	} catch {
		why = "This is not a whole head: its name, its size, its root, an empty line and the signatures.";
	}
	$("headproblem").textContent = why;
	if (why) $("head").closest("details").open = true;
	$("head").setAttribute("aria-invalid", why ? "true" : "false");
	return !why;
}

// checkKey says at once whether what was pasted can be a key.
function checkKey() {
	let why = "";
	for (const k of pinnedKeys()) {
		try {
			parseVKey(k);
		} catch {
			why = "This is not a public key of a ledger: it is one line like example.com/countersign/main+1a2b3c4d+AbCd…";
		}
	}
	$("keyproblem").textContent = why;
	$("key").setAttribute("aria-invalid", why ? "true" : "false");
	return !why;
}

async function take(file) {
	if (!file) return;
	app.file = file;
	$("filename").textContent = `${file.name}, ${count(Math.ceil(file.size / 1024), "KB", "KB")}`;
	await verify();
}

async function verify() {
	if (!app.file) return $("file").focus();
	if (!checkKey()) return $("key").focus();
	if (!checkHead()) return $("head").focus();
	const run = ++app.run;
	$("result").hidden = true;
	$("progress").hidden = false;
	say("Reading the file…", 0, 1);
	let report;
	try {
		if (app.file.size > limits.zip) throw new Malformed(`the file has ${app.file.size} bytes, more than a browser should hold: use the program`);
		const bytes = new Uint8Array(await app.file.arrayBuffer());
		report = await verifyBundle(bytes, pinnedKeys(), (what, done, all) => run === app.run && say(what + "…", done, all), keptHead());
	} catch (err) {
		report = {ok: false, malformed: true, problems: [{index: -1, text: `This page could not read it: ${err.message}.`}], counts: {}, leaves: [], texts: new Map(), people: {}};
	}
	if (run !== app.run) return; // another file was dropped meanwhile
	$("progress").hidden = true;
	show(report);
}

function say(what, done, all) {
	if ($("doing").textContent !== what) $("doing").textContent = what;
	$("bar").max = all;
	$("bar").value = done;
}

function show(r) {
	app.report = r;
	const total = Object.values(r.counts ?? {}).reduce((a, b) => a + b, 0);
	const kind = r.ok ? (r.pinned ? "good" : "fair") : "bad";
	$("verdict").className = "verdict " + kind;
	$("mark").textContent = {good: "✓", fair: "!", bad: "✕"}[kind];
	$("headline").textContent = r.malformed ? "This is not a whole bundle" : r.ok ? "Intact: these entries are as signed" : "Not intact";
	if (r.malformed) $("summary").textContent = r.problems[0].text + " Nothing in it was looked at. Ask for it again.";
	else if (!r.ok) $("summary").textContent = `${count(total, "problem")}. First: ${r.problems[0].text}`;
	else {
		$("summary").textContent = `${count(r.size, "entry", "entries")} of ${r.origin}, from ${dayTime(r.firstTime)} to ${dayTime(r.lastTime)}. ` + (r.pinned ?
			"Signed by the key you gave." : "But by the key that the bundle itself names: anybody can write a ledger and sign it with a key of their own. Paste the key as you know it from elsewhere.");
	}
	facts(r);
	problems(r, total);
	$("result").hidden = false;
	$("headline").focus();
	entries(r);
}

function facts(r) {
	const rows = r.malformed ? [] : [
		["Ledger", r.origin],
		["Entries", `${number(r.read)} read of ${number(r.size)}, ${number(r.bytes)} bytes, ${count(r.streams, "stream")}`],
		["Root", r.root || "not computed, as entries are missing"],
		["Key", (r.key || "none") + (r.pinned ? " (yours)" : " (the ledger's own word for it)") + (r.keyChanges ? `, after ${count(r.keyChanges, "change")}` : "")],
		["Compared", `${count(r.tiles, "tile")}, ${count(r.published, "published checkpoint")}, ${count(r.anchors, "memory", "memories")} from outside, ${count(r.documents, "document")}, ${count(r.manifest?.files?.length ?? 0, "file")} with ${r.manifest?.files?.length === 1 ? "its sum" : "their sums"}`],
		["Memory", r.kept ? (r.kept < r.size ? `it continues the head over ${count(r.kept, "entry", "entries")} that you kept` : "it is the head that you kept") :
			"no head of yours: whoever holds the key could have put another history in place of an earlier one"],
		["Sealed fields", `${number(r.commitments)}: ${number(r.opened)} open, ${number(r.commitments - r.opened)} closed or erased`],
		["Exported", `${r.manifest?.generated ?? "?"} by ${r.manifest?.tool ?? "?"}: ${r.manifest?.query ?? "?"}`],
		["Custody", r.custody ? `made ${r.custody.time} by ${r.custody.exporter}, signed by the ledger's key` : `${r.manifest?.exporter || "nobody"} by the manifest's own word: nobody signed for it`],
		["Signatures by", r.checkedBy],
	];
	$("facts").replaceChildren(...rows.flatMap(([k, v]) => [element("dt", "", k), element("dd", "", plain(v))]));
	$("factsbox").hidden = !rows.length;
	$("scope").hidden = !r.ok;
}

function problems(r, total) {
	$("problembox").hidden = r.ok || r.malformed || r.problems.length < 2;
	$("problems").replaceChildren(...r.problems.slice(0, 200).map((p) => element("li", "", element("code", "", p.code), " ", plain(p.text))));
	$("more").textContent = total > Math.min(200, r.problems.length) ? `and ${number(total - Math.min(200, r.problems.length))} more` : "";
}

// entries tells all of them once, in order, because a sentence leans on what came before.
async function entries(r) {
	const run = app.run;
	app.rows = [];
	$("entrybox").hidden = !r.leaves?.length;
	$("search").value = "";
	const story = new Story(r.people ?? {}, r.texts ?? new Map()), kinds = new Set();
	for (let i = 0; i < Math.min(r.leaves?.length ?? 0, tellMost); i++) {
		if (!r.leaves[i]) continue;
		const e = JSON.parse(textOf(r.leaves[i])), text = story.tell(i, e);
		kinds.add(e.type);
		app.rows.push({i, time: dayTime(e.time), type: e.type, text, find: `${i} ${text} ${e.stream} ${e.type} ${e.id}`.toLowerCase()});
		if (i % 5000 === 4999) await new Promise((go) => setTimeout(go));
		if (run !== app.run) return;
	}
	$("kind").replaceChildren(new Option("every kind", ""), ...[...kinds].sort().map((k) => new Option(k, k)));
	search();
}

function search() {
	const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean), kind = $("kind").value;
	app.found = app.rows.filter((x) => (!kind || x.type === kind) && words.every((w) => x.find.includes(w)));
	app.shown = 0;
	$("rows").replaceChildren();
	$("found").textContent = `${number(app.found.length)} of ${count(app.report.leaves.length, "entry", "entries")}` + (app.report.leaves.length > tellMost ? `; the list holds the first ${number(tellMost)}` : "");
	more();
}

function more() {
	const bad = new Set(app.report.problems.map((p) => p.index));
	for (const x of app.found.slice(app.shown, app.shown + pageOfRows)) {
		const button = element("button", "raw", "Fields");
		button.type = "button";
		button.setAttribute("aria-expanded", "false");
		button.setAttribute("aria-label", `Fields of entry ${x.i}`);
		button.addEventListener("click", () => unfold(button, x.i));
		const what = element("td", "", element("p", "", x.text), element("span", "kind", x.type), button);
		const row = element("tr", bad.has(x.i) ? "wrong" : "", element("th", "", String(x.i)), element("td", "time", x.time), what);
		row.firstChild.scope = "row";
		if (bad.has(x.i)) what.firstChild.prepend(element("strong", "", "Wrong. "));
		$("rows").append(row);
	}
	app.shown += pageOfRows;
	$("next").hidden = app.shown >= app.found.length;
}

// unfold shows an entry as it stands in the ledger, with the texts that were disclosed of it.
function unfold(button, i) {
	const open = button.getAttribute("aria-expanded") === "true";
	button.setAttribute("aria-expanded", String(!open));
	if (open) return button.nextElementSibling.remove();
	const texts = (app.report.texts.get(i) ?? []).map((o) => `${o.field}: ${o.value}${o.strange ? "   (not what was recorded)" : ""}`);
	const leaf = JSON.stringify(JSON.parse(textOf(app.report.leaves[i])), null, 2);
	button.after(element("pre", "", plainLines([leaf, ...texts].join("\n"))));
}

const plainLines = (s) => s.split("\n").map(plain).join("\n");

function drop(event) {
	event.preventDefault();
	$("drop").classList.remove("over");
	take(event.dataTransfer?.files?.[0]);
}

function start() {
	$("file").addEventListener("change", () => {
		const [file] = $("file").files;
		$("file").value = ""; // so that choosing the same file again is a change again
		take(file);
	});
	$("verify").addEventListener("click", verify);
	$("key").addEventListener("change", () => checkKey() && app.file && verify());
	$("head").addEventListener("change", () => checkHead() && app.file && verify());
	$("search").addEventListener("input", search);
	$("kind").addEventListener("change", search);
	$("next").addEventListener("click", () => {
		const at = app.shown;
		more();
		$("rows").children[at]?.querySelector("button").focus();
	});
	for (const kind of ["dragover", "dragenter"]) {
		document.addEventListener(kind, (event) => {
			event.preventDefault();
			$("drop").classList.add("over");
		});
	}
	document.addEventListener("dragleave", (event) => event.relatedTarget || $("drop").classList.remove("over"));
	document.addEventListener("drop", drop);
	checkKey();
}

start();
