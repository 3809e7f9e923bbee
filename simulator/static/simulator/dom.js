// Small pieces of the page: elements, icons, texts, calls to the control API.

export const config = JSON.parse(document.getElementById("simulator-config").textContent);

/** The text of a key, its {words} filled in. */
export function t(key, words = {}) {
  const text = config.texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => words[name] ?? whole);
}

/** An element with attributes and children; text is always text, never markup. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "class") node.className = value;
    else if (key in node && typeof value !== "string") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const PATHS = {
  send: "M4 12 20 4l-5 16-3.5-6.5L4 12Zm7.5 1.5L20 4",
  attach: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6 6 18",
  reply: "M10 8V4l-7 7 7 7v-4c5 0 8.5 1.5 11 5-1-6-4-10-11-11Z",
  list: "M9 6h11M9 12h11M9 18h11M4.5 6h.01M4.5 12h.01M4.5 18h.01",
  link: "M14 4h6v6M20 4l-9 9M18 14v5a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V7a1 1 0 0 1 1-1h5",
  place: "M12 21s7-6.2 7-11.5A7 7 0 0 0 5 9.5C5 14.800 12 21 12 21Zm0-9a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5Z",
  photo: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.500 9.500h.01",
  document: "M6 3h8l5 5v13H6zM14 3v5h5M9 13h7M9 17h7",
  audio: "M12 4a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V7a3 3 0 0 1 3-3ZM6 11a6 6 0 0 0 12 0M12 17v4",
  card: "M4 5h16v14H4zM8.500 13a2 2 0 1 0 0-4 2 2 0 0 0 0 4Zm-3 3.500c.5-2 5.500-2 6 0M14 10h4M14 14h4",
  more: "m7 10 5 5 5-5",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm0-14v5l3 2",
  tick: "m3 12.500 4.500 4.500L17 7",
  ticks: "m1.500 12.500 4.500 4.500L15.500 7M11 16l1 1L21.500 7",
  theme: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Zm0-18v18a9 9 0 0 0 0-18Z",
  form: "M5 3h14v18H5zM9 8h6M9 12h6M9 16h3",
};

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon--${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

export function toast(text) {
  const note = el("p", { class: "toast" }, text);
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), 6000);
}

function csrfToken() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]*)/)?.[1] ?? "";
}

/** Call a JSON address of this server; throws an Error with the server's own words. */
export async function call(method, address, body) {
  const isForm = body instanceof FormData;
  const headers = { "X-CSRFToken": csrfToken(), Accept: "application/json" };
  if (body !== undefined && !isForm) headers["Content-Type"] = "application/json";
  const payload = body === undefined || isForm ? body : JSON.stringify(body);
  const answer = await fetch(address, { method, headers, body: payload, credentials: "same-origin" });
  const text = await answer.text();
  const data = parsed(text);
  if (!answer.ok) throw new Error(wordsOf(data) ?? `HTTP ${answer.status}`);
  return data;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function wordsOf(data) {
  const error = data?.error ?? data?.detail;
  return typeof error === "string" ? error : error?.error_data?.details ?? error?.message;
}

/** A sheet at the foot of `host` (a phone), which it covers; `build(close)` gives its content. */
export function sheet(host, title, build) {
  const before = document.activeElement;
  const covered = [...host.children];
  const scrim = el("div", { class: "scrim", onclick: () => dialog.close() });
  const dialog = dialogOf(title, build, "sheet");
  dialog.setAttribute("aria-modal", "true");
  dialog.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    dialog.close();
  });
  dialog.addEventListener("close", () => {
    for (const each of covered) each.inert = false;
    scrim.remove();
    before?.focus({ preventScroll: true });
  });
  for (const each of covered) each.inert = true;
  host.append(scrim, dialog);
  dialog.show();
  return dialog;
}

/** A dialog in the middle of the page. */
export function dialog(title, build) {
  const node = dialogOf(title, build, "dialog");
  node.addEventListener("click", (event) => event.target === node && node.close());
  document.body.append(node);
  node.showModal();
  return node;
}

function dialogOf(title, build, kind) {
  const node = el("dialog", { class: kind, "aria-label": title });
  const close = () => node.close();
  const closer = el("button", { type: "button", class: "round", "aria-label": t("close"), onclick: close }, icon("close"));
  node.append(el("header", { class: "sheet__head" }, closer, el("h2", {}, title)), build(close));
  node.addEventListener("close", () => node.remove());
  return node;
}
