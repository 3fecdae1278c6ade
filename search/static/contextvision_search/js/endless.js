/* More pictures come while one scrolls. The address follows, so that it can be shared, reloaded and
   come back to; after some pages a press of the link is needed, so that the end can be reached. */

const UNASKED = 6;
/* Pages that come by themselves, until the link is pressed. */
const AHEAD = "500px";
/* How far below the screen the end may be when the next page is asked for. */

const HEADER = 60;
/* Pixels of the screen that lie under the header. */

let left = UNASKED;

const isShown = () => !document.querySelector("dialog[open]");
const keep = (state, url) => history.replaceState({ ...history.state, ...state }, "", url);

const watcher = new IntersectionObserver(
  (entries) => {
    if (!entries.some((entry) => entry.isIntersecting) || left <= 0) return;
    left -= 1;
    htmx.trigger("#pager a[rel=next]", "near");
  },
  { rootMargin: `0px 0px ${AHEAD}` },
);

function watch() {
  watcher.disconnect();
  const next = document.querySelector("#pager a[rel=next]");
  if (!next || navigator.connection?.saveData) return;
  htmx.process(next); // it comes to the page only when that is whole, and this may be seen before
  watcher.observe(next);
}

document.addEventListener("click", (event) => {
  if (event.target.closest("#pager a[rel=next]")) left = UNASKED;
});

/* Where a page begins, and whether who pressed the link goes on from there. */
let begins = null;

document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr, requestConfig } = event.detail;
  if (target.id === "results") left = UNASKED;
  if (target.id !== "pictures") return;
  if (xhr.status >= 400) {
    event.detail.shouldSwap = false;
    left = 0;
    complain(xhr.responseText);
    return;
  }
  begins = {
    last: target.lastElementChild,
    url: requestConfig.path,
    isPressed: document.activeElement === requestConfig.elt,
  };
});

// Not before htmx knows the new link, which is when all has settled.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.target?.id === "results") begin();
  if (event.detail.target?.id !== "pictures" || !begins) return;
  const first = begins.last.nextElementSibling;
  if (first) first.dataset.page = begins.url;
  if (begins.isPressed) first?.querySelector(".tile-link").focus();
  begins = null;
  watch();
});

function complain(html) {
  const problem = new DOMParser().parseFromString(html, "text/html").querySelector("#problem p, main p");
  const pager = document.getElementById("pager");
  pager.querySelector("p")?.remove();
  const words = document.createElement("p");
  words.className = "message warning";
  words.setAttribute("role", "alert");
  words.textContent = problem?.textContent ?? "";
  pager.prepend(words);
}

/* The page that is read, and the picture at the top of the screen. */
function note() {
  const pictures = document.getElementById("pictures");
  if (!pictures || !isShown()) return;
  const tiles = [...pictures.children];
  const top = tiles.findIndex((tile) => tile.getBoundingClientRect().bottom > HEADER);
  const begun = tiles.slice(0, top + 1).findLast((tile) => tile.dataset.page);
  const url = begun?.dataset.page ?? pictures.dataset.first;
  const at = scrollY > 0 ? tiles[top]?.querySelector(".tile-link")?.dataset.picture : undefined;
  keep({ at }, url);
}

function begin() {
  const pictures = document.getElementById("pictures");
  if (pictures) pictures.dataset.first = location.pathname + location.search;
  watch();
}

/* Back at a page that had grown: its last part is here, and in it the picture one had left at. */
function comeBack() {
  const [visit] = performance.getEntriesByType("navigation");
  const at = history.state?.at;
  if (!at || visit?.type === "navigate") return;
  history.scrollRestoration = "manual";
  document.querySelector(`[data-picture="${CSS.escape(at)}"]`)?.scrollIntoView({ block: "start" });
}

document.addEventListener("scrollend", note);
document.addEventListener("htmx:historyRestore", begin);
begin();
comeBack();
