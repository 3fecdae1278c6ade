/* Searches made in this browser, offered when the box is entered. The server is told nothing. */

const KEY = "contextvision.recent";
const KEPT = 20;
const SHOWN = 6;

const box = document.getElementById("id_q");
const panel = document.getElementById("recent");
const list = document.getElementById("recent-list");
const frame = document.getElementById("search-form");

// localStorage throws where cookies are refused.
function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return kept.filter((each) => typeof each.title === "string" && typeof each.query === "string");
  } catch {
    return [];
  }
}

function write(searches) {
  try {
    localStorage.setItem(KEY, JSON.stringify(searches));
  } catch {
    /* then they are not kept */
  }
}

function note() {
  const { title, query } = document.getElementById("query").dataset;
  if (!title || !query) return;
  const others = read().filter((each) => each.query !== query);
  write([{ title, query }, ...others].slice(0, KEPT));
}

function link({ title, query }) {
  const item = document.createElement("li");
  const anchor = document.createElement("a");
  anchor.href = `${frame.action}?${query}`;
  anchor.dir = "auto";
  anchor.textContent = title;
  item.append(anchor);
  return item;
}

function show() {
  const { words, query } = document.getElementById("query").dataset;
  const typed = box.value === words ? "" : box.value.trim().toLowerCase();
  const fitting = read().filter(
    (each) => each.query !== query && each.title.toLowerCase().includes(typed),
  );
  list.replaceChildren(...fitting.slice(0, SHOWN).map(link));
  panel.hidden = fitting.length === 0;
}

const hide = () => {
  panel.hidden = true;
};

box.addEventListener("focus", show);
box.addEventListener("click", show);
box.addEventListener("input", show);
frame.addEventListener("submit", hide);
document.addEventListener("htmx:beforeSend", hide);
document.addEventListener("focusin", (event) => {
  if (event.target !== box && !panel.contains(event.target)) hide();
});
document.addEventListener("pointerdown", (event) => {
  if (event.target !== box && !panel.contains(event.target)) hide();
});

frame.addEventListener("keydown", (event) => {
  if (panel.hidden) return;
  const stops = [box, ...list.querySelectorAll("a")];
  const at = stops.indexOf(document.activeElement);
  if (event.key === "Escape") {
    event.preventDefault();
    box.focus();
    hide();
  } else if (at >= 0 && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    const next = at + (event.key === "ArrowDown" ? 1 : -1);
    stops[(next + stops.length) % stops.length].focus();
  }
});

document.getElementById("recent-clear").addEventListener("click", () => {
  write([]);
  box.focus();
  hide();
});

document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target?.id === "results") note();
});
note();
