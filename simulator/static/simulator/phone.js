// One customer's phone: the frame, the conversation, the composer.

import { bubble, isMine, refresh, summary } from "./bubbles.js";
import { call, el, icon, t, toast } from "./dom.js";
import { openAttachments, openForm, openList, openLocation } from "./sheets.js";
import { dayOf } from "./text.js";

const ACCEPTS = { photo: "image/jpeg,image/png,video/mp4", document: "", audio: "audio/*" };
const NEAR_END = 80;

export class Phone {
  #messages = new Map();
  #nodes = new Map();
  #pending = new Map();
  #answers = null;
  #file = null;
  #lastRef = 0;

  /** `deps`: say(customer, saying, ref) -> whether it went out, focus(phone), close(phone). */
  constructor(customer, number, deps) {
    this.customer = customer;
    this.number = number;
    this.business = number.verified_name;
    this.deps = deps;
    this.#build();
  }

  // --- the frame --------------------------------------------------------------------------------------------

  #build() {
    const { customer } = this;
    this.presence = el("span", { class: "top__presence" }, t("business"));
    this.list = el("ol", { class: "chat", tabindex: "0", "aria-label": t("conversation", { name: customer.name, business: this.business }), "aria-live": "polite", "aria-relevant": "additions" });
    this.empty = el("p", { class: "chat__empty" }, t("empty"));
    this.dots = el("li", { class: "bubble bubble--theirs dots", hidden: true, "aria-label": t("typing") }, el("span"), el("span"), el("span"));
    this.list.append(this.empty, this.dots);
    this.screen = el("div", { class: "screen" }, this.#top(), this.list, this.#composer());
    this.node = el("article", { class: "phone", "aria-label": customer.name, "data-customer": String(customer.id) }, this.#owner(), this.screen);
    this.node.addEventListener("focusin", () => this.deps.focus(this));
    this.node.addEventListener("pointerdown", () => this.deps.focus(this));
  }

  #owner() {
    const { customer } = this;
    const shown = customer.hides_phone ? `${t("hides_phone")} · ${customer.username || customer.user_id}` : `+${customer.phone}`;
    return el(
      "header",
      { class: "owner" },
      el("strong", {}, customer.name),
      el("span", { title: customer.user_id }, customer.phone ? shown : customer.user_id),
      el("button", { type: "button", class: "round", "aria-label": t("close_phone", { name: customer.name }), onclick: () => this.deps.close(this) }, icon("close")),
    );
  }

