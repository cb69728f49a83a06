import { h, icon } from "./dom.js";

const emoji = {
  white_check_mark: "✅", heavy_check_mark: "✔️", x: "❌", warning: "⚠️", hourglass: "⌛", hourglass_flowing_sand: "⏳", lock: "🔒",
  unlock: "🔓", key: "🔑", rotating_light: "🚨", no_entry: "⛔", no_entry_sign: "🚫", eyes: "👀", wave: "👋", tada: "🎉", bell: "🔔",
  no_bell: "🔕", page_facing_up: "📄", memo: "📝", clock1: "🕐", alarm_clock: "⏰", stopwatch: "⏱️", shield: "🛡️", fire: "🔥", "+1": "👍",
  "-1": "👎", thumbsup: "👍", thumbsdown: "👎", heart: "❤️", rocket: "🚀", information_source: "ℹ️", question: "❓", exclamation: "❗",
  point_right: "👉", red_circle: "🔴", large_green_circle: "🟢", large_yellow_circle: "🟡", large_blue_circle: "🔵", white_circle: "⚪",
  black_circle: "⚫", arrow_right: "➡️", leftwards_arrow_with_hook: "↩️", repeat: "🔁", link: "🔗", pushpin: "📌", mag: "🔍",
  speech_balloon: "💬", bust_in_silhouette: "👤", busts_in_silhouette: "👥", robot_face: "🤖", calendar: "📆", zzz: "💤", moon: "🌙",
  sunny: "☀️", closed_lock_with_key: "🔐", broken_heart: "💔", broom: "🧹", ballot_box_with_check: "☑️", gear: "⚙️", wrench: "🔧",
  small_blue_diamond: "🔹", small_orange_diamond: "🔸", heavy_minus_sign: "➖", heavy_plus_sign: "➕", airplane: "✈️", smile: "😄",
  eye: "👁️", black_right_pointing_double_triangle_with_vertical_bar: "⏭️", recycle: "♻️", white_large_square: "⬜", clipboard: "📋", mega: "📣",
  mag_right: "🔎", fire_extinguisher: "🧯",
};

