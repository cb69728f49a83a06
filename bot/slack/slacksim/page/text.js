import { h } from "./dom.js";

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
};

export const emojiChar = (name) => emoji[name] || `:${name}:`;
export const withEmoji = (s) => s.replace(/:([a-z0-9_+-]+):/g, (all, n) => emoji[n] || all);

const plainEntities = (s) => s.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");

// zone is what times are shown in: that of whoever the reader is.
export function timeIn(zone, options, at) {
  return new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options }).format(at);
}

export const clock = (zone, at) => timeIn(zone, { hour: "2-digit", minute: "2-digit" }, at);
export const zoneName = (zone, at) => timeIn(zone, { timeZoneName: "short", hour: "2-digit" }, at).replace(/^\d+,?\s*/, "");
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
    if (m.index) out.push(withEmoji(plainEntities(s.slice(0, m.index))));
    if (m[1] !== undefined) out.push(special(m[1], ctx));
    else if (m[2] !== undefined) out.push(h("code", {}, plainEntities(m[2])));
    else if (m[3] !== undefined) out.push(h("strong", {}, spans(m[3], ctx)));
    else if (m[4] !== undefined) out.push(h("em", {}, spans(m[4], ctx)));
    else out.push(h("s", {}, spans(m[5], ctx)));
    s = s.slice(m.index + m[0].length);
  }
  if (s) out.push(withEmoji(plainEntities(s)));
  return out;
}

// mrkdwn renders Slack's markup to nodes.
export function mrkdwn(text, ctx) {
  const out = [];
  text.split(/```\n?([\s\S]*?)\n?```/).forEach((part, i) => {
    if (i % 2) return out.push(h("pre", { tabindex: "0" }, h("code", {}, plainEntities(part).replace(/<([^|<>\s]+)\|([^<>]+)>/g, "$2"))));
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
  return withEmoji(t.text).split("\n").flatMap((l, i) => (i ? [h("br"), l] : [l]));
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
    case "emoji": return emojiChar(e.name);
    case "date": return dateEl(e.timestamp, e.format, e.fallback, ctx);
    case "color": return h("span", { class: "swatch" }, e.value);
    default: return h("span", {}, e.text || "");
  }
}

export function richText(block, ctx) {
  return h("div", { class: "rich" }, block.elements.map((part) => {
    const leaves = () => part.elements.map((e) => richLeaf(e, ctx));
    switch (part.type) {
      case "rich_text_preformatted": return h("pre", { tabindex: "0" }, h("code", {}, leaves()));
      case "rich_text_quote": return h("blockquote", {}, leaves());
      case "rich_text_list": return h(part.style === "ordered" ? "ol" : "ul", {}, part.elements.map((s) => h("li", {}, s.elements.map((e) => richLeaf(e, ctx)))));
      default: return h("div", {}, leaves());
    }
  }));
}
