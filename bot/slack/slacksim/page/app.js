import { h, fill, icon } from "./dom.js";
import { blocks } from "./blocks.js";
import { mrkdwn, clock, zoneName, timeIn, emojiNode, withEmoji } from "./text.js";

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const stored = (k) => { try { return localStorage.getItem("slacksim." + k); } catch { return null; } };
const store = (k, v) => { try { localStorage.setItem("slacksim." + k, v); } catch { /* private mode: not remembered */ } };

const ui = { me: query.get("as") || stored("me") || "", at: query.get("at") || "", thread: query.get("thread") || "", panel: query.get("panel") === "1", rail: false, tab: "" };
const link = /^\/archives\/(\w+)\/p(\d+)(\d{6})$/.exec(location.pathname);
if (link) { ui.at = link[1]; ui.thread = query.get("thread_ts") || ""; ui.mark = `${link[2]}.${link[3]}`; }

let state = null, skew = 0, painted = {}, seenNotices = null, pending = 0;
const forms = new Map();
const drafts = new Map();

const now = () => new Date(Date.now() + skew);
const me = () => state.users.find((u) => u.id === state.me);
const userOf = (id) => state.users.find((u) => u.id === id);

// ---- talking to the simulator ----

async function act(body) {
  pending++;
  document.body.classList.toggle("busy", true);
  try {
    const r = await fetch("/sim/act", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ user: state.me, ...body }) });
    return r.ok ? await r.json() : { ok: false, error: await r.text() };
  } catch (e) {
    return { ok: false, error: String(e) };
  } finally {
    pending--;
    document.body.classList.toggle("busy", pending > 0);
    refresh();
  }
}

let refreshing = false, again = false;
async function refresh() {
  if (refreshing) { again = true; return; }
  refreshing = true;
  do {
    again = false;
    const q = new URLSearchParams({ user: ui.me, channel: ui.at === "home" ? "" : ui.at, thread: ui.thread });
    try {
      const r = await fetch("/sim/state?" + q);
      if (r.status === 404 && ui.me) { ui.me = ""; again = true; continue; }
      const next = await r.json();
      state = next;
      skew = next.now - Date.now();
      paint();
    } catch { $("top").dataset.offline = "1"; }
  } while (again);
  refreshing = false;
}

// listen hears of every change over a WebSocket: of streams over plain HTTP a browser allows six for all tabs together, and six people
// in six tabs would leave none to act with.
function listen() {
  const ws = new WebSocket(location.origin.replace(/^http/, "ws") + "/sim/live");
  ws.onmessage = () => refresh();
  ws.onclose = () => setTimeout(listen, 1000);
}

// ---- painting: a part is drawn again only when what it shows has changed ----

function part(name, key, draw) {
  const k = JSON.stringify(key);
  if (painted[name] === k) return;
  painted[name] = k;
  draw();
}

function paint() {
  if (!ui.me) ui.me = me().name;
  if (!ui.at) ui.at = state.channels.find((c) => c.member && c.kind === "channel")?.id || "home";
  const byName = state.channels.find((c) => c.name === ui.at);
  if (byName) ui.at = byName.id;
  if (ui.at === "dm") ui.at = state.dm;
  if (ui.at !== "home" && state.channel?.id !== ui.at) {
    // Another place was asked for meanwhile, or this user cannot see the one that was open.
    if (!state.channels.some((c) => c.id === ui.at)) { ui.at = state.channels.find((c) => c.member && c.kind === "channel")?.id || "home"; ui.thread = ""; }
    return refresh();
  }
  document.title = `${place()} – ${state.team.name}`;
  document.documentElement.dataset.me = me().name; // the host's panel follows who one is
  const minute = Math.floor(now() / 60000);
  part("top", [state.team, state.banner, state.panel, ui.panel, ui.rail, state.connections, document.documentElement.dataset.theme], top);
  part("rail", [state.me, ui.at, state.users, state.channels.map((c) => [c.id, c.unread, c.member, c.archived, c.name]), minute, state.app.name], rail);
  part("head", [ui.at, state.channel, ui.tab, state.me], head);
  part("composer", [state.me, ui.at, state.channel?.member, state.channel?.archived], () => fill($("composer"), ui.at === "home" ? null : composer("")));
  part("list", [state.me, ui.at, state.messages, state.home, minute, state.users.map((u) => u.real_name)], list);
  part("thread", [state.me, ui.thread, state.thread, minute], thread);
  part("drawer", [ui.panel, state.panel], drawer);
  modal();
  notices();
  if (ui.at !== "home" && state.channel?.unread && document.visibilityState !== "hidden") act({ do: "read", channel: ui.at });
}