// drawn are the signs a work flow uses most, drawn here so that they look alike on every machine, fonts or not: a colour for the disc or the
// outline, and a path in a 20 by 20 box.
const ok = "#2e9e6b", bad = "#d1453b", mild = "#d99a1c", cool = "#4a7fc1", dim = "#8a8f98";
const tick = "M6 10.5l2.800 2.800L14.200 7.500", cross = "M7 7l6 6M13 7l-6 6", bang = "M10 6v5M10 13.800v.1", bar = "M6 10h8";
const drawn = {
  white_check_mark: ["disc", ok, tick], heavy_check_mark: ["line", ok, tick], ballot_box_with_check: ["disc", cool, tick], x: ["disc", bad, cross],
  no_entry: ["disc", bad, bar], no_entry_sign: ["disc", bad, bar], exclamation: ["disc", bad, bang], warning: ["tri", mild, "M10 8v4M10 14.300v.1"],
  information_source: ["disc", cool, "M10 9.500v4.500M10 6.300v.1"], question: ["disc", cool, "M8 8a2 2 0 1 1 2.700 1.900c-.5.2-.7.5-.7 1.300M10 13.800v.1"],
  hourglass: ["line", mild, "M6 3.500h8M6 16.500h8M7 3.500c0 4 6 5 6 6.500s-6 2.500-6 6.500M13 3.500c0 4-6 5-6 6.500s6 2.500 6 6.500"],
  rotating_light: ["line", bad, "M5 16h10M6.500 16v-4.500a3.500 3.500 0 0 1 7 0V16M10 3v2M4 6l1.300 1.300M16 6l-1.300 1.300"],
  lock: ["line", mild, "M5 9h10v8H5zM7 9V6.500a3 3 0 0 1 6 0V9"], unlock: ["line", ok, "M5 9h10v8H5zM7 9V6.500a3 3 0 0 1 5.800-1"],
  key: ["line", mild, "M7 9.500a3.500 3.500 0 1 0 0 .1M10.500 9.500H17M14.500 9.500v3"], eyes: ["line", cool, "M2 10s3-5 8-5 8 5 8 5-3 5-8 5-8-5-8-5M10 8a2 2 0 1 0 0 4 2 2 0 0 0 0-4"],
  bell: ["line", mild, "M5 14h10c-1.200-1.200-1.500-2.500-1.500-5a3.500 3.500 0 0 0-7 0c0 2.500-.3 3.800-1.500 5M9 16.500h2"], memo: ["line", dim, "M5 3.500h10v13H5zM7.500 7h5M7.500 10h5M7.500 13h3"],
  page_facing_up: ["line", dim, "M5 3h7l3 3v11H5zM7.500 9h5M7.500 12h5"], link: ["line", cool, "M8.500 11.500l3-3M9 6.500l1.500-1.500a3 3 0 0 1 4.300 4.300L13.300 11M11 13.500 9.500 15a3 3 0 0 1-4.300-4.300L6.700 9"],
  shield: ["line", ok, "M10 2.500 16 5v5c0 4-3 6.500-6 7.500-3-1-6-3.500-6-7.500V5z"], repeat: ["line", cool, "M4 8V7a2 2 0 0 1 2-2h9M13 3l2 2-2 2M16 12v1a2 2 0 0 1-2 2H5M7 17l-2-2 2-2"],
  alarm_clock: ["line", mild, "M10 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12M10 8v3l2 2M4 4.500 5.500 3M16 4.500 14.500 3"], red_circle: ["disc", bad, ""], large_green_circle: ["disc", ok, ""],
  eye: ["line", cool, "M2 10s3-5 8-5 8 5 8 5-3 5-8 5-8-5-8-5M10 8a2 2 0 1 0 0 4 2 2 0 0 0 0-4"], mag_right: ["line", dim, "M11.500 4a4.500 4.500 0 1 0 .1 0M8.300 11.700 3.500 16.500"],
  black_right_pointing_double_triangle_with_vertical_bar: ["line", cool, "M3.500 5v10l5-5zM9 5v10l5-5zM16 5v10"], fire_extinguisher: ["line", bad, "M7 8h6v9H7zM10 8V5M7 5h6M13 5l3 2"],
  recycle: ["line", ok, "M5 12a5.500 5.500 0 0 1 9.500-5.500M15 3v4h-4M15 8a5.500 5.500 0 0 1-9.500 5.500M5 17v-4h4"], white_large_square: ["line", dim, "M4 4h12v12H4z"],
  clipboard: ["line", dim, "M5 4.500h10v12.500H5zM8 3h4v3H8zM7.500 9.500h5M7.500 13h3"], mega: ["line", mild, "M4 8.500v3l9 4v-11zM13 8.500h2v3h-2M6.500 12.500v4h2.500"],
  bust_in_silhouette: ["line", cool, "M10 4a3 3 0 1 0 .1 0M4 17c0-4 3-5.500 6-5.500s6 1.500 6 5.500"], speech_balloon: ["line", dim, "M3 4.500h14v9h-8l-4 3.500v-3.500H3z"],
  busts_in_silhouette: ["line", cool, "M7.500 5a2.500 2.500 0 1 0 .1 0M2.500 16c0-3.500 2-5 5-5s5 1.500 5 5M13.500 6a2 2 0 1 0 .1 0M14 11c2.500 0 3.500 1.500 3.500 4"],
  arrow_right: ["line", cool, "M4 10h12M11.500 5.500 16 10l-4.500 4.500"], leftwards_arrow_with_hook: ["line", cool, "M4 8h9a3.500 3.500 0 0 1 0 7H9M7.500 4.500 4 8l3.500 3.500"],
  heavy_minus_sign: ["line", dim, "M4.500 10h11"], large_yellow_circle: ["disc", mild, ""], large_blue_circle: ["disc", cool, ""], white_circle: ["disc", dim, ""],
};
const alias = { hourglass_flowing_sand: "hourglass", stopwatch: "alarm_clock", clock1: "alarm_clock", closed_lock_with_key: "lock" };
for (const [from, to] of Object.entries(alias)) drawn[from] = drawn[to];
// byChar knows a sign with and without the mark that asks for its coloured form.
const byChar = new Map(Object.entries(emoji).filter(([n]) => drawn[n]).flatMap(([n, c]) => [[c, n], [c.replace(/\ufe0f/g, ""), n]]));

