// What opens at the foot of a phone: a list, a place, a form, the attachments.

import { dialog, el, icon, sheet, t, toast } from "./dom.js";

const PLACES = [
  { name: "Connaught Place, New Delhi", latitude: 28.6315, longitude: 77.2167 },
  { name: "Marine Drive, Mumbai", latitude: 18.9432, longitude: 72.8236 },
  { name: "Alexanderplatz, Berlin", latitude: 52.5219, longitude: 13.4132 },
];

export function openList(host, part, choose) {
  sheet(host, part.action.button || t("choose"), (close) => {
    const form = el("form", { class: "sheet__body" });
    form.append(
      ...part.action.sections.map((section) => listSection(section)),
      el("button", { class: "button button--main", disabled: true }, t("send")),
    );
    form.addEventListener("change", () => (form.lastElementChild.disabled = false));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      choose(new FormData(form).get("row"));
      close();
    });
    return form;
  });
}

function listSection(section) {
  const rows = section.rows.map((row) =>
    el(
      "label",
      { class: "row" },
      el("span", { class: "row__text" }, el("strong", { dir: "auto" }, row.title), row.description ? el("span", { dir: "auto" }, row.description) : null),
      el("input", { type: "radio", name: "row", value: row.id, required: true }),
    ),
  );
  return el("fieldset", { class: "rows" }, section.title ? el("legend", {}, section.title) : null, rows);
}

export function openLocation(host, choose) {
  sheet(host, t("send_location"), (close) => {
    const field = (name, label, value, type = "text") =>
      el("label", { class: "field" }, el("span", {}, label), el("input", { name, value, type, step: "any", required: type === "number" }));
    const form = el(
      "form",
      { class: "sheet__body" },
      field("latitude", t("latitude"), String(PLACES[0].latitude), "number"),
      field("longitude", t("longitude"), String(PLACES[0].longitude), "number"),
      field("name", t("place"), PLACES[0].name),
    );
    const fill = (place) => Object.entries(place).forEach(([key, value]) => (form.elements[key].value = value));
    form.prepend(
      el("div", { class: "places", role: "group", "aria-label": t("places") }, PLACES.map((place) => el("button", { type: "button", class: "button", onclick: () => fill(place) }, place.name))),
    );
    form.append(el("button", { class: "button button--main" }, t("send")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const data = new FormData(form);
      choose({ latitude: Number(data.get("latitude")), longitude: Number(data.get("longitude")), name: data.get("name") });
      close();
    });
    return form;
  });
}

export function openForm(host, part, choose) {
  const token = part.action.parameters.flow_token ?? "unused";
  sheet(host, part.action.parameters.flow_cta ?? t("form"), (close) => {
    const box = el("textarea", { name: "answer", rows: 6, spellcheck: "false" });
    box.value = JSON.stringify({ flow_token: token }, null, 2);
    const form = el("form", { class: "sheet__body" }, el("label", { class: "field field--wide" }, el("span", {}, t("answer")), box), el("button", { class: "button button--main" }, t("send")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      try {
        JSON.parse(box.value);
      } catch {
        toast(t("bad_json"));
        return;
      }
      choose(box.value);
      close();
    });
    return form;
  });
}

/** The attachment menu; `choose` gets photo, document, audio, location or card. */
export function openAttachments(host, choose) {
  sheet(host, t("attach"), (close) =>
    el(
      "div",
      { class: "sheet__body kinds" },
      ["photo", "document", "audio", "location", "card"].map((kind) =>
        el("button", { type: "button", class: `kind kind--${kind}`, onclick: () => (close(), choose(kind)) }, el("span", { class: "kind__icon" }, icon(kind === "location" ? "place" : kind)), t(kind)),
      ),
    ),
  );
}

/** Ask for a customer: one that exists and is not shown, or a new one. */
export function openCustomers(known, open, create) {
  dialog(t("add_customer"), (close) => {
    const form = el(
      "form",
      { class: "sheet__body" },
      el("h3", {}, t("new_customer")),
      el("label", { class: "field field--wide" }, el("span", {}, t("name")), el("input", { name: "name", autocomplete: "off", required: true, maxlength: "100" })),
      el("label", { class: "field field--wide" }, el("span", {}, t("phone")), el("input", { name: "phone", type: "tel", autocomplete: "off", pattern: "\\+?[0-9 \\-]{6,20}" })),
      el("label", { class: "check" }, el("input", { type: "checkbox", name: "hides_phone" }), t("hide_phone")),
      el("label", { class: "check" }, el("input", { type: "checkbox", name: "no_whatsapp" }), t("no_whatsapp")),
      el("button", { class: "button button--main" }, t("add")),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const data = new FormData(form);
      const made = await create({ name: data.get("name"), phone: data.get("phone"), hides_phone: data.has("hides_phone"), on_whatsapp: !data.has("no_whatsapp") });
      if (!made) return;
      close();
      open(made);
    });
    const list = known.map((customer) => el("li", {}, el("button", { type: "button", class: "row row--button", onclick: () => (close(), open(customer)) }, el("strong", {}, customer.name), el("span", {}, customer.phone ? `+${customer.phone}` : customer.user_id))));
    if (list.length) form.append(el("h3", {}, t("known_customers")), el("ul", { class: "rows" }, list));
    return form;
  });
}
