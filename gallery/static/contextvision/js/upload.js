/* The upload page: files are looked at before they are sent, and sent one by one, so that each can be
   paused, resumed and tried again. Large ones go in parts, by the tus protocol. */

import { Connection, sha256 } from "./transfer.js";

const AT_ONCE = 3;
const HASHED_AT_ONCE = 50;
const IN_PARTS_FROM = 8 * 1024 * 1024; // bytes
const MEGABYTE = 1024 * 1024;

const form = document.getElementById("upload");
const words = JSON.parse(document.getElementById("upload-words").textContent);
const input = form.querySelector("#id_pictures");
const folder = form.querySelector("#folder");
const zone = form.querySelector(".dropzone");
const invitation = form.querySelector("#chosen");
const section = document.getElementById("transfers");
const list = section.querySelector("ul");
const heading = section.querySelector("h2");
const bar = document.getElementById("transfers-progress");
const amount = document.getElementById("transfers-amount");
const template = document.getElementById("transfer");
const limits = {
  bytes: Number(form.dataset.maxBytes),
  archive: Number(form.dataset.maxArchiveBytes),
  files: Number(form.dataset.maxFiles),
};
const connection = new Connection(form);

/* What a row offers, by its state. */
const OFFERS = {
  checking: ["remove"],
  ready: ["remove"],
  known: [],
  waiting: ["pause"],
  sending: ["pause"],
  paused: ["resume", "remove"],
  failed: ["retry", "remove"],
};
const BADGES = { new: "succeeded", importing: "running", sending: "running", taking: "running", refused: "failed", failed: "failed", paused: "stopping" };

let items = [];
let started = false;
let checking = false;
let created = [];

const say = (name, values = {}) =>
  words[name].replace(/\{(\w+)\}/g, (_, key) => String(values[key]));

function spellSize(bytes) {
  if (bytes < MEGABYTE / 10) return `${Math.max(1, Math.round(bytes / 1024))} kB`;
  return `${(bytes / MEGABYTE).toFixed(1)} MB`;
}

const isArchive = (file) => /\.(zip|tar)$/i.test(file.name);
const isPicture = (file) => file.type.startsWith("image/") || /\.(hei[cf]|avif|jpe?g|png|webp|gif|tiff?)$/i.test(file.name);

/* Why a file will not be taken, as far as that can be told from here; empty if it may be. */
function objection(file, place) {
  if (!isArchive(file) && !isPicture(file)) return say("notPicture", { accepted: form.dataset.accepted });
  if (!file.size) return say("empty");
  const limit = isArchive(file) ? limits.archive : limits.bytes;
  if (file.size > limit) return say("tooLarge", { size: spellSize(file.size), limit: spellSize(limit) });
  return place >= limits.files ? say("tooMany", { limit: limits.files }) : "";
}

class Item {
  constructor(file) {
    this.file = file;
    this.sent = 0;
    this.row = template.content.firstElementChild.cloneNode(true);
    this.row.querySelector(".file-name").textContent = file.name;
    this.row.querySelector("[data-size]").textContent = spellSize(file.size);
    this.bar = this.row.querySelector("progress");
    this.bar.setAttribute("aria-label", file.name);
    list.append(this.row);
  }

  become(state, { reason = "", url, thumbnail } = {}) {
    this.state = state;
    this.row.dataset.state = state;
    const badge = this.row.querySelector(".badge");
    badge.textContent = words[state];
    badge.className = `badge ${BADGES[state] ?? "neutral"}`;
    this.row.querySelector("[data-reason]").textContent = reason;
    const offers = (OFFERS[state] ?? []).map((name) => this.button(name));
    const buttons = this.row.querySelector(".transfer-buttons");
    const hadFocus = buttons.contains(document.activeElement);
    buttons.replaceChildren(...offers);
    if (hadFocus) (offers[0] ?? heading).focus();
    this.bar.hidden = !["sending", "paused", "taking"].includes(state);
    if (state === "taking") this.bar.removeAttribute("value");
    if (state === "importing") this.link(url, say("watchImport"));
    else if (url) this.row.querySelector(".transfer-name").href = url;
    if (thumbnail) {
      const picture = this.row.querySelector("img");
      picture.src = thumbnail;
      picture.hidden = false;
    }
    tell();
  }

