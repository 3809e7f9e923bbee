// WhatsApp's way of writing: *bold*, _italic_, ~struck~, `code` and addresses, built as nodes.

import { el } from "./dom.js";

const MARKS = [
  { pattern: /```([\s\S]+?)```/, make: (inner) => el("code", {}, inner) },
  { pattern: /`([^`\n]+)`/, make: (inner) => el("code", {}, inner) },
  { pattern: /(?<![\p{L}\p{N}*])\*(?=\S)([^*\n]*?\S)\*(?![\p{L}\p{N}*])/u, make: (inner) => el("strong", {}, formatted(inner)) },
  { pattern: /(?<![\p{L}\p{N}_])_(?=\S)([^_\n]*?\S)_(?![\p{L}\p{N}_])/u, make: (inner) => el("em", {}, formatted(inner)) },
  { pattern: /(?<![\p{L}\p{N}~])~(?=\S)([^~\n]*?\S)~(?![\p{L}\p{N}~])/u, make: (inner) => el("s", {}, formatted(inner)) },
  { pattern: /(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]])/, make: (address) => link(address, address) },
];

export function link(address, text) {
  return el("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, text);
}

/** The nodes of a text; marks nest, the first one in the text wins. */
export function formatted(text) {
  let first = null;
  for (const mark of MARKS) {
    const match = mark.pattern.exec(text);
    if (match && (first === null || match.index < first.match.index)) first = { mark, match };
  }
  if (first === null) return [text];
  const { mark, match } = first;
  const before = text.slice(0, match.index);
  const after = text.slice(match.index + match[0].length);
  return [before, mark.make(match[1]), ...formatted(after)].filter((node) => node !== "");
}

const CLOCK = new Intl.DateTimeFormat(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat(document.documentElement.lang, { day: "numeric", month: "long", year: "numeric" });

export const timeOf = (iso) => CLOCK.format(new Date(iso));
export const dayOf = (iso) => DAY.format(new Date(iso));

export function duration(seconds) {
  const hours = Math.round(seconds / 3600);
  const days = Math.floor(hours / 24);
  const rest = hours % 24 ? ` ${hours % 24} h` : "";
  return days ? `${days} d${rest}` : `${hours} h`;
}