const place = () => (ui.at === "home" ? state.app.name : state.channel?.with_app ? state.app.name : "#" + (state.channel?.name || ""));

function hue(s) { let n = 7; for (const c of s) n = (n * 31 + c.charCodeAt(0)) % 360; return n; }

function avatar(u, cls) {
  if (u?.id === state.app.bot_user_id) return h("img", { class: "avatar " + (cls || ""), src: "/assets/bot.svg", alt: "" });
  const name = u?.real_name || "?";
  return h("span", { class: "avatar " + (cls || ""), "aria-hidden": "true", style: { "--hue": hue(u?.id || "?") } }, name.split(/\s+/).map((w) => w[0]).slice(0, 2).join(""));
}

function top() {
  fill($("top"),
    h("button", { type: "button", class: "tool menu-toggle", "aria-label": "Conversations and people", "aria-expanded": String(ui.rail), "data-testid": "rail-toggle", onclick: () => { ui.rail = !ui.rail; paint(); } }, icon("menu")),
    h("div", { class: "team" }, h("img", { src: "/assets/icon.svg", alt: "" }), h("strong", {}, state.team.name)),
    h("div", { class: "banner", "data-testid": "banner" }, state.banner.map((l) => (l.url ? h("a", { href: l.url, target: "_blank", rel: "noopener" }, l.text) : h("span", {}, l.text)))),
    h("div", { class: "tools" },
      h("span", { class: "conn " + (state.connections ? "up" : "down"), title: `${state.connections} connections of ${state.app.name}`, "data-testid": "connections" }, h("span", {}, state.connections ? `${state.app.name} connected` : `${state.app.name} is not connected`)),
      h("button", { type: "button", class: "tool", "aria-label": "Switch between light and dark", "data-testid": "theme", onclick: toggleTheme }, icon("sun")),
      state.panel && h("button", { type: "button", class: "tool wide", "aria-pressed": String(ui.panel), "aria-label": state.panel_title, "data-testid": "panel-toggle", onclick: () => { ui.panel = !ui.panel; paint(); } }, icon("panel"), h("span", {}, state.panel_title))));
  $("app").classList.toggle("with-rail", ui.rail);
}

function toggleTheme() {
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  paint();
}

function setTheme(t) { document.documentElement.dataset.theme = t; store("theme", t); }

const badge = (n) => n > 0 && h("span", { class: "badge", "aria-label": `${n} unread` }, n > 99 ? "99+" : n);

