/* The gallery of results: arrows move through it, scores are shown as they were last time, and the
   help for all of it opens with "?". */

const SCORES = "contextvision.scores";

const links = () =>
  [...document.querySelectorAll(".gallery .tile-link")].filter((link) => link.checkVisibility());

// localStorage throws where cookies are refused.
function remembered(value) {
  try {
    if (value === undefined) return localStorage.getItem(SCORES);
    localStorage.setItem(SCORES, value);
  } catch {
    /* then it is not remembered */
  }
  return null;
}

/* Of all tiles, one is a stop of the Tab key, with what can be done to it. */
let current = null;

function stopAt(link) {
  for (const other of current?.isConnected ? [current] : links()) setStop(other, false);
  current = link;
  if (link) setStop(link, true);
}

function setStop(link, is) {
  for (const stop of link.closest(".tile").querySelectorAll("a")) stop.tabIndex = is ? 0 : -1;
}

function neighbour(link, key) {
  const all = links();
  const at = all.indexOf(link);
  const isRtl = getComputedStyle(link).direction === "rtl";
  switch (key) {
    case "ArrowRight":
      return all[at + (isRtl ? -1 : 1)];
    case "ArrowLeft":
      return all[at + (isRtl ? 1 : -1)];
    case "ArrowDown":
      return nearest(link, all.slice(at + 1));
    case "ArrowUp":
      return nearest(link, all.slice(0, at).reverse());
    case "Home":
      return all[0];
    case "End":
      return all.at(-1);
  }
}

/* The tile of the next row whose middle is nearest to this one's. */
function nearest(link, others) {
  const middle = (box) => box.left + box.width / 2;
  const here = link.getBoundingClientRect();
  let best = null;
  let row = null;
  for (const other of others) {
    const box = other.getBoundingClientRect();
    if (Math.abs(box.top - here.top) < 2) continue;
    row ??= box.top;
    if (Math.abs(box.top - row) > 2) break;
    const distance = Math.abs(middle(box) - middle(here));
    if (!best || distance < best.distance) best = { other, distance };
  }
  return best?.other;
}

/* Where a key leads from a tile, or down from the search box; there, what was searched for lately
   takes the key first. */
function destination(event) {
  if (event.target.id === "id_q") return event.key === "ArrowDown" ? links()[0] : undefined;
  const link = event.target.closest?.(".gallery .tile")?.querySelector(".tile-link");
  return link && neighbour(link, event.key);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.defaultPrevented || event.isComposing) return;
  const next = destination(event);
  if (next) {
    event.preventDefault();
    stopAt(next);
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest" });
  }
});

document.addEventListener("focusin", (event) => {
  const link = event.target.closest(".gallery .tile")?.querySelector(".tile-link");
  if (link && link !== current) stopAt(link);
});

document.addEventListener("change", (event) => {
  if (event.target.id === "show-scores") remembered(event.target.checked ? "yes" : "no");
});

/* Dialogs of a page's own, opened by a button or by "?". */
function openDialog(id) {
  const dialog = document.getElementById(id);
  if (dialog && !document.querySelector("dialog[open]")) dialog.showModal();
}

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) openDialog(opener.dataset.opens);
});

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input:not([type=checkbox]), textarea, select");
  if (event.key === "?" && !isTyping) openDialog("keys");
});

function prepare() {
  for (const opener of document.querySelectorAll("[data-opens]")) opener.hidden = false;
  const scores = document.getElementById("show-scores");
  if (scores) scores.checked = remembered() === "yes";
  const all = links();
  const kept = all.includes(current) ? current : all[0];
  for (const link of all) if (link !== kept) setStop(link, false);
  current = null;
  if (kept) stopAt(kept);
}

// Each new picture settles on its own.
let isDue = false;
document.addEventListener("htmx:afterSettle", (event) => {
  if (isDue || !["results", "pictures"].includes(event.detail.target?.id)) return;
  isDue = true;
  queueMicrotask(() => {
    isDue = false;
    prepare();
  });
});
prepare();
