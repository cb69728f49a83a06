#!/usr/bin/env python3
"""Verify an exported Countersign ledger with nothing but Python's standard library.

usage: verify.py BUNDLE.zip|FOLDER [VKEY]

It shares no code with countersign: what both accept, neither got wrong alone. VKEY is the ledger's public key as you were given it; without
it the key that the ledger names itself counts, and a ledger rewritten from its start by somebody with a key of their own looks intact.
Exit status: 0 intact, 3 not. The format is described in store/ledger/doc.go and store/ledger/bundle/doc.go.
"""
import base64, functools, hashlib, hmac, json, os, re, stat, struct, sys, zipfile

LIMITS = [(r"checkpoint|custody", 1 << 16), (r"(published|witness|openings|people)\.jsonl", 1 << 36), (r"MANIFEST\.json|SHA256SUMS", 32 << 20),
          (r"index\.html|pages/\d{6}\.html", 64 << 20), (r"README\.txt", 1 << 20), (r"documents/[0-9a-f]{64}", 4 << 20),
          (r"tile/entries/(x\d{3}/)*\d{3}(\.p/[1-9]\d{0,2})?", 256 * 65537), (r"tile/[0-7]/(x\d{3}/)*\d{3}(\.p/[1-9]\d{0,2})?", 8192)]
REQUIRED = {"id": str, "mono": str, "seq": int, "stream": str, "time": str, "type": str, "v": int}
TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z")

def need(ok, text, *args):
    if not ok:
        raise ValueError(text % args)

# Ed25519 as RFC 8032, section 5.1.7, has it.
P, Q = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
def add(a, b):
    A, B = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    C, E = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = B - A, E - C, E + C, B + A
    return e * f % P, g * h % P, f * g % P, e * h % P
def mul(n, p):
    q = (0, 1, 1, 0)
    for bit in bin(n)[2:]:
        q = add(add(q, q), p) if bit == "1" else add(q, q)
    return q