function rail() {
  const u = me(), people = state.users.filter((x) => !x.is_bot && !x.deleted);
  const times = (x) => `${clock(x.tz, now())} ${zoneName(x.tz, now())}`;
  const dm = state.channels.find((c) => c.id === state.dm);
  const item = (id, ic, label, c, testid) => h("a", { href: "#", class: "item" + (ui.at === id ? " on" : "") + (c?.unread ? " unread" : "") + (c && !c.member && !c.with_app ? " quiet" : ""), "aria-current": ui.at === id ? "page" : undefined, "data-testid": testid, onclick: (ev) => { ev.preventDefault(); go(id); } }, ic, h("span", { class: "name" }, label), c?.archived && h("span", { class: "muted" }, "archived"), badge(c?.unread));
  fill($("rail"),
    h("details", { class: "who", "data-testid": "who" },
      h("summary", { "data-testid": "user-switcher", "aria-label": `You are ${u.real_name}. Switch user` }, avatar(u), h("span", { class: "who-text" }, h("small", {}, "You are"), h("strong", {}, u.real_name), h("span", { class: "when" }, icon("clock"), times(u))), icon("down")),
      h("div", { class: "menu people", role: "group", "aria-label": "Be somebody else" }, people.map((x) => h("button", { type: "button", "aria-current": x.id === u.id ? "true" : undefined, "data-testid": "user-" + x.name, onclick: () => become(x.name) }, avatar(x, "small"), h("span", { class: "who-text" }, h("strong", {}, x.real_name), h("small", {}, tag(x) || x.title || "@" + x.name)), h("span", { class: "when" }, times(x)))))),
    h("div", { class: "rail-scroll" }, h("div", { class: "group", role: "group", "aria-label": "Apps" }, h("h2", {}, "App"),
      item("home", icon("home"), "Home", null, "nav-home"),
      item(state.dm, icon("chat"), "Messages", dm, "nav-dm")),
    h("div", { class: "group", role: "group", "aria-label": "Channels" }, h("h2", {}, "Channels"),
      state.channels.filter((c) => c.kind === "channel" || c.kind === "group").map((c) => item(c.id, icon(c.ext_shared ? "globe" : c.kind === "group" ? "lock" : "hash"), c.name, c, "channel-" + c.name))),
    h("div", { class: "group", role: "group", "aria-label": "People" }, h("h2", {}, "People"),
      people.map((x) => h("button", { type: "button", class: "item person", title: "Be " + x.real_name, "aria-label": `Be ${x.real_name}, where it is ${clock(x.tz, now())}`, onclick: () => become(x.name) }, avatar(x, "tiny"), h("span", { class: "name" }, x.real_name, x.id === u.id && h("span", { class: "muted" }, " (you)")), h("span", { class: "when" }, clock(x.tz, now())))))));
}

const tag = (u) => (u.is_stranger ? "From another organisation" : u.is_restricted || u.is_ultra_restricted ? "Guest" : "");

function become(name) {
  if (state.channel?.with_app && ui.at !== "home") ui.at = "dm"; // one's own
  $("rail").querySelector("details").open = false;
  ui.me = name; ui.thread = ""; ui.rail = false; store("me", name);
  painted = {}; seenNotices = null;
  const keep = ui.at;
  refresh().then(() => { if (keep === "home") openHome(); });
}

function go(id) {
  ui.at = id; ui.thread = ""; ui.rail = false;
  if (id === "home") openHome(); else refresh();
  painted.rail = "";
}

function openHome() { act({ do: "home" }); }

function head() {
  if (ui.at === "home" || state.channel?.with_app) {
    const tab = (id, label) => h("button", { type: "button", "aria-current": ui.at === id ? "page" : undefined, class: ui.at === id ? "on" : "", onclick: () => go(id) }, label);
    fill($("pane-head"), h("h1", { id: "pane-title" }, avatar(userOf(state.app.bot_user_id), "small"), state.app.name, h("span", { class: "chip" }, "App")),
      h("nav", { class: "tabs", "aria-label": state.app.name }, tab("home", "Home"), tab(state.dm, "Messages")));
    return;
  }
  const c = state.channel;
  fill($("pane-head"), h("h1", { id: "pane-title" }, icon(c.ext_shared ? "globe" : c.kind === "group" ? "lock" : "hash"), c.name),
    c.ext_shared && h("span", { class: "chip" }, "Shared with another organisation"), h("span", { class: "topic" }, c.topic), h("span", { class: "count" }, `${c.members} members`));
}

// ---- messages ----

function context(extra) {
  return { me: state.me, zone: me().tz, now, users: new Map(state.users.map((u) => [u.id, u])), channels: new Map(state.channels.map((c) => [c.id, c])), groups: new Map(state.groups.map((g) => [g.id, g])), ...extra };
}