export function emojiNode(name) {
  const d = drawn[name];
  if (!d) return emojiChar(name);
  const ns = "http://www.w3.org/2000/svg", el = (tag, attrs) => { const n = document.createElementNS(ns, tag); for (const [k, v] of Object.entries(attrs)) n.setAttribute(k, v); return n; };
  const svg = el("svg", { viewBox: "0 0 20 20", class: "emoji", role: "img", "aria-label": name.replace(/_/g, " ") });
  const [shape, color, path] = d;
  if (shape === "disc") svg.append(el("circle", { cx: 10, cy: 10, r: 8, fill: color }));
  if (shape === "tri") svg.append(el("path", { d: "M10 2.500 18.500 17.500h-17z", fill: color, stroke: color, "stroke-linejoin": "round", "stroke-width": 1.5 }));
  svg.append(el("path", { d: path, fill: "none", stroke: shape === "line" ? color : "#fff", "stroke-width": 1.9, "stroke-linecap": "round", "stroke-linejoin": "round" }));
  return svg;
}

const signs = new RegExp(":([a-z0-9_+-]+):|(" + [...byChar.keys()].sort((a, b) => b.length - a.length).join("|") + ")", "g");

// signed splits text at emoji and draws them.
function signed(s) {
  const out = [];
  let from = 0;
  for (const m of s.matchAll(signs)) {
    const name = m[1] || byChar.get(m[2]);
    if (m[1] && !emoji[name] && !drawn[name]) continue;
    out.push(s.slice(from, m.index), emojiNode(name));
    from = m.index + m[0].length;
  }
  out.push(s.slice(from));
  return out.filter((x) => x !== "");
}

export const emojiChar = (name) => emoji[name] || `:${name}:`;
export const withEmoji = (s) => s.replace(/:([a-z0-9_+-]+):/g, (all, n) => emoji[n] || all);

const plainEntities = (s) => s.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");

// zone is what times are shown in: that of whoever the reader is.
export function timeIn(zone, options, at) {
  return new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options }).format(at);
}

export const clock = (zone, at) => timeIn(zone, { hour: "2-digit", minute: "2-digit" }, at);
const zoneIn = (locale, zone, at) => new Intl.DateTimeFormat(locale, { timeZone: zone, timeZoneName: "short" }).formatToParts(at).find((p) => p.type === "timeZoneName").value;
// zoneName prefers a zone's letters (CET, EST) to an offset; which language knows them differs by continent.
export const zoneName = (zone, at) => [zoneIn("en-GB", zone, at), zoneIn("en-US", zone, at)].find((n) => !n.startsWith("GMT")) || zoneIn("en-GB", zone, at);
const day = (zone, at) => timeIn(zone, { year: "numeric", month: "2-digit", day: "2-digit" }, at);

function pretty(zone, at, now, otherwise) {
  for (const [shift, word] of [[0, "today"], [-1, "yesterday"], [1, "tomorrow"]]) {
    if (day(zone, at) === day(zone, new Date(now.getTime() + shift * 864e5))) return word;
  }
  return otherwise;
}

function ago(at, now) {
  const s = Math.round((at - now) / 1000);
  const rtf = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const [unit, n] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(s) >= n) return rtf.format(Math.round(s / n), unit);
  }
  return rtf.format(s, "second");
}

