/* A picture of the gallery in large, with its words beside it. Its address is that of the picture's
   page, so it can be shared and reloaded; "back" closes it. */

const box = document.getElementById("lightbox");
const part = (name) => box.querySelector(`.lightbox-${name}`);
const links = () =>
  [...document.querySelectorAll("#pictures .tile-link")].filter((link) => link.checkVisibility());

const ENLARGED = 2;
/* A picture is shown at up to so many times its own size. */
const SWIPE = 60;
/* Pixels that a finger has to move. */

let shown = null;
let ahead = [];

/* The picture of a tile again, to be shown at that many pixels wide. */
function large(link, sizes) {
  const copy = link.querySelector("picture").cloneNode(true);
  for (const source of copy.children) source.sizes = sizes;
  copy.lastElementChild.loading = "eager";
  return copy;
}

function widthOf(link) {
  const { width, height } = link.querySelector("picture img").attributes;
  const ratio = width.value / height.value;
  const room = part("picture");
  return `${Math.ceil(Math.min(room.clientWidth, room.clientHeight * ratio))}px`;
}

function show(link) {
  shown = link;
  const all = links();
  const at = all.indexOf(link);
  const own = link.querySelector("picture img");
  const caption = link.querySelector(".tile-caption").textContent;
  const room = part("picture");
  room.style.setProperty("--width", `${ENLARGED * own.getAttribute("width")}px`);
  room.style.setProperty("--height", `${ENLARGED * own.getAttribute("height")}px`);

  // What the gallery has already stands there until the large one has come.
  const preview = document.createElement("img");
  preview.alt = "";
  preview.src = own.naturalWidth ? own.currentSrc : (link.querySelector(".tile-blur") ?? own).src;
  const picture = large(link, widthOf(link));
  picture.lastElementChild.alt = caption;
  room.replaceChildren(preview, picture);

  tellPlace();
  box.querySelector("[data-page]").href = link.href;
  box.querySelector("[data-step='-1']").setAttribute("aria-disabled", at === 0);
  box.querySelector("[data-step='1']").setAttribute("aria-disabled", at === all.length - 1 && !more());
  ahead = [all[at + 1], all[at - 1]].filter(Boolean).map((next) => large(next, widthOf(next)));
  link.scrollIntoView({ block: "nearest", behavior: "instant" });
  tell(link, caption);
}

/* Its place among the pictures that have come so far: what is after them is not known yet. */
function tellPlace() {
  const all = links();
  const before = Number(document.getElementById("pictures").dataset.beginsAt) - 1;
  const words = more() ? box.dataset.placeSoFar : box.dataset.place;
  part("place").textContent = words
    .replace("{place}", before + all.indexOf(shown) + 1)
    .replace("{count}", before + all.length);
}

function tell(link, caption) {
  const heading = document.createElement("h2");
  heading.id = "lightbox-heading";
  heading.dir = "auto";
  heading.textContent = caption;
  part("text").replaceChildren(heading);
  const marked = document.getElementById("pictures").dataset.marked;
  const address = marked ? `${link.href}?${marked}` : link.href;
  htmx.ajax("GET", address, { source: part("text"), target: part("text"), swap: "innerHTML" });
}

const more = () => {
  const next = document.querySelector("#pager a[rel=next]");
  return next?.checkVisibility() ? next : null;
};

function step(by) {
  const all = links();
  const next = all[all.indexOf(shown) + by];
  if (next) {
    show(next);
    history.replaceState({ picture: next.dataset.picture }, "", next.href);
  } else if (by > 0) {
    more()?.click();
  }
}

function open(link) {
  // htmx loads the page anew on the way back to an entry that is marked as its own. It marks it again
  // when it goes on to another search from there.
  history.replaceState({ ...history.state, htmx: false }, "");
  // On the way back the browser would scroll to where the large view was opened.
  history.scrollRestoration = "manual";
  history.pushState({ picture: link.dataset.picture }, "", link.href);
  box.showModal();
  show(link);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("#pictures .tile-link");
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  open(link);
});

box.addEventListener("click", (event) => {
  const stepper = event.target.closest("[data-step]");
  if (stepper) step(Number(stepper.dataset.step));
  if (event.target.closest("[data-close]") || event.target === part("picture")) box.close();
});

box.addEventListener("close", () => {
  part("picture").replaceChildren();
  part("text").replaceChildren();
  ahead = [];
  if (shown?.isConnected) {
    shown.focus({ preventScroll: true });
    shown.scrollIntoView({ block: "nearest", behavior: "instant" });
  }
  if (history.state?.picture) history.back();
});

addEventListener("popstate", (event) => {
  const picture = event.state?.picture;
  if (!picture) {
    if (box.open) box.close();
    return;
  }
  const link = links().find((other) => other.dataset.picture === picture);
  if (!link) location.reload();
  else {
    if (!box.open) box.showModal();
    show(link);
  }
});

box.addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const forward = getComputedStyle(box).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
  if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
  event.preventDefault();
  step(event.key === forward ? 1 : -1);
});

let touched = null;
part("stage").addEventListener("touchstart", (event) => {
  touched = event.touches.length === 1 ? event.touches[0] : null;
}, { passive: true });
part("stage").addEventListener("touchend", (event) => {
  if (!touched) return;
  const [end] = event.changedTouches;
  const across = end.clientX - touched.clientX;
  if (Math.abs(across) < SWIPE || Math.abs(end.clientY - touched.clientY) > SWIPE) return;
  step((across < 0) === (getComputedStyle(box).direction !== "rtl") ? 1 : -1);
});

document.addEventListener("htmx:afterSettle", (event) => {
  const { target } = event.detail;
  if (target === part("text")) {
    const less = shown?.closest(".tile").querySelector(".tile-less");
    const here = target.querySelector("[data-less]");
    const why = shown?.closest(".tile").querySelector(".tile-why");
    if (why) target.append(why.content.cloneNode(true));
    if (!less || !here) return;
    here.href = less.href;
    here.hidden = false;
  }
  if (target?.id === "pictures" && box.open) {
    box.querySelector("[data-step='1']").setAttribute("aria-disabled", false);
    tellPlace();
  }
});