function list() {
  const box = $("messages");
  const bottom = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
  if (ui.at === "home") {
    const v = state.home;
    box.setAttribute("aria-label", "Home");
    fill(box, h("div", { class: "home", "data-testid": "home" }, v ? blocks(v.blocks, context({ state: v.state, press: presser({ home: true }), suggest: suggester({ home: true }) })) : empty("home", "Nothing here yet", `${state.app.name} has not published a Home tab for ${me().real_name}.`)));
    return;
  }
  box.setAttribute("aria-label", "Messages");
  const rows = [];
  let lastDay = "", last = null;
  for (const m of state.messages) {
    const at = new Date(m.ts * 1000), d = timeIn(me().tz, { weekday: "long", day: "numeric", month: "long" }, at);
    if (d !== lastDay) { rows.push(h("div", { class: "day", role: "separator" }, h("span", {}, d))); lastDay = d; last = null; }
    const grouped = last && last.user === m.user && m.ts - last.ts < 300 && !last.ephemeral === !m.ephemeral && !m.bot;
    rows.push(message(m, { grouped }));
    last = m;
  }
  announce(state.messages);
  fill(box, rows.length ? rows : empty("chat", state.channel.with_app ? `This is your conversation with ${state.app.name}` : `This is the start of #${state.channel.name}`, state.app.commands?.length ? "Nothing has been said here yet. You can begin with a command:" : "Messages will show up here.", starters()));
  if (ui.mark) { box.querySelector(`[data-ts="${ui.mark}"]`)?.scrollIntoView({ block: "center" }); box.querySelector(`[data-ts="${ui.mark}"]`)?.classList.add("marked"); ui.mark = ""; } else if (bottom) box.scrollTop = box.scrollHeight;
}

// announce says new messages to screen readers: their notification, which says it all. The list itself is drawn as a whole and would be
// read as a whole.
let heard = { place: "", ts: "" };
function announce(messages) {
  const place = ui.me + ui.at, newest = messages.at(-1)?.ts || "";
  const fresh = heard.place === place ? messages.filter((m) => m.ts > heard.ts && m.user !== state.me) : [];
  heard = { place, ts: newest > heard.ts || heard.place !== place ? newest : heard.ts };
  if (!fresh.length) return;
  $("announce").replaceChildren(...fresh.map((m) => h("p", {}, `${userOf(m.user)?.real_name || "Somebody"}: `, mrkdwn(m.text, context({})))));
}

const empty = (ic, title, text, more) => h("div", { class: "empty" }, icon(ic), h("strong", {}, title), h("p", {}, text), more);

// starters put a command into the composer, for people who do not know any yet.
const starters = () => h("div", { class: "starters" }, (state.app.commands || []).map((c) => h("button", { type: "button", class: "btn starter", onclick: () => {
  const box = $("composer-input");
  if (!box) return;
  box.value = c.name + " "; box.focus(); box.dispatchEvent(new Event("input"));
} }, h("code", {}, c.name), h("span", {}, c.description))));

function message(m, o) {
  const u = userOf(m.user), at = new Date(m.ts * 1000), where = { channel: ui.at, ts: m.ts };
  const time = h("time", { datetime: at.toISOString(), title: timeIn(me().tz, { dateStyle: "full", timeStyle: "long" }, at) }, clock(me().tz, at));
  const ctx = context({ press: presser(where), suggest: suggester(where) });
  const body = m.blocks?.length ? blocks(m.blocks, ctx) : h("div", { class: "block" }, mrkdwn(m.text, ctx));
  return h("article", { class: "msg" + (o.grouped ? " grouped" : "") + (m.ephemeral ? " ephemeral" : "") + (m.bot ? " bot" : ""), "data-testid": m.ephemeral ? "ephemeral" : "message", "data-ts": m.ts, "aria-label": `${u?.real_name || "Somebody"} at ${clock(me().tz, at)}` },
    h("div", { class: "gutter" }, o.grouped ? time : avatar(u)),
    h("div", { class: "body" },
      m.ephemeral && h("div", { class: "only-you" }, icon("eye"), "Only visible to you"),
      !o.grouped && h("div", { class: "by" }, h("strong", {}, u?.real_name || m.user), m.bot && h("span", { class: "chip" }, "App"), tag(u || {}) && h("span", { class: "chip warn" }, tag(u)), time),
      body,
      m.edited && !m.bot && h("span", { class: "muted edited" }, "(edited)"),
      Object.keys(m.reactions || {}).length > 0 && h("div", { class: "reactions" }, Object.entries(m.reactions).map(([n, who]) => h("span", { class: "reaction", title: who.map((w) => userOf(w)?.real_name).join(", ") }, emojiNode(n), " ", who.length))),
      !o.inThread && m.replies > 0 && h("button", { type: "button", class: "replies", "data-testid": "thread-open", onclick: () => openThread(m.ts) }, m.reply_users.slice(0, 4).map((w) => avatar(userOf(w), "tiny")), h("strong", {}, m.replies === 1 ? "1 reply" : `${m.replies} replies`), h("span", { class: "muted" }, "Last at ", clock(me().tz, new Date(m.last_reply * 1000))))),
    !m.ephemeral && h("div", { class: "hover", role: "group", "aria-label": "Message actions" },
      h("button", { type: "button", title: "React with eyes", "aria-label": "React with eyes", onclick: () => act({ do: "react", channel: ui.at, ts: m.ts, text: "eyes" }) }, icon("smile")),
      !o.inThread && h("button", { type: "button", title: "Reply in thread", "aria-label": "Reply in thread", "data-testid": "thread-reply", onclick: () => openThread(m.ts) }, icon("reply")),
      (state.app.message_shortcuts || []).map((s) => h("button", { type: "button", class: "text", onclick: () => act({ do: "message_shortcut", channel: ui.at, ts: m.ts, callback_id: s.callback_id }).then(report) }, s.name))));
}

