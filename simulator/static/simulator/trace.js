// The trace beside the phone: what the product says it did, read once a second while the page is looked at.

import { call, el, t } from "./dom.js";
import { timeOf } from "./text.js";

const EVERY = 1000;
const AFTER_TROUBLE = 5000;
// Ids are dealt out before the commit: a lower one may be seen after a higher one.
const OVERLAP = 50;

export class Trace {
  #customer = null;
  #known = new Set();
  #last = 0;
  #timer = 0;

  constructor(host, title) {
    this.host = host;
    this.title = title;
    this.list = el("ol", { class: "events" });
    this.words = el("p", { class: "quiet", hidden: true });
    host.append(this.words, this.list);
    document.addEventListener("visibilitychange", () => !document.hidden && this.#soon(0));
  }

  follow(customer) {
    if (customer?.id === this.#customer?.id) return;
    this.#customer = customer;
    this.#known.clear();
    this.#last = 0;
    this.title.textContent = customer?.name ?? "";
    this.list.replaceChildren();
    this.#say("");
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
      const { events } = await call("GET", `/conversations/trace/?${this.#question(customer)}`);
      if (customer === this.#customer) this.#show(events ?? [], customer);
    } catch (error) {
      if (customer === this.#customer) this.#say(t("trace_off", { why: error.message }));
      wait = AFTER_TROUBLE;
    }
    this.#soon(wait);
  }

  #question(customer) {
    const who = customer.phone && !customer.hides_phone ? { phone: customer.phone } : { user_id: customer.user_id };
    return new URLSearchParams({ ...who, after: String(Math.max(0, this.#last - OVERLAP)) });
  }

  #say(words) {
    if (this.words.textContent === words) return;
    this.words.textContent = words;
    this.words.hidden = !words;
  }

  #show(events, customer) {
    const fresh = events.filter((each) => !this.#known.has(keyOf(each)));
    for (const each of fresh) {
      this.#known.add(keyOf(each));
      this.#last = Math.max(this.#last, each.id ?? 0);
    }
    this.#say(this.#known.size ? "" : t("trace_empty", { name: customer.name }));
    if (!fresh.length) return;
    const atEnd = this.host.scrollHeight - this.host.scrollTop - this.host.clientHeight < 60;
    this.list.append(...fresh.map(event));
    if (atEnd) this.host.scrollTop = this.host.scrollHeight;
  }
}

const keyOf = (data) => data.id ?? JSON.stringify(data);

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
