// A message of the ledger as a bubble: one function a type, one row in a table each.

import { el, icon, t } from "./dom.js";
import { formatted, link, timeOf } from "./text.js";

const MEDIA = ["image", "video", "audio", "document", "sticker"];
const EMOJI = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

export const isMine = (message) => message.direction === "from_customer";

/** The bubble of a message; `phone` answers what is tapped in it. */
export function bubble(message, phone) {
  const mine = isMine(message);
  const node = el(
    "li",
    { class: `bubble bubble--${mine ? "mine" : "theirs"}`, "data-wamid": message.wamid ?? "", "data-status": message.status },
    quote(message, phone),
    el("div", { class: "bubble__content" }, content(message, phone)),
    foot(message),
    reactions(message),
    mine || !message.wamid ? null : actions(message, phone),
  );
  if (isLost(message)) node.classList.add("bubble--lost");
  const offered = node.querySelector(".taps");
  if (offered) node.querySelector(":scope > .foot").after(offered);
  return node;
}

/** Bring the marks of a bubble up to date and leave its content alone, so that nothing flickers. */
export function refresh(node, message) {
  node.dataset.status = message.status;
  node.querySelector(":scope > .foot").replaceWith(foot(message));
  node.querySelector(":scope > .reactions").replaceWith(reactions(message));
  node.classList.toggle("bubble--lost", isLost(message));
}

const isLost = (message) => !isMine(message) && ["failed", "refused"].includes(message.status);

function foot(message) {
  const marks = isMine(message) ? ticks(message.status) : null;
  const time = el("time", { datetime: message.at }, timeOf(message.at));
  const loss = isLost(message) ? el("span", { class: "foot__loss" }, lossOf(message)) : null;
  return el("p", { class: "foot" }, loss, time, marks);
}

function lossOf(message) {
  const error = message.error;
  const words = t(message.status);
  if (!error) return words;
  const detail = error.error_data?.details ?? error.message ?? error.title;
  return `${words} · ${error.code}: ${detail}`;
}

function ticks(status) {
  const name = { pending: "clock", sent: "tick" }[status] ?? "ticks";
  return el("span", { class: `ticks ticks--${status}`, role: "img", "aria-label": t(status), title: t(status) }, icon(name));
}

function reactions(message) {
  const given = Object.values(message.reactions ?? {});
  const label = t("reaction_of", { emoji: given.join(" ") });
  return el("p", { class: "reactions", hidden: given.length === 0, "aria-label": label }, given.join(" "));
}

function actions(message, phone) {
  const menu = el(
    "div",
    { class: "actions__menu", role: "group", "aria-label": t("more") },
    EMOJI.map((emoji) =>
      el("button", { type: "button", "aria-label": t("react", { emoji }), onclick: () => phone.react(message, emoji) }, emoji),
    ),
    el("button", { type: "button", class: "actions__reply", onclick: () => phone.replyTo(message) }, icon("reply"), t("reply")),
  );
  const details = el("details", { class: "actions" }, el("summary", { "aria-label": t("more"), title: t("more") }, icon("more")), menu);
  menu.addEventListener("click", () => (details.open = false));
  details.addEventListener("focusout", (event) => {
    if (!details.contains(event.relatedTarget)) details.open = false;
  });
  return details;
}

function quote(message, phone) {
  if (!message.context) return null;
  const original = phone.find(message.context);
  const who = original && isMine(original) ? t("you") : phone.business;
  const jump = () => phone.show(message.context);
  return el(
    "button",
    { type: "button", class: "quote", onclick: jump },
    el("strong", {}, who),
    el("span", {}, original ? summary(original) : t("original")),
  );
}

/** One line that stands for a message: in quotes and in the reply bar. */
export function summary(message) {
  const body = message.body;
  const part = body[message.type] ?? {};
  const text = part.body?.text ?? part.body ?? part.caption ?? part.name ?? part.filename;
  if (message.type === "interactive") return part.button_reply?.title ?? part.list_reply?.title ?? text ?? t("original");
  return (typeof text === "string" && text) || t("unknown", { type: message.type });
}

// --- content ------------------------------------------------------------------------------------------------

function content(message, phone) {
  const type = message.type;
  const make = MEDIA.includes(type) ? media : TYPES[type] ?? unknown;
  return make(message.body[type] ?? {}, message, phone);
}

const paragraph = (text) => el("p", { class: "text", dir: "auto" }, formatted(text ?? ""));

function text(part) {
  return paragraph(part.body);
}

function media(part, message) {
  const kind = message.type;
  const source = part.id ? `/simulator/api/media/${encodeURIComponent(part.id)}/` : ownAddress(part.link);
  return [
    source ? SHOWN[kind](source, part) : elsewhere(kind, part.link),
    part.caption ? paragraph(part.caption) : null,
  ];
}

/** The address of a file of this very server; others are not fetched by the page. */
function ownAddress(address) {
  try {
    return new URL(address, location.href).origin === location.origin ? address : null;
  } catch {
    return null;
  }
}