  #top() {
    const initial = this.business.slice(0, 1).toUpperCase();
    return el("header", { class: "top" }, el("span", { class: "avatar", "aria-hidden": "true" }, initial), el("div", { class: "top__who" }, el("strong", {}, this.business), this.presence));
  }

  #composer() {
    this.box = el("textarea", { rows: 1, maxlength: "4096", dir: "auto", placeholder: t("message_hint"), "aria-label": t("message_label", { name: this.customer.name }), enterkeyhint: "send" });
    this.extra = el("div", { class: "extra", hidden: true });
    this.button = el("button", { class: "round round--main", "aria-label": t("send"), title: t("send") }, icon("send"));
    const attach = el("button", { type: "button", class: "round", "aria-label": t("attach"), title: t("attach"), onclick: () => this.#attach() }, icon("attach"));
    const form = el("form", { class: "composer" }, this.extra, attach, this.box, this.button);
    form.addEventListener("submit", (event) => (event.preventDefault(), this.#submit()));
    this.box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.#submit();
      } else if (event.key === "Escape") this.#clearExtra();
    });
    this.box.addEventListener("input", () => this.#fit());
    return form;
  }

  #fit() {
    this.box.style.height = "auto";
    this.box.style.height = `${Math.min(this.box.scrollHeight, 120)}px`;
  }

  focus() {
    this.box.focus({ preventScroll: true });
    this.node.scrollIntoView({ inline: "nearest", block: "nearest" });
  }

  setTyping(isTyping) {
    this.presence.textContent = isTyping ? t("typing") : t("business");
    if (this.dots.hidden !== isTyping) return;
    this.#keepingPlace(() => (this.dots.hidden = !isTyping));
  }

  // --- what came --------------------------------------------------------------------------------------------

  find(wamid) {
    const id = [...this.#messages.values()].find((message) => message.wamid === wamid)?.id;
    return id === undefined ? undefined : this.#messages.get(id);
  }

  show(wamid) {
    const message = this.find(wamid);
    const node = message && this.#nodes.get(message.id);
    if (!node) return;
    node.scrollIntoView({ block: "center", behavior: "smooth" });
    node.classList.add("bubble--shown");
    setTimeout(() => node.classList.remove("bubble--shown"), 1200);
  }

  take(messages) {
    this.#keepingPlace(() => {
      for (const message of messages) this.#takeOne(message);
    });
  }

  /** The server took what was said: its row takes the place of the waiting bubble. */
  said(ref, message) {
    this.#pending.get(ref)?.remove();
    this.#pending.delete(ref);
    this.take([message]);
  }

  refused(ref, text) {
    const waiting = this.#pending.get(ref);
    if (waiting && !this.box.value) {
      this.box.value = waiting.dataset.text ?? "";
      this.#fit();
    }
    waiting?.remove();
    this.#pending.delete(ref);
    toast(text);
  }

  #takeOne(message) {
    this.#messages.set(message.id, message);
    const known = this.#nodes.get(message.id);
    if (known) {
      refresh(known, message);
      return;
    }
    if (message.type === "reaction" && message.status !== "refused" && message.status !== "failed") return;
    this.empty.hidden = true;
    if (isMine(message)) this.#dropPending(message.body.text?.body);
    const node = bubble(message, this);
    this.#nodes.set(message.id, node);
    this.#place(message, node);
  }

  /** The row of a waiting bubble may come before the answer to it. */
  #dropPending(text) {
    for (const [ref, node] of this.#pending) {
      if (node.dataset.text !== text) continue;
      node.remove();
      this.#pending.delete(ref);
      return;
    }
  }

  /** Rows come in order but for the page's own: a new node stands before the first later one. */
  #place(message, node) {
    const later = [...this.#nodes.keys()].filter((id) => id > message.id);
    const before = later.length ? this.#nodes.get(Math.min(...later)) : this.list.querySelector(".bubble--pending") ?? this.dots;
    before.before(node);
    this.#dayBefore(node, message);
  }

  #dayBefore(node, message) {
    const day = dayOf(message.at);
    node.dataset.day = day;
    let earlier = node.previousElementSibling;
    while (earlier && !earlier.dataset.day) earlier = earlier.previousElementSibling;
    if (earlier?.dataset.day === day) return;
    const today = dayOf(new Date().toISOString());
    const yesterday = dayOf(new Date(Date.now() - 86400000).toISOString());
    const words = { [today]: t("today"), [yesterday]: t("yesterday") }[day] ?? day;
    node.before(el("li", { class: "day", "data-day": day }, words));
  }

  #keepingPlace(change) {
    const atEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < NEAR_END;
    change();
    if (!atEnd) return;
    this.list.scrollTop = this.list.scrollHeight;
    for (const image of this.list.querySelectorAll("img:not([data-seen])")) {
      image.dataset.seen = "1";
      image.addEventListener("load", () => (this.list.scrollTop = this.list.scrollHeight), { once: true });
    }
  }

  // --- what is said -----------------------------------------------------------------------------------------

  #say(saying, text = "") {
    const ref = `${this.customer.id}.${++this.#lastRef}`;
    const context = this.#answers && !saying.tap && !saying.reaction ? { context: this.#answers.wamid } : {};
    if (!this.deps.say(this.customer.id, { ...context, ...saying }, ref)) {
      toast(t("offline"));
      return false;
    }
    if (!saying.reaction) this.#showPending(ref, text);
    return true;
  }

  #showPending(ref, text) {
    if (!text) return;
    const message = { id: Infinity, direction: "from_customer", type: "text", body: { text: { body: text } }, status: "pending", at: new Date().toISOString(), reactions: {} };
    const node = bubble(message, this);
    node.classList.add("bubble--pending");
    node.dataset.text = text;
    this.empty.hidden = true;
    this.#pending.set(ref, node);
    this.dots.before(node);
    this.list.scrollTop = this.list.scrollHeight;
  }

  async #submit() {
    const text = this.box.value.trim();
    if (this.#file) {
      const { kind, id } = this.#file;
      if (!this.#say({ [kind]: { id, caption: text } })) return;
    } else if (!text || !this.#say({ text }, text)) {
      return;
    }
    this.box.value = "";
    this.#fit();
    this.#clearExtra();
  }

  tap(message, id) {
    this.#say({ tap: { id }, context: message.wamid }, message.options.includes(id) ? "" : id);
  }

  react(message, emoji) {
    const taken = message.reactions?.customer === emoji;
    this.#say({ reaction: { message_id: message.wamid, emoji: taken ? "" : emoji } });
  }

  openList(message, part) {
    openList(this.screen, part, (id) => this.tap(message, id));
  }

  openLocation(context) {
    openLocation(this.screen, (place) => this.#say({ location: place, ...(context ? { context } : {}) }));
  }

  openForm(message, part) {
    openForm(this.screen, part, (json) => {
      const reply = { type: "nfm_reply", nfm_reply: { name: "flow", body: "Sent", response_json: json } };
      this.#say({ message: { type: "interactive", interactive: reply }, context: message.wamid });
    });
  }

  replyTo(message) {
    this.#answers = message;
    this.#file = null;
    const words = el("div", { class: "extra__quote" }, el("strong", {}, isMine(message) ? t("you") : this.business), el("span", {}, summary(message)));
    this.#showExtra(words, t("cancel_reply"));
  }

  // --- attachments ------------------------------------------------------------------------------------------

  #attach() {
    openAttachments(this.screen, (kind) => {
      if (kind === "location") this.openLocation("");
      else if (kind === "card") this.#say({ contacts: [this.#ownCard()] });
      else this.#pick(kind);
    });
  }

  #ownCard() {
    const { name, phone } = this.customer;
    const phones = phone ? [{ phone: `+${phone}`, wa_id: phone, type: "CELL" }] : [];
    return { name: { formatted_name: name, first_name: name.split(" ")[0] }, phones };
  }

  #pick(kind) {
    const input = el("input", { type: "file", accept: ACCEPTS[kind], hidden: true });
    input.addEventListener("change", () => input.files[0] && this.#upload(kind, input.files[0]));
    this.node.append(input);
    input.click();
    input.remove();
  }

  async #upload(kind, file) {
    const body = new FormData();
    body.append("file", file);
    body.append("number", this.number.phone_number_id);
    try {
      const { id } = await call("POST", "/simulator/api/media/", body);
      const named = { photo: file.type.startsWith("video/") ? "video" : "image", document: "document", audio: "audio" }[kind];
      if (named === "audio") this.#say({ audio: { id, voice: true } });
      else this.#preview(named, id, file);
    } catch (error) {
      toast(t("too_large", { why: error.message }));
    }
  }

  #preview(kind, id, file) {
    this.#file = { kind, id };
    this.#answers = null;
    const picture = kind === "image" ? el("img", { src: `/simulator/api/media/${id}/`, alt: "" }) : icon(kind === "video" ? "photo" : "document");
    this.#showExtra(el("div", { class: "extra__file" }, picture, el("span", {}, file.name)), t("remove_file"));
    this.box.placeholder = t("caption_hint");
  }

  #showExtra(content, label) {
    this.extra.replaceChildren(content, el("button", { type: "button", class: "round", "aria-label": label, onclick: () => this.#clearExtra() }, icon("close")));
    this.extra.hidden = false;
    this.box.focus();
  }

  #clearExtra() {
    this.#file = null;
    this.#answers = null;
    this.extra.hidden = true;
    this.extra.replaceChildren();
    this.box.placeholder = t("message_hint");
  }
}
