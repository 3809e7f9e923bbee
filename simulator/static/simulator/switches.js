// The switches of the simulated Meta and the clock.

import { call, config, el, icon, t, toast } from "./dom.js";
import { duration } from "./text.js";

const API = "/simulator/api/";

export class Switches {
  #number = "";

  constructor() {
    this.arm = document.getElementById("arm");
    this.behaviour = document.getElementById("behaviour");
    this.faults = document.getElementById("faults");
    this.#fillArm();
    this.arm.addEventListener("submit", (event) => (event.preventDefault(), this.#armOne()));
    this.arm.elements.kind.addEventListener("change", () => this.#showCode());
    this.behaviour.addEventListener("change", (event) => this.#change(event.target));
    this.behaviour.addEventListener("submit", (event) => event.preventDefault());
  }

  async follow(number) {
    this.#number = number;
    await tried(async () => {
      this.#show(await call("GET", `${API}behaviour/?number=${encodeURIComponent(number)}`));
      await this.look();
    });
  }

  async look() {
    const { faults } = await call("GET", `${API}faults/?number=${encodeURIComponent(this.#number)}`);
    const live = faults.filter((fault) => fault.remaining !== 0);
    this.faults.replaceChildren(...(live.length ? live.map((fault) => this.#fault(fault)) : [el("li", { class: "quiet" }, t("no_faults"))]));
  }

  #fillArm() {
    const { kind, code } = this.arm.elements;
    kind.append(...config.faults.map((fault) => el("option", { value: fault.kind }, t(`kind_${fault.kind}`))));
    code.append(...config.codes.map((each) => el("option", { value: String(each.code) }, `${each.code} – ${each.title}`)));
    code.value = "130429";
    this.#showCode();
  }

  #showCode() {
    const chosen = config.faults.find((fault) => fault.kind === this.arm.elements.kind.value);
    this.arm.querySelector('[data-for="code"]').hidden = !chosen?.needs_code;
  }

  async #armOne() {
    const { kind, code, times } = this.arm.elements;
    const needsCode = config.faults.find((fault) => fault.kind === kind.value)?.needs_code;
    const fault = { number: this.#number, kind: kind.value, times: Number(times.value || 1), ...(needsCode ? { code: Number(code.value) } : {}) };
    await tried(async () => {
      await call("POST", `${API}faults/`, fault);
      await this.look();
    });
  }

  #fault(fault) {
    const name = `${t(`kind_${fault.kind}`)}${fault.code === null ? "" : ` ${fault.code}`}`;
    const left = fault.remaining === null ? t("always") : t("armed", { left: fault.remaining });
    const disarm = async () => {
      await tried(async () => {
        await call("DELETE", `${API}faults/${fault.id}/`);
        await this.look();
      });
    };
    return el("li", {}, el("span", {}, name), el("small", {}, left), el("button", { type: "button", class: "round", "aria-label": t("disarm", { fault: name }), onclick: disarm }, icon("close")));
  }

  #show(behaviour) {
    for (const field of this.behaviour.elements) {
      if (field.name === "no_statuses") field.checked = behaviour.statuses.length === 0;
      else if (field.type === "checkbox") field.checked = behaviour[field.name];
      else if (field.name) field.value = behaviour[field.name];
    }
  }

  async #change(field) {
    const value = field.type === "checkbox" ? field.checked : field.type === "number" ? Number(field.value) : field.value;
    const change = field.name === "no_statuses" ? { statuses: value ? [] : ["sent", "delivered", "read"] } : { [field.name]: value };
    await tried(async () => {
      this.#show(await call("PATCH", `${API}behaviour/?number=${encodeURIComponent(this.#number)}`, change));
      field.closest("label").classList.add("is-saved");
      setTimeout(() => field.closest("label").classList.remove("is-saved"), 900);
    });
  }
}

export class Clock {
  constructor() {
    this.shown = document.getElementById("clock-ahead");
    for (const button of document.querySelectorAll("[data-jump]")) {
      button.addEventListener("click", () => this.#jump(Number(button.dataset.jump), button));
    }
    tried(async () => this.#show((await call("GET", `${API}clock/`)).ahead_seconds));
  }

  #show(seconds) {
    this.shown.textContent = seconds ? t("clock_ahead", { time: duration(seconds) }) : t("clock_now");
  }

  /** The product's clock first, then the simulated Meta's, which stamps what customers write. */
  async #jump(seconds, button) {
    button.disabled = true;
    let words = t("jumped", { time: duration(seconds) });
    try {
      await call("POST", "/conversations/clock/jump", { seconds });
    } catch (error) {
      words = t("jump_partly", { why: error.message });
    }
    await tried(async () => this.#show((await call("POST", `${API}clock/`, { seconds })).ahead_seconds));
    toast(words);
    button.disabled = false;
  }
}

async function tried(action) {
  try {
    await action();
  } catch (error) {
    toast(t("failed_call", { why: error.message }));
  }
}
