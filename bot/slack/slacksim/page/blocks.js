import { h, icon } from "./dom.js";
import { textObject, richText, mrkdwn, withEmoji } from "./text.js";

// blocks renders Block Kit. press(element, block, values) is called for interactive elements outside forms; form holds what was
// entered in a modal and is null elsewhere.
export function blocks(list, ctx) {
  return (list || []).map((b) => block(b, ctx)).filter(Boolean);
}

function block(b, ctx) {
  const attrs = { class: "block " + b.type, "data-block-id": b.block_id };
  switch (b.type) {
    case "header": return h("h3", attrs, textObject(b.text, ctx));
    case "divider": return h("hr", attrs);
    case "section": return section(b, ctx, attrs);
    case "context": return h("div", attrs, b.elements.map((e) => (e.type === "image" ? image(e, "tiny") : h("span", {}, textObject(e, ctx)))));
    case "actions":
    case "context_actions": return h("div", { ...attrs, role: "group" }, b.elements.map((e) => element(e, b, ctx)));
    case "image": return h("figure", attrs, b.title && h("figcaption", {}, textObject(b.title, ctx)), image(b, ""));
    case "rich_text": return h("div", attrs, richText(b, ctx));
    case "markdown": return h("div", attrs, mrkdwn(b.text.replace(/\*\*(.+?)\*\*/g, "*$1*").replace(/^#+ (.*)$/gm, "*$1*"), ctx));
    case "table": return table(b, ctx, attrs);
    case "input": return input(b, ctx, attrs);
    case "alert": return h("div", { ...attrs, class: "block alert " + (b.level || "default") }, textObject(b.text, ctx));
    default: return h("div", { ...attrs, class: "block unknown" }, `(${b.type})`);
  }
}

const image = (e, cls) => h("img", { class: cls, src: e.image_url, alt: e.alt_text, loading: "lazy" });

function section(b, ctx, attrs) {
  return h("div", attrs,
    h("div", { class: "section-body" },
      b.text && h("div", { class: "section-text" }, textObject(b.text, ctx)),
      b.fields && h("div", { class: "fields" }, b.fields.map((f) => h("div", { class: "field" }, textObject(f, ctx))))),
    b.accessory && h("div", { class: "accessory" }, b.accessory.type === "image" ? image(b.accessory, "thumb") : element(b.accessory, b, ctx)));
}

function table(b, ctx, attrs) {
  const cell = (c) => (c.type === "rich_text" ? richText(c, ctx) : c.text ?? String(c.value));
  return h("div", attrs, h("table", {}, b.rows.map((row, i) => h("tr", {}, row.map((c) => h(i ? "td" : "th", {}, cell(c)))))));
}

function element(e, b, ctx) {
  const id = { "data-testid": "action-" + e.action_id, "data-action-id": e.action_id };
  const label = e.accessibility_label;
  switch (e.type) {
    case "button": {
      const cls = "btn " + (e.style || "");
      if (e.url) return h("a", { ...id, class: cls, href: e.url, target: "_blank", rel: "noreferrer noopener", "aria-label": label, onclick: () => ctx.press(e, b) }, textObject(e.text, ctx));
      return h("button", { ...id, class: cls, type: "button", "aria-label": label, onclick: (ev) => ctx.press(e, b, undefined, ev.currentTarget) }, textObject(e.text, ctx));
    }
    case "overflow":
      return h("details", { class: "overflow" }, h("summary", { ...id, class: "btn icon-btn", "aria-label": "More" }, icon("more")),
        h("div", { class: "menu" }, e.options.map((o) => h("button", { type: "button", "data-testid": `option-${e.action_id}-${o.value}`, onclick: (ev) => { ev.currentTarget.closest("details").open = false; ctx.press(e, b, [o.value]); } }, textObject(o.text, ctx)))));
    default:
      return patiently((values) => ctx.press(e, b, values), (changed) => control(e, b, ctx, changed, e.placeholder?.text || b.text?.text || e.action_id));
  }
}

// patiently draws a control that acts at once, but lets people go through a menu with the arrow keys or by letters: then it acts on Enter, or
// when they move on. What is picked with a pointer, or from the opened list, acts at once.
function patiently(act, draw) {
  let browsing = false, held = null;
  const go = () => { const v = held; held = null; browsing = false; if (v) act(v); };
  const el = draw((values) => { if (browsing) held = values; else act(values); });
  if (el.tagName !== "SELECT") return el;
  el.addEventListener("keydown", (ev) => {
    if (ev.key === "Enter" && held) { ev.preventDefault(); go(); } else if (ev.key !== "Tab") browsing = ev.key !== "Enter" && ev.key !== " " && !ev.altKey;
  });
  el.addEventListener("pointerdown", () => { browsing = false; });
  el.addEventListener("blur", go);
  return el;
}

const optionText = (o) => withEmoji(o.text.text);
const stateOf = (e, b, ctx) => ctx.state?.[b.block_id]?.[e.action_id] || {};

// control renders an element that holds a value. changed(values) gets a list of strings.
function control(e, b, ctx, changed, label, id) {
  const s = stateOf(e, b, ctx);
  const common = { id, "data-testid": (ctx.form ? "input-" + b.block_id : "action-" + e.action_id), "aria-label": id ? undefined : label };
  const typed = ctx.form?.get(b.block_id, e.action_id);
  const one = (v) => changed(v ? [v] : []);
  const single = (key) => typed?.[0] ?? s[key] ?? "";
  const many = (key) => typed ?? (s[key] || []).map((o) => o.value ?? o);
  switch (e.type) {
    case "static_select": return select(e, common, groupsOf(e), typed?.[0] ?? s.selected_option?.value ?? "", one, ctx);
    case "multi_static_select": return checks({ ...e, options: groupsOf(e).flatMap((g) => g.options) }, common, many("selected_options"), changed, ctx);
    case "users_select": return select(e, common, [{ options: people(ctx) }], single("selected_user"), one, ctx);
    case "multi_users_select": return checks({ ...e, options: people(ctx) }, common, many("selected_users"), changed, ctx);
    case "channels_select": return select(e, common, [{ options: rooms(ctx) }], single("selected_channel"), one, ctx);
    case "conversations_select": return select(e, common, [{ options: rooms(ctx) }], single("selected_conversation"), one, ctx);
    case "multi_channels_select": return checks({ ...e, options: rooms(ctx) }, common, many("selected_channels"), changed, ctx);
    case "multi_conversations_select": return checks({ ...e, options: rooms(ctx) }, common, many("selected_conversations"), changed, ctx);
    case "external_select": return external(e, b, common, typed?.[0] ?? s.selected_option?.value ?? "", s.selected_option, one, ctx);
    case "multi_external_select": return external(e, b, common, "", null, (v) => changed([...many("selected_options"), ...v]), ctx);
    case "checkboxes": return checks(e, common, many("selected_options"), changed, ctx);
    case "radio_buttons": return radios(e, b, common, typed?.[0] ?? s.selected_option?.value, one, ctx);
    case "datepicker": return h("input", { ...common, type: "date", value: single("selected_date"), onchange: (ev) => one(ev.target.value) });
    case "timepicker": return h("input", { ...common, type: "time", value: single("selected_time"), onchange: (ev) => one(ev.target.value) });
    case "datetimepicker": return dateTime(common, single("selected_date_time"), one, ctx);
    case "plain_text_input":
      return h(e.multiline ? "textarea" : "input", { ...common, rows: e.multiline ? 4 : undefined, type: e.multiline ? undefined : "text", maxlength: e.max_length, placeholder: e.placeholder?.text, value: single("value"), autofocus: e.focus_on_load, oninput: (ev) => one(ev.target.value) });
    case "rich_text_input": return h("textarea", { ...common, rows: 4, placeholder: e.placeholder?.text, value: typed?.[0] ?? "", oninput: (ev) => one(ev.target.value) });
    case "email_text_input": return h("input", { ...common, type: "email", placeholder: e.placeholder?.text, value: single("value"), oninput: (ev) => one(ev.target.value) });
    case "url_text_input": return h("input", { ...common, type: "url", placeholder: e.placeholder?.text, value: single("value"), oninput: (ev) => one(ev.target.value) });
    case "number_input": return h("input", { ...common, type: "number", step: e.is_decimal_allowed ? "any" : "1", min: e.min_value, max: e.max_value, placeholder: e.placeholder?.text, value: single("value"), oninput: (ev) => one(ev.target.value) });
    default: return h("span", { class: "muted" }, `(${e.type} cannot be used here)`);
  }
}

const groupsOf = (e) => (e.option_groups ? e.option_groups.map((g) => ({ label: g.label.text, options: g.options })) : [{ options: e.options }]);
const people = (ctx) => [...ctx.users.values()].filter((u) => !u.deleted && !u.is_bot).map((u) => ({ text: { text: `${u.real_name} (@${u.name})` }, value: u.id }));
const rooms = (ctx) => [...ctx.channels.values()].filter((c) => c.name).map((c) => ({ text: { text: "#" + c.name }, value: c.id }));

function select(e, common, groups, value, changed) {
  const opts = (list) => list.map((o) => h("option", { value: o.value, selected: o.value === value }, optionText(o)));
  const el = h("select", { ...common, onchange: (ev) => changed(ev.target.value) },
    h("option", { value: "" }, e.placeholder ? withEmoji(e.placeholder.text) : "Choose…"),
    groups.map((g) => (g.label ? h("optgroup", { label: g.label }, opts(g.options)) : opts(g.options))));
  el.value = value;
  return el;
}

function checks(e, common, chosen, changed, ctx) {
  const box = h("div", { class: "choices", role: "group", "data-testid": common["data-testid"], id: common.id, "aria-label": common["aria-label"] });
  const now = () => [...box.querySelectorAll("input:checked")].map((i) => i.value);
  for (const o of e.options) {
    box.append(h("label", { class: "choice" },
      h("input", { type: "checkbox", value: o.value, checked: chosen.includes(o.value), "data-testid": `choice-${e.action_id}-${o.value}`, onchange: () => changed(now()) }),
      h("span", {}, textObject(o.text, ctx), o.description && h("small", {}, textObject(o.description, ctx)))));
  }
  return box;
}

function radios(e, b, common, chosen, changed, ctx) {
  return h("div", { class: "choices", role: "radiogroup", "data-testid": common["data-testid"], id: common.id, "aria-label": common["aria-label"] }, e.options.map((o) =>
    h("label", { class: "choice" },
      h("input", { type: "radio", name: b.block_id + e.action_id, value: o.value, checked: chosen === o.value, "data-testid": `choice-${e.action_id}-${o.value}`, onchange: () => changed(o.value) }),
      h("span", {}, textObject(o.text, ctx), o.description && h("small", {}, textObject(o.description, ctx))))));
}

// external is a menu whose options the app suggests while one types.
function external(e, b, common, value, chosen, changed, ctx) {
  const list = h("div", { class: "menu suggestions", hidden: true, role: "listbox" });
  const field = h("input", { ...common, type: "text", role: "combobox", "aria-expanded": "false", autocomplete: "off", placeholder: e.placeholder?.text || "Type to search…", value: chosen ? optionText(chosen) : value });
  let timer;
  const ask = async () => {
    const found = await ctx.suggest(e, b, field.value);
    list.replaceChildren(...found.map((o) => h("button", { type: "button", role: "option", "data-testid": `option-${e.action_id}-${o.value}`, onclick: () => { field.value = optionText(o); list.hidden = true; changed(o.value); } }, optionText(o))));
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
  };
  field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 200); });
  field.addEventListener("focus", ask);
  field.addEventListener("blur", () => setTimeout(() => { list.hidden = true; field.setAttribute("aria-expanded", "false"); }, 200));
  return h("div", { class: "combo" }, field, list);
}