// slackDate fills the tokens of <!date^…> in the reader's zone.
export function slackDate(unix, format, ctx) {
  const at = new Date(unix * 1000), z = ctx.zone, now = ctx.now();
  const long = { weekday: "long", day: "numeric", month: "long", year: "numeric" };
  const date = timeIn(z, { day: "numeric", month: "long", year: "numeric" }, at);
  const short = timeIn(z, { day: "numeric", month: "short", year: "numeric" }, at);
  const tokens = {
    date_num: timeIn("UTC", {}, at) && new Intl.DateTimeFormat("sv-SE", { timeZone: z }).format(at),
    date_slash: day(z, at), date, date_short: short, date_long: timeIn(z, long, at),
    date_pretty: pretty(z, at, now, date), date_short_pretty: pretty(z, at, now, short), date_long_pretty: pretty(z, at, now, timeIn(z, long, at)),
    time: clock(z, at), time_secs: timeIn(z, { hour: "2-digit", minute: "2-digit", second: "2-digit" }, at), ago: ago(at, now),
  };
  const out = format.replace(/\{(\w+)\}/g, (all, t) => tokens[t] ?? all);
  return out.charAt(0).toUpperCase() === out.charAt(0) || !/^\{/.test(format) ? out : out.charAt(0).toUpperCase() + out.slice(1);
}

const dateEl = (unix, format, fallback, ctx) =>
  h("time", { class: "date", datetime: new Date(unix * 1000).toISOString(), title: `${timeIn(ctx.zone, { dateStyle: "full", timeStyle: "long" }, new Date(unix * 1000))}` }, slackDate(unix, format, ctx) || fallback);

export function mention(id, ctx) {
  const u = ctx.users.get(id);
  return h("span", { class: "mention" + (id === ctx.me ? " me" : ""), title: u ? u.real_name : id }, "@" + (u ? u.name : id));
}

const safeHref = (url) => (/^(https?:|mailto:|slack:|\/)/i.test(url) ? url : undefined);

export function link(url, label) {
  const href = safeHref(url);
  return href ? h("a", { href, target: "_blank", rel: "noreferrer noopener" }, label) : h("span", {}, label);
}

// special turns what stands between < and > into what it means.
function special(inner, ctx) {
  const bar = inner.indexOf("|");
  const ref = bar < 0 ? inner : inner.slice(0, bar), label = bar < 0 ? "" : plainEntities(inner.slice(bar + 1));
  if (ref.startsWith("@")) return mention(ref.slice(1), ctx);
  if (ref.startsWith("#")) return h("span", { class: "mention" }, "#" + (ctx.channels.get(ref.slice(1))?.name || label || ref.slice(1)));
  if (ref.startsWith("!date^")) {
    const [, unix, format, url] = ref.split("^");
    const el = dateEl(Number(unix), plainEntities(format), label, ctx);
    return url ? link(url, el) : el;
  }
  if (ref.startsWith("!subteam^")) return h("span", { class: "mention" }, label || "@" + (ctx.groups.get(ref.slice(9))?.handle || "group"));
  if (ref.startsWith("!")) return h("span", { class: "mention loud" }, "@" + ref.slice(1));
  return link(plainEntities(ref), label || plainEntities(ref).replace(/^mailto:/, ""));
}

const inline = /<([^<>\n]+)>|`([^`\n]+)`|(?<![\w*])\*(?=\S)([^*\n]*\S)\*(?![\w*])|(?<![\w_])_(?=\S)([^_\n]*\S)_(?![\w_])|(?<![\w~])~(?=\S)([^~\n]*\S)~(?![\w~])/;

function spans(s, ctx) {
  const out = [];
  for (;;) {
    const m = inline.exec(s);
    if (!m) break;
    if (m.index) out.push(...signed(plainEntities(s.slice(0, m.index))));
    if (m[1] !== undefined) out.push(special(m[1], ctx));
    else if (m[2] !== undefined) out.push(h("code", {}, plainEntities(m[2])));
    else if (m[3] !== undefined) out.push(h("strong", {}, spans(m[3], ctx)));
    else if (m[4] !== undefined) out.push(h("em", {}, spans(m[4], ctx)));
    else out.push(h("s", {}, spans(m[5], ctx)));
    s = s.slice(m.index + m[0].length);
  }
  if (s) out.push(...signed(plainEntities(s)));
  return out;
}

// pre is text to copy, with a button that does.
function pre(content) {
  const code = h("code", {}, content), say = (ic, label) => { button.replaceChildren(icon(ic)); button.setAttribute("aria-label", label); button.title = label; };
  const button = h("button", { type: "button", class: "copy", onclick: async () => {
    try { await navigator.clipboard.writeText(code.textContent); say("check", "Copied"); setTimeout(say, 2000, "copy", "Copy"); } catch { getSelection().selectAllChildren(code); }
  } });
  say("copy", "Copy");
  return h("div", { class: "pre" }, h("pre", { tabindex: "0" }, code), button);
}

// mrkdwn renders Slack's markup to nodes.
export function mrkdwn(text, ctx) {
  const out = [];
  text.split(/```\n?([\s\S]*?)\n?```/).forEach((part, i) => {
    if (i % 2) return out.push(pre(plainEntities(part).replace(/<([^|<>\s]+)\|([^<>]+)>/g, "$2")));
    const lines = part.replace(/^\n|\n$/g, (s) => (text.includes("```") ? "" : s)).split("\n");
    let quote = null;
    lines.forEach((line, n) => {
      const q = /^(?:&gt;|>) ?(.*)$/.exec(line);
      if (q) {
        if (!quote) out.push((quote = h("blockquote")));
        quote.append(h("div", {}, spans(q[1], ctx)));
        return;
      }
      if (n && !quote) out.push(h("br"));
      quote = null;
      out.push(...spans(line, ctx));
    });
  });
  return out;
}

