// The trace beside the phone: what the product says it did, read once a second while the page is looked at.

import { call, el, t } from "./dom.js";
import { timeOf } from "./text.js";

const EVERY = 1000;
const AFTER_TROUBLE = 5000;

export class Trace {
  #customer = null;
  #shown = "";
  #timer = 0;

  constructor(host, title) {
    this.host = host;
    this.title = title;
    document.addEventListener("visibilitychange", () => !document.hidden && this.#soon(0));
  }

  follow(customer) {
    if (customer?.id === this.#customer?.id) return;
    this.#customer = customer;
    this.#shown = "";
    this.title.textContent = customer?.name ?? "";
    this.host.replaceChildren();
    this.#soon(0);
  }

  #soon(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), wait);
  }

  async #look() {
    const customer = this.#customer;
    if (!customer || document.hidden) return;
    let wait = EVERY;
    try {
      const who = customer.phone && !customer.hides_phone ? `phone=${customer.phone}` : `user_id=${encodeURIComponent(customer.user_id)}`;
      const { events } = await call("GET", `/conversations/trace/?${who}`);
      if (customer === this.#customer) this.#show(events ?? [], customer);
    } catch (error) {
      if (customer === this.#customer) this.#say(t("trace_off", { why: error.message }));
      wait = AFTER_TROUBLE;
    }
    this.#soon(wait);
  }

  #say(words) {
    if (this.#shown === words) return;
    this.#shown = words;
    this.host.replaceChildren(el("p", { class: "quiet" }, words));
  }

  #show(events, customer) {
    if (!events.length) return this.#say(t("trace_empty", { name: customer.name }));
    const text = JSON.stringify(events);
    if (text === this.#shown) return undefined;
    const known = this.#known(events);
    this.#shown = text;
    const atEnd = this.host.scrollHeight - this.host.scrollTop - this.host.clientHeight < 60;
    if (known === 0) this.host.replaceChildren(el("ol", { class: "events" }));
    this.host.firstElementChild.append(...events.slice(known).map(event));
    if (atEnd) this.host.scrollTop = this.host.scrollHeight;
    return undefined;
  }

  /** How many events stand on the page already, unchanged and in the same order. */
  #known(events) {
    let before;
    try {
      before = JSON.parse(this.#shown);
    } catch {
      return 0;
    }
    const same = before.length <= events.length && before.every((each, index) => JSON.stringify(each) === JSON.stringify(events[index]));
    return same ? before.length : 0;
  }
}

function event(data) {
  const where = [data.flow, data.version && t("version", { version: shortVersion(data.version) }), data.step].filter(Boolean).join(" · ");
  return el(
    "li",
    { class: `event event--${String(data.name).replace(/\W+/g, "-")}` },
    el("p", { class: "event__head" }, el("strong", {}, String(data.name).replaceAll("_", " ")), took(data.seconds), data.at ? el("time", { datetime: data.at }, timeOf(data.at)) : null),
    where ? el("p", { class: "event__where" }, where) : null,
    variables(data.variables_before, data.variables_after),
    detail(data.detail),
  );
}

const shortVersion = (version) => String(version).slice(0, 8);

function took(seconds) {
  if (typeof seconds !== "number") return null;
  return el("span", { class: "event__took" }, t("seconds", { ms: Math.round(seconds * 1000) }));
}

function variables(before, after) {
  const old = before ?? {};
  const now = after ?? old;
  const names = [...new Set([...Object.keys(old), ...Object.keys(now)])].filter((name) => JSON.stringify(old[name]) !== JSON.stringify(now[name]));
  if (!names.length) return null;
  return el(
    "table",
    { class: "changes" },
    el("thead", {}, el("tr", {}, ["variable", "before", "after"].map((key) => el("th", { scope: "col" }, t(key))))),
    el("tbody", {}, names.map((name) => el("tr", {}, el("th", { scope: "row" }, name), value(old[name]), value(now[name])))),
  );
}

const value = (data) => el("td", { dir: "auto" }, data === undefined ? "–" : typeof data === "string" ? data : JSON.stringify(data));

function detail(data) {
  const isEmpty = data === null || data === undefined || data === "" || (typeof data === "object" && !Object.keys(data).length);
  if (isEmpty) return null;
  if (typeof data === "string") return el("p", { class: "event__detail" }, data);
  return el("details", {}, el("summary", {}, t("details")), el("pre", {}, JSON.stringify(data, null, 2)));
}