// dateTime edits an instant in the reader's own zone.
function dateTime(common, value, changed, ctx) {
  const offset = (at) => {
    const p = Object.fromEntries(new Intl.DateTimeFormat("en-GB", { timeZone: ctx.zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" }).formatToParts(at).map((x) => [x.type, x.value]));
    return `${p.year}-${p.month}-${p.day}T${p.hour}:${p.minute}`;
  };
  const toUnix = (local) => {
    const guess = Date.parse(local + "Z");
    return Math.round((guess - (Date.parse(offset(new Date(guess)) + "Z") - guess)) / 1000);
  };
  return h("input", { ...common, type: "datetime-local", value: value ? offset(new Date(Number(value) * 1000)) : "", onchange: (ev) => changed(ev.target.value ? String(toUnix(ev.target.value)) : "") });
}

function input(b, ctx, attrs) {
  const id = "f-" + b.block_id, error = ctx.errors?.[b.block_id];
  const changed = (values) => {
    ctx.form?.set(b.block_id, b.element.action_id, values, b.element.type);
    if (b.dispatch_action) ctx.press(b.element, b, values);
  };
  const ctl = control(b.element, b, ctx, changed, b.label.text, id);
  const target = ctl.matches("input,select,textarea") ? ctl : ctl.querySelector("input") || ctl;
  if (error) { target.setAttribute("aria-invalid", "true"); target.setAttribute("aria-describedby", id + "-error"); }
  return h("div", { ...attrs, "data-testid": "field-" + b.block_id },
    h("label", { class: "label", for: id }, textObject(b.label, ctx), b.optional && h("span", { class: "muted" }, " (optional)")),
    ctl,
    error && h("p", { class: "error", id: id + "-error", role: "alert", "data-testid": "error-" + b.block_id }, error),
    b.hint && h("p", { class: "hint" }, textObject(b.hint, ctx)));
}