function openThread(ts) { ui.thread = ts; refresh(); }

function thread() {
  const box = $("thread");
  box.hidden = !ui.thread;
  $("app").classList.toggle("with-thread", !!ui.thread);
  if (!ui.thread) return box.replaceChildren();
  fill(box, h("div", { class: "pane-head" }, h("h2", {}, "Thread"), h("span", { class: "topic" }, place()), h("button", { type: "button", class: "tool", "aria-label": "Close thread", onclick: () => { ui.thread = ""; paint(); } }, icon("close"))),
    h("div", { class: "scroll", tabindex: "0" }, state.thread.map((m, i) => [message(m, { inThread: true }), i === 0 && state.thread.length > 1 && h("div", { class: "day" }, h("span", {}, `${state.thread.length - 1} ${state.thread.length === 2 ? "reply" : "replies"}`))])),
    composer(ui.thread));
  const s = box.querySelector(".scroll");
  s.scrollTop = s.scrollHeight;
  box.onkeydown = (ev) => { if (ev.key === "Escape" && !ev.target.closest("details[open]")) { ui.thread = ""; paint(); $("messages").focus(); } };
}

function drawer() {
  const box = $("drawer"), open = ui.panel && state.panel;
  box.hidden = !open;
  $("app").classList.toggle("with-drawer", !!open);
  if (open && !box.firstChild) box.append(h("iframe", { src: "/panel/", title: state.panel_title }));
}

// ---- acting ----

const presser = (where) => async (e, b, values, from) => {
  let confirmed = false;
  if (e.confirm) { confirmed = await ask(e.confirm, from); if (!confirmed) return; }
  if (from) { from.classList.add("working"); from.setAttribute("aria-busy", "true"); }
  const r = await act({ do: values ? "select" : "click", ...where, action_id: e.action_id, block_id: b.block_id, values, confirmed });
  if (from) { from.classList.remove("working"); from.removeAttribute("aria-busy"); }
  report(r);
};

const suggester = (where) => async (e, b, text) => (await act({ do: "suggest", ...where, action_id: e.action_id, block_id: b.block_id, text })).options || [];

function report(r) {
  if (r.ok || r.fields) return;
  if (r.code === "operation_timeout" || r.code === "dispatch_failed" || r.code === "bad_response") return; // comes as a notice
  toast(r.error || "That did not work.");
}

function ask(c, from) {
  const dlg = $("confirm"), ctx = context({});
  return new Promise((resolve) => {
    const done = (yes) => { dlg.close(); resolve(yes); back(from); };
    const label = (t) => withEmoji(t.text);
    fill(dlg, h("h2", { id: "confirm-title" }, c.title ? label(c.title) : "Are you sure?"),
      h("div", { class: "confirm-text" }, c.text.type === "mrkdwn" ? mrkdwn(c.text.text, ctx) : label(c.text)),
      h("div", { class: "buttons" },
        h("button", { type: "button", class: "btn", "data-testid": "confirm-no", onclick: () => done(false) }, c.deny ? label(c.deny) : "Cancel"),
        h("button", { type: "button", class: "btn " + (c.style === "danger" ? "danger solid" : "primary"), "data-testid": "confirm-yes", autofocus: true, onclick: () => done(true) }, c.confirm ? label(c.confirm) : "Yes")));
    dlg.oncancel = (ev) => { ev.preventDefault(); done(false); };
    dlg.showModal();
  });
}

