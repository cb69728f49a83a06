// h builds an element: attributes, "on…" listeners, children. Text is always text: nothing a message says becomes markup.
export function h(tag, attrs, ...children) {
  const el = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs || {})) {
    if (v === undefined || v === null || v === false) continue;
    if (k.startsWith("on")) el.addEventListener(k.slice(2), v);
    else if (k === "class") el.className = v;
    else if (k === "value") el.value = v;
    else if (k === "style") for (const [p, s] of Object.entries(v)) el.style.setProperty(p, s);
    else el.setAttribute(k, v === true ? "" : v);
  }
  append(el, children);
  return el;
}

export function append(el, children) {
  for (const c of children.flat(9)) {
    if (c === undefined || c === null || c === false) continue;
    el.append(c instanceof Node ? c : String(c));
  }
  return el;
}

// fill replaces the children of el. What people are at stays: menus that are open, and the keyboard focus, each on the element with the
// same test id and the same place among those that share it. When the focused one is gone, the focus goes to el itself, so that nobody
// starts again from the top of the page.
export function fill(el, ...children) {
  const here = document.activeElement !== el && el.contains(document.activeElement) ? document.activeElement : null;
  const find = here && finder(el, here);
  const open = [...el.querySelectorAll("details[open] > summary")].map((s) => finder(el, s));
  el.replaceChildren();
  append(el, children);
  for (const again of open) { const d = again()?.parentElement; if (d) d.open = true; }
  if (here) (find() || el).focus({ preventScroll: true });
}

// finder remembers an element by its test id and place, and finds what stands there later.
function finder(el, target) {
  const id = target.dataset.testid;
  if (!id) return () => null;
  const same = () => [...el.querySelectorAll(`[data-testid="${CSS.escape(id)}"]`)];
  const nth = same().indexOf(target);
  return () => same()[nth];
}

const ns = "http://www.w3.org/2000/svg";
const paths = {
  home: "M3 10.5 10 4l7 6.5V17h-4.5v-4h-5v4H3z",
  hash: "M7.5 3 6 17M14 3l-1.500 14M3.500 7.500h13.500M3 12.500h13.500",
  lock: "M5 9h10v8H5zM7 9V6.500a3 3 0 0 1 6 0V9",
  chat: "M3 4.500h14v9H9l-4 3.500v-3.500H3z",
  sun: "M10 6.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7M10 1.500v2M10 16.500v2M1.500 10h2M16.500 10h2M4 4l1.400 1.400M14.600 14.600 16 16M16 4l-1.400 1.400M5.400 14.600 4 16",
  panel: "M3 4h14v12H3zM12.500 4v12",
  close: "M5 5l10 10M15 5 5 15",
  menu: "M3 5.500h14M3 10h14M3 14.500h14",
  copy: "M7 7h9v9H7zM4 13V4h9",
  check: "M4.500 10.500l3.500 3.500 7.500-8",
  send: "M3 17 17.500 10 3 3l2.500 7zM5.500 10H11",
  down: "m6 8 4 4 4-4",
  reply: "M8 5 3.500 9.500 8 14M4 9.500h7a5.500 5.500 0 0 1 5.500 5.500",
  smile: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14M7 12c1.600 2 4.400 2 6 0M7.500 8v.5M12.500 8v.5",
  more: "M5 10h.01M10 10h.01M15 10h.01",
  clock: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14M10 6v4l2.500 2",
  eye: "M2 10s3-5 8-5 8 5 8 5-3 5-8 5-8-5-8-5M10 8a2 2 0 1 0 0 4 2 2 0 0 0 0-4",
  globe: "M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14M3 10h14M10 3c3 3 3 11 0 14M10 3c-3 3-3 11 0 14",
};

export function icon(name) {
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const p = document.createElementNS(ns, "path");
  p.setAttribute("d", paths[name]);
  svg.append(p);
  return svg;
}