// textObject renders a text object, plain or mrkdwn.
export function textObject(t, ctx) {
  if (!t) return [];
  if (t.type === "mrkdwn") return mrkdwn(t.text, ctx);
  return t.text.split("\n").flatMap((l, i) => [i ? h("br") : null, ...signed(l)]);
}

function styled(node, style) {
  for (const [key, tag] of [["code", "code"], ["bold", "strong"], ["italic", "em"], ["strike", "s"], ["underline", "u"]]) {
    if (style?.[key]) node = h(tag, {}, node);
  }
  return node;
}

function richLeaf(e, ctx) {
  switch (e.type) {
    case "text": return styled(h("span", {}, e.text.split("\n").flatMap((l, i) => (i ? [h("br"), l] : [l]))), e.style);
    case "link": return styled(link(e.url, e.text || e.url), e.style);
    case "user": return mention(e.user_id, ctx);
    case "channel": return h("span", { class: "mention" }, "#" + (ctx.channels.get(e.channel_id)?.name || e.channel_id));
    case "usergroup": return h("span", { class: "mention" }, "@" + (ctx.groups.get(e.usergroup_id)?.handle || e.usergroup_id));
    case "broadcast": return h("span", { class: "mention loud" }, "@" + e.range);
    case "emoji": return emojiNode(e.name);
    case "date": return dateEl(e.timestamp, e.format, e.fallback, ctx);
    case "color": return h("span", { class: "swatch" }, e.value);
    default: return h("span", {}, e.text || "");
  }
}

export function richText(block, ctx) {
  return h("div", { class: "rich" }, block.elements.map((part) => {
    const leaves = () => part.elements.map((e) => richLeaf(e, ctx));
    switch (part.type) {
      case "rich_text_preformatted": return pre(leaves());
      case "rich_text_quote": return h("blockquote", {}, leaves());
      case "rich_text_list": return h(part.style === "ordered" ? "ol" : "ul", {}, part.elements.map((s) => h("li", {}, s.elements.map((e) => richLeaf(e, ctx)))));
      default: return h("div", {}, leaves());
    }
  }));
}
