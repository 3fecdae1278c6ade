/* Conveniences of the search form; without them it works the same way. */

const form = document.getElementById("search-form");
const box = document.getElementById("id_q");
const isTyping = (node) => node.closest("input, textarea, select, [contenteditable]") !== null;

// Empty fields stay out of the address.
form.addEventListener("formdata", (event) => {
  const data = event.formData;
  for (const name of new Set(data.keys())) {
    const values = data.getAll(name);
    const filled = values.filter((value) => (value instanceof File ? value.name : value !== ""));
    if (filled.length === values.length) continue;
    data.delete(name);
    for (const value of filled) data.append(name, value);
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target)) {
    event.preventDefault();
    box.focus();
    box.select();
  }
});

// One menu at a time, closed by Esc or by pressing beside it.
const menu = () => form.querySelector(".chip-menu[open]");
document.addEventListener("pointerdown", (event) => {
  if (!menu()?.contains(event.target)) menu()?.removeAttribute("open");
});
form.addEventListener("keydown", (event) => {
  const open = menu();
  if (event.key !== "Escape" || !open) return;
  event.stopPropagation();
  open.open = false;
  open.querySelector("summary").focus();
});

/* An answer brings what was asked anew: the box shows it, unless somebody has typed something else
   meanwhile, and who used the keyboard goes on where he was. */
let asked = box.value;
let isUnsent = false;
let place = null;
document.addEventListener("htmx:beforeSend", (event) => {
  asked = box.value;
  isUnsent = event.detail.elt !== form && asked !== document.getElementById("query").dataset.words;
  place = null;
  const here = document.activeElement;
  const query = document.getElementById("query");
  if (!query.contains(here)) return;
  const chips = [...query.querySelectorAll(".chip")];
  place = { id: here.id, href: here.getAttribute("href"), chip: chips.indexOf(here.closest(".chip")) };
});
document.addEventListener("htmx:oobAfterSwap", (event) => {
  if (event.detail.target.id !== "query") return;
  const query = document.getElementById("query");
  if (box.value === asked && !isUnsent) box.value = query.dataset.words;
  if (!place) return;
  const chip = query.querySelectorAll(".chip")[place.chip];
  const again = (place.id && document.getElementById(place.id)) || chip?.querySelector("summary, a");
  (again ?? document.getElementById("filters-toggle"))?.focus({ preventScroll: true });
});

// Who turns a page with the keyboard goes on reading at its beginning.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.elt.id !== "results") return;
  if (event.detail.requestConfig?.elt.matches?.("[data-turns-page]")) {
    document.getElementById("results-heading")?.focus({ preventScroll: true });
  }
});