  button(name) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "quiet";
    button.dataset.do = name;
    button.textContent = words[name];
    button.setAttribute("aria-label", `${words[name]}: ${this.file.name}`);
    button.addEventListener("click", () => this[name]());
    return button;
  }

  link(url, text) {
    const link = this.row.querySelector("[data-link]");
    link.href = url;
    link.textContent = text;
    link.hidden = false;
  }

  progress(sent) {
    this.sent = sent;
    this.bar.value = sent / this.file.size;
    tell();
  }

  remove() {
    this.row.remove();
    items = items.filter((item) => item !== this);
    if (!items.length) section.hidden = true;
    tell();
  }

  pause() {
    this.stop?.abort();
    this.become("paused");
    pump();
  }

  resume() {
    this.become("waiting");
    pump();
  }

  retry() {
    this.resume();
  }

  async send() {
    this.stop = new AbortController();
    const stop = this.stop;
    this.become("sending");
    try {
      const answer = await this.deliver(stop.signal);
      if (answer.image && answer.state === "new") created.push(answer.image);
      this.become(answer.state, answer);
    } catch (error) {
      if (stop.signal.aborted) return; // paused, or taken up again since
      this.become(error.final ? "refused" : "failed", { reason: error.message });
    } finally {
      if (!stop.signal.aborted) pump();
    }
  }

  async deliver(signal) {
    const progress = (sent) => this.progress(sent);
    if (this.sha256 && this.isKnown) {
      const answer = await connection.post(form.dataset.file, this.fields({ known: this.sha256, name: this.file.name }), { signal });
      if (answer) return answer;
      this.isKnown = false; // it was deleted since
    }
    if (isArchive(this.file) || this.file.size >= IN_PARTS_FROM) {
      const received = await connection.sendInParts(this.file, { signal, progress });
      this.become("taking");
      const answer = await connection.post(form.dataset.file, this.fields({ received }), { signal });
      connection.forget(this.file);
      if (!answer) throw new Error(words.offline); // the server has given it up meanwhile
      return answer;
    }
    const data = this.fields();
    data.set("pictures", this.file, this.file.name);
    return connection.post(form.dataset.file, data, {
      signal,
      progress: (sent) => {
        progress(Math.min(sent, this.file.size));
        if (sent >= this.file.size) this.become("taking");
      },
    });
  }

  /* What the form says, with what belongs to this file alone. */
  fields(more = {}) {
    const data = new FormData(form);
    data.delete("pictures");
    for (const [name, value] of Object.entries(more)) data.set(name, value);
    return data;
  }
}

/* --- Looking at files before they are sent --- */

function add(files) {
  if (!files.length) return;
  if (items.every((item) => !["checking", "ready", "waiting", "sending", "taking"].includes(item.state))) {
    started = false; // a new round
  }
  section.hidden = false;
  for (const file of files) {
    const item = new Item(file);
    const place = items.filter((other) => !["refused", "new"].includes(other.state)).length;
    items.push(item);
    const reason = objection(file, place);
    item.become(reason ? "refused" : "checking", { reason });
  }
  const weight = files.reduce((sum, file) => sum + file.size, 0);
  invitation.textContent = say("chosen", { count: files.length, size: spellSize(weight) });
  check();
}

async function check() {
  if (checking) return;
  checking = true;
  let group;
  while ((group = items.filter((item) => item.state === "checking").slice(0, HASHED_AT_ONCE)).length) {
    for (const item of group) {
      item.sha256 = isArchive(item.file) ? "" : await sha256(item.file);
    }
    const known = await connection.known(group.map((item) => item.sha256).filter(Boolean));
    for (const item of group) {
      if (item.state === "checking") settle(item, known);
    }
    pump();
  }
  checking = false;
  await finish();
}

function settle(item, known) {
  const twin = item.sha256 && items.find((other) => other !== item && other.sha256 === item.sha256 && other.state !== "checking");
  if (twin) {
    item.become("known", { reason: say("twice", { name: twin.file.name }) });
  } else if (item.sha256 in known) {
    item.isKnown = true;
    item.become("ready", { reason: `${words.known}. ${words.knownBefore}`, ...known[item.sha256] });
  } else {
    item.become("ready");
  }
}

/* --- Sending --- */

function pump() {
  if (!started) return;
  for (const item of items) if (item.state === "ready") item.become("waiting");
  const active = items.filter((item) => ["sending", "taking"].includes(item.state)).length;
  items.filter((item) => item.state === "waiting").slice(0, Math.max(0, AT_ONCE - active)).forEach((item) => item.send());
  finish();
}