const SHOWN = {
  image: (source, part) => el("a", { href: source, target: "_blank" }, el("img", { class: "media", src: source, alt: part.caption ?? t("photo_of") })),
  sticker: (source) => el("img", { class: "media media--sticker", src: source, alt: t("sticker") }),
  video: (source) => el("video", { class: "media", src: source, controls: true, preload: "metadata", "aria-label": t("video") }),
  audio: (source) => el("audio", { class: "sound", src: source, controls: true, preload: "metadata", "aria-label": t("audio") }),
  document: (source, part) => fileCard(source, part.filename ?? t("file")),
};

function fileCard(source, name) {
  return el("a", { class: "file", href: source, target: "_blank", "aria-label": t("open_file", { name }) }, icon("document"), el("span", {}, name));
}

function elsewhere(kind, address) {
  let host = address ?? "";
  try {
    host = new URL(address).host;
  } catch {
    /* an address that is none is shown as it stands */
  }
  const image = ["image", "sticker", "video"].includes(kind);
  return el(
    "a",
    { class: image ? "placeholder" : "file", href: address ?? "#", target: "_blank", rel: "noopener noreferrer" },
    icon(image ? "photo" : "document"),
    el("span", {}, t("external", { host })),
  );
}

function location_(part) {
  const name = part.name ?? `${part.latitude}, ${part.longitude}`;
  const address = `https://www.openstreetmap.org/?mlat=${part.latitude}&mlon=${part.longitude}#map=15/${part.latitude}/${part.longitude}`;
  return el(
    "a",
    { class: "place", href: address, target: "_blank", rel: "noopener noreferrer" },
    el("span", { class: "place__map" }, icon("place")),
    el("strong", {}, name),
    part.address ? el("span", {}, part.address) : null,
  );
}

function contacts(cards) {
  return [...cards].map((card) =>
    el(
      "div",
      { class: "person" },
      el("span", { class: "avatar" }, (card.name?.formatted_name ?? "?").slice(0, 1)),
      el("div", {}, el("strong", {}, card.name?.formatted_name ?? ""), (card.phones ?? []).map((phone) => el("span", {}, phone.phone ?? ""))),
    ),
  );
}

function button(part) {
  return paragraph(part.text);
}

function template(part, message, phone) {
  const all = part.components ?? [];
  const parameters = all.filter((component) => component.type?.toLowerCase() !== "button").flatMap((component) => component.parameters ?? []);
  const values = parameters.map((parameter) => el("dd", { dir: "auto" }, parameter[parameter.type]?.fallback_value ?? parameter.text ?? parameter.type));
  return [
    el("p", { class: "label" }, `${t("template")} · ${part.language?.code ?? ""}`),
    el("p", { class: "text" }, el("strong", {}, part.name ?? "")),
    values.length ? el("dl", { class: "values" }, values) : null,
    taps(message.options.map((id) => ({ id, title: id })), message, phone),
  ];
}

function unknown(part, message) {
  return [el("p", { class: "label" }, t("unknown", { type: message.type })), el("pre", {}, JSON.stringify(part, null, 1).slice(0, 600))];
}

// --- interactive --------------------------------------------------------------------------------------------

function interactive(part, message, phone) {
  const make = INTERACTIVE[part.type];
  if (isMine(message)) return answer(part);
  return [header(part.header), part.body ? paragraph(part.body.text) : null, part.footer ? el("p", { class: "footer" }, part.footer.text) : null, make ? make(part, message, phone) : unknown(part, message)];
}

function answer(part) {
  const reply = part[part.type] ?? {};
  if (part.type === "nfm_reply") return [el("p", { class: "label" }, t("answered_form")), el("pre", {}, reply.response_json ?? "")];
  return [paragraph(reply.title), reply.description ? el("p", { class: "footer" }, reply.description) : null];
}

function header(part) {
  if (!part) return null;
  if (part.type === "text") return el("p", { class: "header" }, part.text);
  return media(part[part.type] ?? {}, { type: part.type });
}

function taps(options, message, phone) {
  if (!options.length) return null;
  return el(
    "div",
    { class: "taps" },
    options.map((option) => tap("reply", option.title, () => phone.tap(message, option.id))),
  );
}

function tap(name, title, onclick) {
  return el("button", { type: "button", class: "tap", onclick }, icon(name), el("span", {}, title));
}

const single = (...inner) => el("div", { class: "taps" }, ...inner);

const INTERACTIVE = {
  button: (part, message, phone) => taps(part.action.buttons.map((each) => each.reply), message, phone),
  list: (part, message, phone) => single(tap("list", part.action.button, () => phone.openList(message, part))),
  cta_url: (part) => {
    const { url, display_text: title } = part.action.parameters;
    const anchor = link(url, title);
    anchor.className = "tap";
    anchor.prepend(icon("link"));
    return single(anchor);
  },
  location_request_message: (_part, message, phone) => single(tap("place", t("send_location"), () => phone.openLocation(message.wamid))),
  flow: (part, message, phone) => single(tap("form", part.action.parameters.flow_cta ?? t("form"), () => phone.openForm(message, part))),
};

const TYPES = { text, location: location_, contacts, button, template, interactive };
