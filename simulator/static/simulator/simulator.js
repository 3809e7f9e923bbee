// The page: it opens the phones, carries what is said over the socket, and points trace and switches at them.

import { call, config, el, icon, t, toast } from "./dom.js";
import { Phone } from "./phone.js";
import { openCustomers } from "./sheets.js";
import { Socket } from "./socket.js";
import { Clock, Switches } from "./switches.js";
import { Trace } from "./trace.js";

const REMEMBERED = "simulator.open";
const host = document.getElementById("phones");
const chooser = document.getElementById("number");
const socket = new Socket();
const trace = new Trace(document.getElementById("trace"), document.getElementById("trace-of"));
const switches = new Switches();
const phones = new Map();
const customers = new Map(config.customers.map((customer) => [customer.id, customer]));
let number = null;

// --- phones -----------------------------------------------------------------------------------------------------

const deps = {
  say: (customer, saying, ref) => socket.send({ type: "say", customer, saying, ref }),
  focus: (phone) => activate(phone),
  close: (phone) => closePhone(phone),
};

function openPhone(customer, { focus = false } = {}) {
  if (!phones.has(customer.id)) {
    const phone = new Phone(customer, number, deps);
    phones.set(customer.id, phone);
    host.append(phone.node);
    listen();
  }
  if (focus) phones.get(customer.id).focus();
}

function closePhone(phone) {
  phones.delete(phone.customer.id);
  phone.node.remove();
  listen();
  const next = phones.values().next().value;
  if (next) activate(next);
  else document.getElementById("add-customer").focus();
}

function activate(phone) {
  for (const each of phones.values()) each.node.classList.toggle("phone--active", each === phone);
  trace.follow(phone.customer);
}

function listen() {
  localStorage.setItem(REMEMBERED, JSON.stringify([...phones.keys()]));
  socket.open({ type: "open", number: number.phone_number_id, customers: [...phones.keys()] });
}

function remembered() {
  let ids = [];
  try {
    ids = JSON.parse(localStorage.getItem(REMEMBERED)) ?? [];
  } catch {
    /* an unreadable memory is no memory */
  }
  const known = ids.map((id) => customers.get(id)).filter(Boolean);
  return known.length ? known : config.customers.slice(0, 1);
}

function useNumber(id) {
  const open = phones.size ? [...phones.values()].map((phone) => phone.customer) : remembered();
  number = config.numbers.find((each) => each.phone_number_id === id) ?? config.numbers[0];
  phones.clear();
  host.replaceChildren();
  for (const customer of open) openPhone(customer);
  activate(phones.values().next().value);
  switches.follow(number.phone_number_id);
}

// --- the socket ---------------------------------------------------------------------------------------------------

const connection = document.getElementById("connection");
const queue = document.getElementById("queue");

function showConnection(isLive) {
  connection.textContent = isLive ? t("live") : t("reconnecting");
  connection.dataset.live = String(isLive);
}

function grouped(messages) {
  const groups = new Map();
  for (const message of messages) groups.set(message.customer_id, [...(groups.get(message.customer_id) ?? []), message]);
  return groups;
}

socket.addEventListener("live", () => showConnection(true));
socket.addEventListener("lost", () => showConnection(false));
socket.addEventListener("messages", ({ detail }) => {
  const byCustomer = grouped(detail.messages);
  for (const [id, messages] of byCustomer) phones.get(id)?.take(messages);
  if (detail.messages.some((message) => message.answer && message.answer !== "200")) switches.look();
});
socket.addEventListener("typing", ({ detail }) => {
  for (const [id, phone] of phones) phone.setTyping(detail.customers.includes(id));
});
socket.addEventListener("said", ({ detail }) => phones.get(detail.message.customer_id)?.said(detail.ref, detail.message));
socket.addEventListener("problem", ({ detail }) => {
  const id = Number(String(detail.ref ?? "").split(".")[0]);
  if (phones.has(id)) phones.get(id).refused(detail.ref, detail.text);
  else toast(detail.text);
});
socket.addEventListener("queue", ({ detail }) => {
  const words = detail.failure ? t("not_taken", { why: detail.failure }) : t("waiting", { count: detail.waiting });
  queue.textContent = words;
  queue.title = words;
  queue.hidden = !detail.failure;
});

// --- the bar ------------------------------------------------------------------------------------------------------

document.getElementById("add-customer").addEventListener("click", () => {
  const hidden = [...customers.values()].filter((customer) => !phones.has(customer.id));
  openCustomers(hidden, (customer) => openPhone(customer, { focus: true }), createCustomer);
});

async function createCustomer(person) {
  try {
    const customer = await call("POST", "/simulator/api/customers/", person);
    customers.set(customer.id, customer);
    return customer;
  } catch (error) {
    toast(t("failed_call", { why: error.message }));
    return null;
  }
}

const themeButton = document.getElementById("theme");
themeButton.append(icon("theme"));
themeButton.addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  const theme = dark ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("simulator.theme", theme);
});

for (const button of document.querySelectorAll(".views button")) {
  button.addEventListener("click", () => {
    document.body.dataset.view = button.dataset.view;
    if (button.dataset.view === "switches") document.querySelector(".switches").open = true;
    for (const each of document.querySelectorAll(".views button")) each.setAttribute("aria-pressed", String(each === button));
  });
}

chooser.append(...config.numbers.map((each) => el("option", { value: each.phone_number_id }, `${each.verified_name} · ${each.display_phone_number}`)));
chooser.addEventListener("change", () => useNumber(chooser.value));
chooser.closest("label").hidden = config.numbers.length < 2;

useNumber(chooser.value);
new Clock();
if (matchMedia("(min-width: 60rem)").matches) phones.values().next().value?.focus();