async function finish() {
  const busy = items.some((item) => ["checking", "waiting", "sending", "taking"].includes(item.state));
  if (!started || busy || checking || !created.length) return;
  const data = new FormData();
  for (const image of created) data.append("image", image);
  created = [];
  const html = await connection.fragment(form.dataset.finish, data);
  if (!html) return; // maintenance embeds them
  const card = document.createElement("div");
  card.className = "card";
  card.innerHTML = html;
  document.getElementById("transfers-job").replaceChildren(card);
  window.htmx.process(card);
}

/* --- Telling --- */

let telling = false;

function tell() {
  if (telling) return;
  telling = true;
  requestAnimationFrame(() => {
    telling = false;
    const count = (...states) => items.filter((item) => states.includes(item.state)).length;
    const parts = [
      ["summaryNew", count("new")],
      ["summaryKnown", count("known")],
      ["summaryImporting", count("importing")],
      ["summaryRefused", count("refused")],
      ["summaryFailed", count("failed")],
      ["summaryReady", count("ready")],
    ].filter(([, number]) => number);
    const sentence = parts.map(([name, number]) => say(name, { count: number })).join(", ");
    const busy = count("waiting", "sending", "taking") > 0;
    if (sentence) heading.textContent = sentence;
    if (!busy && !checking) document.getElementById("transfers-news").textContent = sentence;
    const going = items.filter((item) => ["waiting", "sending", "taking", "paused", "failed", "new", "importing"].includes(item.state));
    const total = going.reduce((sum, item) => sum + item.file.size, 0);
    const done = going.reduce((sum, item) => sum + item.sent, 0);
    bar.hidden = amount.hidden = !busy && !count("paused");
    bar.value = total ? done / total : 0;
    amount.textContent = say("progress", { done: spellSize(done), total: spellSize(total) });
    const offer = (name, shown) => (section.querySelector(`[data-all=${name}]`).hidden = !shown);
    offer("pause", count("waiting", "sending"));
    offer("resume", count("paused"));
    offer("retry", count("failed"));
    offer("clear", !busy);
  });
}

/* --- What a person does --- */

/* Files of what was dropped, folders and what is in them included; hidden ones are left out. */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const found = [];
  const walk = async (entry) => {
    if (entry.name.startsWith(".")) return;
    if (entry.isFile) {
      found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
      return;
    }
    const reader = entry.createReader();
    let batch;
    while ((batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))).length) {
      for (const inner of batch) await walk(inner);
    }
  };
  for (const entry of entries) await walk(entry);
  return found;
}

for (const name of ["dragenter", "dragover"]) {
  zone.addEventListener(name, (event) => {
    event.preventDefault();
    zone.classList.add("is-over");
  });
}
for (const name of ["dragleave", "drop"]) zone.addEventListener(name, () => zone.classList.remove("is-over"));
zone.addEventListener("drop", async (event) => {
  event.preventDefault();
  add(await dropped(event.dataTransfer));
});
for (const chooser of [input, folder]) {
  chooser.addEventListener("change", () => {
    add([...chooser.files].filter((file) => !file.name.startsWith(".")));
    chooser.value = "";
  });
}
form.querySelector("#choose-folder").addEventListener("click", () => folder.click());

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!items.some((item) => ["checking", "ready", "waiting"].includes(item.state))) {
    document.getElementById("transfers-news").textContent = words.nothing;
    input.focus();
    return;
  }
  started = true;
  heading.focus();
  pump();
});

for (const button of section.querySelectorAll("[data-all]")) {
  button.addEventListener("click", () => {
    const of = { pause: ["waiting", "sending"], resume: ["paused"], retry: ["failed"] }[button.dataset.all];
    if (of) {
      const chosen = items.filter((item) => of.includes(item.state));
      const pauses = button.dataset.all === "pause";
      for (const item of chosen) {
        if (pauses) item.stop?.abort();
        item.become(pauses ? "paused" : "waiting");
      }
      pump();
    } else {
      for (const item of [...items]) item.remove();
      document.getElementById("transfers-job").replaceChildren();
      invitation.textContent = invitation.dataset.withScript;
      input.focus();
    }
  });
}

window.addEventListener("online", () => {
  for (const item of items) if (item.state === "failed") item.retry();
});
window.addEventListener("beforeunload", (event) => {
  if (items.some((item) => ["waiting", "sending", "taking"].includes(item.state))) event.preventDefault();
});

// The plain form needs a file and takes pictures only; here the list of files is what counts.
input.required = false;
input.accept = "image/*,.zip,.tar";
invitation.textContent = invitation.dataset.withScript;
for (const part of form.querySelectorAll("[data-scripted]")) part.hidden = false;
if (input.files.length) add([...input.files]); // chosen before this script had loaded