def point(b):
    y = int.from_bytes(b, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    x = x if (x * x - xx) % P == 0 else x * ROOT % P
    need(y < P and (x * x - xx) % P == 0 and not (x == 0 and sign), "not a point of the curve")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P
BASE = point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
def signed(public, message, sig):
    s = int.from_bytes(sig[32:], "little")
    k = int.from_bytes(hashlib.sha512(sig[:32] + public + message).digest(), "little") % Q
    a, b = mul(s, BASE), add(point(sig[:32]), mul(k, point(public)))
    return s < Q and (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0
def vkey(text):
    name, hash_, key = text.split("+", 2)
    raw = base64.b64decode(key, validate=True)
    id_ = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    need(len(raw) == 33 and raw[0] == 1 and id_.hex() == hash_, "%s is not an Ed25519 key", text)
    return name, id_, raw[1:]
def open_note(text, key, what):
    """Give the body of a signed note, which the key must have signed."""
    (name, id_, public), found, (body, _, sigs) = vkey(key), False, text.partition("\n\n")
    for line in sigs.splitlines():
        dash, who, sig = line.split(" ")
        raw = base64.b64decode(sig, validate=True)
        if dash == "—" and who == name and raw[:4] == id_:
            need(len(raw) == 68 and signed(public, body.encode() + b"\n", raw[4:]), "%s: the signature is wrong", what)
            found = True
    need(found, "%s is not signed by the key in force", what)
    return body + "\n"
def checkpoint(text):
    origin, size, root, empty, _ = text.split("\n", 4)
    raw = base64.b64decode(root, validate=True)
    need(size == str(int(size)) and not empty and len(raw) == 32 and base64.b64encode(raw).decode() == root, "not a checkpoint")
    return origin, int(size), raw

# Files
def limit(name, size):
    found = [most for pattern, most in LIMITS if re.fullmatch(pattern, name)]
    need(found and len(name) <= 128 and size <= found[0], "%r does not belong into a bundle, or is too large", name)

def open_files(path):
    """Give the names and sizes, and a function that reads one file."""
    sizes = {}
    if os.path.isdir(path):
        for base, dirs, names in os.walk(path):
            need(not any(os.path.islink(os.path.join(base, n)) for n in dirs), "%s holds a link", base)
            for full in (os.path.join(base, n) for n in names):
                name = os.path.relpath(full, path).replace(os.sep, "/")
                sizes[name] = os.lstat(full).st_size
                need(stat.S_ISREG(os.lstat(full).st_mode), "%s is not a file", name)
                limit(name, sizes[name])
        return sizes, lambda name: open(os.path.join(path, name), "rb").read()
    length = os.path.getsize(path)
    with open(path, "rb") as f:
        head, _, end = f.read(4), f.seek(max(0, length - 22)), f.read()
    z, next_ = zipfile.ZipFile(path), 0
    need(head == b"PK\3\4" and end[:4] == b"PK\5\6" and end[20:] == b"\0\0", "not a plain zip, or cut off")
    need(len(z.infolist()) == struct.unpack("<H", end[10:12])[0] <= 65000, "another number of files than it says")
    for i in sorted(z.infolist(), key=lambda i: i.header_offset):
        need(i.filename not in sizes and i.orig_filename == i.filename, "%s is there twice", i.filename)
        need(next_ == i.header_offset, "%s lies over another file, or something is before it", i.filename)
        need(i.compress_type in (0, 8) and not i.flag_bits & 1, "%s is packed in an unusual way", i.filename)
        need(i.create_system != 3 or stat.S_IFMT(i.external_attr >> 16) in (0, stat.S_IFREG), "%s is a link", i.filename)
        limit(i.filename, i.file_size)
        next_ = i.header_offset + 30 + len(i.filename) + i.compress_size + (16 if i.flag_bits & 8 else 0)
        sizes[i.filename] = i.file_size
    need(next_ == z.start_dir, "something stands before the directory")
    need(sum(sizes.values()) <= 100 * length + (1 << 20), "it unpacks to too much")
    return sizes, z.read

def tile_path(kind, n, width):
    path = "%03d" % (n % 1000)
    while (n := n // 1000) > 0:
        path = "x%03d/%s" % (n % 1000, path)
    return "tile/%s/%s%s" % (kind, path, "" if width == 256 else ".p/%d" % width)

def lines(files, name):
    sizes, read = files
    text = read(name).decode() if name in sizes else ""
    need(text == "" or text.endswith("\n"), "%s was cut off", name)
    return [canonical(line, name) for line in text.split("\n")[:-1]]

# Entries
def tidy(v, depth, what):
    need(depth <= 16 or not isinstance(v, (dict, list)), "%s: nested too deep", what)
    if isinstance(v, dict):
        return {k: tidy(v[k], depth + 1, what) for k in sorted(v, key=lambda k: k.encode("utf-16-be"))}
    if isinstance(v, list):
        return [tidy(x, depth + 1, what) for x in v]
    need(isinstance(v, (str, bool)) or isinstance(v, int) and abs(v) < 2**53, "%s: a value outside of the profile", what)
    return v

def canonical(text, what):
    v = json.loads(text)
    need(isinstance(v, dict), "%s: not an object", what)
    again = json.dumps(tidy(v, 1, what), ensure_ascii=False, separators=(",", ":"))
    need(again == text, "%s: not in its one encoding", what)
    return v

def envelope(e, i, seqs, ids, mono):
    for k, t in REQUIRED.items():
        need(type(e.get(k)) is t and e[k] != "" and e[k] != 0, "entry %d: %s is missing or wrong", i, k)
    need(TIME.fullmatch(e["time"]) and e["mono"] == str(int(e["mono"])), "entry %d: a time is wrong", i)
    need(e["seq"] == seqs.get(e["stream"], 0) + 1, "entry %d: number %d of %s follows number %d", i, e["seq"], e["stream"], seqs.get(e["stream"], 0))
    need(e["id"] not in ids, "entry %d repeats an id", i)
    need(int(e["mono"]) >= mono, "entry %d: the ledger's clock runs backwards", i)
    need((e["type"] == "genesis") == (i == 0), "entry %d: a genesis belongs at the beginning", i)
    seqs[e["stream"]], _ = e["seq"], ids.add(e["id"])
    return int(e["mono"])

def rotate(e, i, keys):
    text = "countersign key rotation v1\n%s\n%s\n" % (keys[-1][0], e["vkey"])
    need(e["previous"] == keys[-1][0] and vkey(e["vkey"])[0] == vkey(keys[0][0])[0], "entry %d: not a change of this ledger's key", i)
    for k in (e["previous"], e["vkey"]):
        need(open_note(e["cross"], k, "entry %d" % i) == text, "entry %d: signed about something else", i)
    keys.append((e["vkey"], i))

def node(right, left):
    return hashlib.sha256(b"\1" + left + right).digest()

def roots_of(hashes, sizes):
    """Give the roots that the tree over hashes had at these sizes."""
    stack, out = [], {0: hashlib.sha256(b"").digest()}
    for i, h in enumerate(hashes, 1):
        stack.append(h)
        for _ in range((i & -i).bit_length() - 1):
            stack.append(node(stack.pop(), stack.pop()))
        if i in sizes:
            out[i] = functools.reduce(node, reversed(stack))
    return out

def entries(files, size):
    sizes, read = files
    for n in range((size + 255) // 256):
        width = min(256, size - n * 256)
        name = tile_path("entries", n, width)
        need(name in sizes, "entries %d to %d are missing", n * 256, n * 256 + width - 1)
        raw, at = read(name), 0
        for k in range(width):
            length = int.from_bytes(raw[at:at + 2], "big")
            need(at + 2 + length <= len(raw), "%s was cut off", name)
            yield n * 256 + k, raw[at + 2:at + 2 + length]
            at += 2 + length
        need(at == len(raw), "%s holds more than %d entries", name, width)

def verify(path, pinned):
    files = sizes, read = open_files(path)
    need({"checkpoint", "MANIFEST.json", "SHA256SUMS"} <= set(sizes), "the checkpoint, the manifest or the sums are missing")
    note = read("checkpoint").decode()
    origin, size, root = checkpoint(note)
    need(read("SHA256SUMS").endswith(b"\n"), "SHA256SUMS was cut off")
    sums = dict(reversed(line.split("  ", 1)) for line in read("SHA256SUMS").decode().splitlines())
    need(set(sums) == set(sizes) - {"SHA256SUMS"}, "files were added or taken away: %s", set(sums) ^ (set(sizes) - {"SHA256SUMS"}))
    for name, sum_ in sums.items():
        content = read(name)
        need(len(content) == sizes[name] and hashlib.sha256(content).hexdigest() == sum_, "%s was changed: its sum is another", name)
        need(not name.startswith("documents/") or name[10:] == sum_, "%s is another document", name)
    manifest = json.loads(read("MANIFEST.json"))
    need((manifest["origin"], manifest["rows"], manifest["root"]) == (origin, size, base64.b64encode(root).decode()), "the manifest is of another ledger")
    need({f["name"]: (f["sha256"], f["bytes"]) for f in manifest["files"]} ==
         {n: (sums[n], sizes[n]) for n in sums if n not in ("MANIFEST.json", "custody")}, "the manifest lists other files")
    opened = {}
    for o in lines(files, "openings.jsonl"):
        opened.setdefault(o["entry"], []).append(o)
    hashes, seqs, ids, mono, keys, documents, fit = [], {}, set(), 0, [], set(), 0
    for i, leaf in entries(files, size):
        e = canonical(leaf.decode(), "entry %d" % i)
        mono = envelope(e, i, seqs, ids, mono)
        hashes.append(hashlib.sha256(b"\0" + leaf).digest())
        if i == 0:
            need(e["format"] == 1 and e["origin"] == vkey(e["vkey"])[0] == origin, "entry 0 begins another ledger")
            keys.append((e["vkey"], -1))
        elif e["type"] == "key.rotated":
            rotate(e, i, keys)
        documents.update([e["policy"]] if "policy" in e else [])
        for o in opened.pop(i, []):
            text = b"countersign/commit/v1" + o["field"].encode() + b"\0" + o["value"].encode()
            mac = hmac.new(bytes.fromhex(o["salt"]), text, "sha256").hexdigest()
            need(e.get("sealed", {}).get(o["field"]) == mac, "entry %d: the text for %s is not the one recorded", i, o["field"])
            fit += 1
    need(not opened, "texts for entries that are not there")
    need(manifest["openings"] == len(lines(files, "openings.jsonl")), "another number of texts than the manifest says")
    anchors = [(a, name) for name in ("published.jsonl", "witness.jsonl") for a in lines(files, name)]
    roots = roots_of(hashes, {a["size"] for a, _ in anchors} | {size})
    need(roots[size] == root, "the entries are not those that were signed: another root")
    names, level, row = set(), 0, hashes
    while row:
        parts = [row[n:n + 256] for n in range(0, len(row), 256)]
        for n, part in enumerate(parts):
            name = tile_path(level, n, len(part))
            need(name in sizes and read(name) == b"".join(part), "%s was changed or is missing", name)
            names |= {name, tile_path("entries", n, len(part)) if level == 0 else name}
        row, level = [roots_of(part, {256})[256] for part in parts if len(part) == 256], level + 1
    need(names == {n for n in sizes if n.startswith("tile/")}, "there are tiles that do not belong to %d entries", size)
    for d in documents:
        need("documents/" + d[len("sha256:"):] in sizes, "the policy %s is missing", d)
    for a, what in [({"note": note, "size": size, "root": base64.b64encode(root).decode()}, "the head")] + anchors:
        need(a["size"] in roots and base64.b64encode(roots[a["size"]]).decode() == a["root"], "%s: entry %d or one before it was another", what, a["size"] - 1)
        if "note" in a:
            open_note(a["note"], [k for k, since in keys if a["size"] > since][-1], what)
            need(checkpoint(a["note"]) == (origin, a["size"], roots[a["size"]]), "%s: a line about something else", what)
    if "custody" in sizes:
        who = open_note(read("custody").decode(), keys[-1][0], "custody").split("\n")
        need(who[:3] == ["countersign custody v1", origin, sums["MANIFEST.json"]] and TIME.fullmatch(who[3]) and len(who) == 6, "custody is about another bundle")
    need(not pinned or pinned in [k for k, _ in keys], "the key you gave has never been this ledger's")
    return "intact: %s, %d entries, %d texts open, key %s (%s)" % (
        origin, size, fit, keys[-1][0], "yours" if pinned else "the ledger's own word for it")

if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        print(verify(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else ""))
    except Exception as err:  # whatever cannot be read is not intact
        print("NOT INTACT: %s" % (err or type(err).__name__))
        sys.exit(3)
