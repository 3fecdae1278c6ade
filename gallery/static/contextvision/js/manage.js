/* The list of managed pictures: choosing many, and captions that are saved as one leaves them. */

const list = document.getElementById("managed");
const boxes = [...document.querySelectorAll("#managed input[name=image]")];
const page = document.getElementById("choose-page");
const everything = document.getElementById("choose-everything");
const count = document.getElementById("chosen-count");

/* --- Choosing --- */

function tell() {
  const ticked = boxes.filter((box) => box.checked).length;
  for (const box of boxes) box.disabled = everything.checked;
  page.disabled = everything.checked;
  page.checked = ticked === boxes.length;
  page.indeterminate = ticked > 0 && ticked < boxes.length;
  const chosen = everything.checked ? Number(count.dataset.total) : ticked;
  const number = chosen.toLocaleString(document.documentElement.lang);
  count.textContent = chosen ? count.dataset.some.replace("{count}", number) : count.dataset.none;
}

if (list) {
  let last = null;
  list.addEventListener("click", (event) => {
    const label = event.target.closest(".managed-picture");
    const box = label?.querySelector("input");
    if (!box || event.target !== box) return;
    if (event.shiftKey && last) {
      const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
      for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
    }
    last = box;
    tell();
  });
  // A click on the picture reaches its box without saying that Shift was held, so it is passed on.
  list.addEventListener("click", (event) => {
    if (!event.shiftKey || !event.target.matches(".managed-picture img")) return;
    event.preventDefault();
    const box = event.target.closest("label").querySelector("input");
    box.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, shiftKey: true }));
  });
  page.addEventListener("change", () => {
    for (const box of boxes) box.checked = page.checked;
    tell();
  });
  everything.addEventListener("change", tell);
  page.closest("label").hidden = false;
  document.body.classList.add("saves-by-itself");
  tell();
}

/* --- Captions --- */

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !event.target.matches(".captions-form input[name=caption]")) return;
  event.target.value = event.target.defaultValue;
});

document.addEventListener("htmx:afterRequest", (event) => {
  const form = event.detail.elt;
  if (!form.matches?.(".captions-form") || !event.detail.successful) return;
  // What was saved is what Escape goes back to.
  const fields = [...form.querySelectorAll("input[name=caption]")];
  const sent = event.detail.requestConfig.formData.getAll("caption");
  fields.forEach((field, place) => {
    field.defaultValue = sent[place] ?? "";
  });
  const empty = fields.at(-1);
  if (!empty.value) return;
  const next = empty.cloneNode();
  next.value = next.defaultValue = "";
  empty.removeAttribute("placeholder");
  empty.after(next);
});