function composer(threadTS) {
  const c = state.channel;
  if (!c.member && !c.with_app) return h("div", { class: "composer off" }, `You are not a member of #${c.name}.`);
  if (c.archived) return h("div", { class: "composer off" }, "This channel is archived.");
  const key = ui.me + ui.at + threadTS, id = threadTS ? "thread-composer" : "composer-input";
  const box = h("textarea", { id, rows: 1, "data-testid": threadTS ? "thread-composer" : "composer", "aria-label": threadTS ? "Reply" : "Message " + place(), placeholder: threadTS ? "Reply…" : `Message ${place()}   ·   / for commands`, value: drafts.get(key) || "" });
  const hints = h("div", { class: "menu hints", hidden: true, role: "group", "aria-label": "Commands" });
  const matching = () => (!threadTS && /^\/\S*$/.test(box.value) ? (state.app.commands || []).filter((x) => x.name.startsWith(box.value)) : []);
  const suggest = () => {
    const found = matching();
    hints.replaceChildren(...found.map((x) => h("button", { type: "button", "data-testid": "command-" + x.name.slice(1), onclick: () => { box.value = x.name + " "; hints.hidden = true; box.focus(); } }, h("strong", {}, x.name), " ", h("span", { class: "muted" }, x.hint), h("small", {}, x.description))));
    hints.hidden = !found.length;
  };
  const submit = async () => {
    const text = box.value.trim();
    if (!text) return;
    box.value = ""; drafts.delete(key); hints.hidden = true; grow();
    const m = /^(\/\S+)\s*([\s\S]*)$/.exec(text);
    if (m && threadTS) return toast("Slash commands do not work in threads.");
    report(m ? await act({ do: "command", channel: ui.at, command: m[1], text: m[2] }) : await act({ do: "post", channel: ui.at, text, thread: threadTS }));
    const s = threadTS ? $("thread").querySelector(".scroll") : $("messages");
    s.scrollTop = s.scrollHeight;
  };
  const grow = () => { box.style.height = "auto"; box.style.height = Math.min(box.scrollHeight, 160) + "px"; };
  box.addEventListener("input", () => { if (box.value === "\n") box.value = ""; drafts.set(key, box.value); suggest(); grow(); });
  box.addEventListener("keydown", (ev) => {
    if (ev.key === "Tab" && matching().length && box.value !== matching()[0].name) { ev.preventDefault(); box.value = matching()[0].name + " "; hints.hidden = true; }
    if (ev.key === "Escape") hints.hidden = true;
    if (ev.key === "Enter" && !ev.shiftKey && !ev.isComposing) { ev.preventDefault(); submit(); }
  });
  return h("div", { class: "composer" }, hints, box, h("button", { type: "button", class: "send", "aria-label": "Send", "data-testid": threadTS ? "thread-send" : "composer-send", onclick: submit }, icon("send")));
}

// ---- modals ----

function form(view) {
  if (!forms.has(view.id)) forms.set(view.id, {});
  const f = forms.get(view.id);
  return {
    get: (b, a) => f[b]?.[a]?.values,
    set: (b, a, values, kind) => { (f[b] ||= {})[a] = { values, kind }; },
    entered: () => Object.fromEntries(Object.entries(f).map(([b, as]) => [b, Object.fromEntries(Object.entries(as).map(([a, v]) => [a, v.kind === "checkboxes" || v.kind.startsWith("multi_") ? v.values : v.values[0] ?? null]))])),
  };
}

// A modal stands over the workspace but not over the tools of whoever hosts the page: what is needed to fill it in may be there. So it
// is not the browser's own modal, and what lies behind it is made inert by hand.
const behind = ["rail", "pane", "thread"];
let opener = null;

function modal() {
  const dlg = $("modal"), v = state.views.at(-1);
  if (!v) {
    if (dlg.open) { dlg.close(); for (const id of behind) $(id).inert = false; back(opener); }
    painted.modal = "";
    return;
  }
  if (!dlg.open) {
    opener = document.activeElement;
    for (const id of behind) $(id).inert = true;
    dlg.show();
  }
  part("modal", [state.me, v.id, v.hash, v.errors, v.notice, state.views.length], () => drawModal(dlg, v));
}

// roundabout keeps the Tab key within a modal.
function roundabout(dlg, ev) {
  const stops = [...dlg.querySelectorAll("button, input, select, textarea, a[href], summary, [tabindex='0']")].filter((el) => !el.disabled && el.checkVisibility());
  const end = ev.shiftKey ? stops[0] : stops.at(-1);
  if (document.activeElement !== end) return;
  ev.preventDefault();
  (ev.shiftKey ? stops.at(-1) : stops[0]).focus();
}

// back returns the focus to where it was, or to what took its place.
function back(el) {
  if (!el) return;
  const id = el.dataset?.testid, now = el.isConnected ? el : id && document.querySelector(`[data-testid="${CSS.escape(id)}"]`);
  (now || $("messages")).focus({ preventScroll: true });
}

function drawModal(dlg, v) {
  const f = form(v), ctx = context({ state: v.state, form: f, errors: v.errors, press: presser({}), suggest: suggester({}) });
  const close = () => act({ do: "close" }).then(report);
  const submit = async (ev) => {
    ev?.preventDefault();
    const b = dlg.querySelector("[data-testid=modal-submit]");
    b.disabled = true; b.classList.add("working");
    report(await act({ do: "submit", entered: f.entered() }));
    b.disabled = false; b.classList.remove("working");
  };
  fill(dlg, h("form", { onsubmit: submit, novalidate: true },
    h("div", { class: "modal-head" }, avatar(userOf(state.app.bot_user_id), "small"), h("h2", { id: "modal-title" }, v.title), h("button", { type: "button", class: "tool", "aria-label": "Close", "data-testid": "modal-x", onclick: close }, icon("close"))),
    h("div", { class: "modal-body" }, blocks(v.blocks, ctx)),
    h("div", { class: "modal-foot" }, v.notice && h("p", { class: "error", role: "alert", "data-testid": "modal-notice" }, v.notice),
      h("button", { type: "button", class: "btn", "data-testid": "modal-close", onclick: close }, v.close || (state.views.length > 1 ? "Back" : "Close")),
      v.submit && h("button", { type: "submit", class: "btn primary", "data-testid": "modal-submit" }, v.submit))));
  dlg.onkeydown = (ev) => {
    if (ev.key === "Escape" && !ev.target.closest("details[open], .combo")) { ev.preventDefault(); close(); }
    if (ev.key === "Tab" && !ui.panel) roundabout(dlg, ev);
  };
  const first = dlg.querySelector("[aria-invalid]") || ((document.activeElement === dlg || !dlg.contains(document.activeElement)) && (dlg.querySelector("[autofocus]") || dlg.querySelector(".modal-body :is(input, select, textarea)") || dlg.querySelector(".modal-foot .primary, .modal-foot .btn")));
  if (first) first.focus();
}

// ---- notices ----

function notices() {
  const latest = state.notices.at(-1)?.ts || "";
  if (seenNotices === null) { seenNotices = latest; return; }
  for (const n of state.notices) if (n.ts > seenNotices) toast(n.text);
  seenNotices = latest;
}

function toast(text) {
  const t = h("div", { class: "toast", "data-testid": "toast" }, text);
  $("toasts").append(t);
  setTimeout(() => t.remove(), 8000);
}

setTheme(query.get("theme") || stored("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
document.addEventListener("click", (ev) => document.querySelectorAll("details[open]").forEach((d) => { if (!d.contains(ev.target)) d.open = false; }));
document.addEventListener("keydown", (ev) => {
  if (ev.key !== "Escape") return;
  const open = document.querySelectorAll("details[open]");
  open.forEach((d) => { d.open = false; d.querySelector("summary").focus(); });
  if (!open.length && ui.rail) { ui.rail = false; paint(); }
  if (!open.length && $("modal").open && !$("confirm").open && document.activeElement === document.body) act({ do: "close" }).then(report);
});
if (query.get("live") !== "0") setInterval(() => state && paint(), 15000);
// live=0 is for tools that wait until the page is quiet, which a page that listens never is.
refresh().then(() => { if (query.get("live") !== "0") listen(); if (ui.at === "home") openHome(); });
