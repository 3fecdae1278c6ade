/* Buttons that copy an address of this site. */

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Over plain HTTP from another machine there is no clipboard to write to, but this.
  const field = document.createElement("textarea");
  field.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(field);
  field.select();
  const isDone = document.execCommand("copy");
  field.remove();
  if (!isDone) throw new Error("The browser does not let pages copy.");
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  const address = new URL(button.dataset.copies, location.href).href;
  const words = button.querySelector("span");
  try {
    await copy(address);
    words.textContent = button.dataset.copied;
  } catch {
    words.textContent = address; // to be copied by hand
  }
  button.focus();
});

function reveal() {
  for (const button of document.querySelectorAll("[data-copies][hidden]")) button.hidden = false;
}

document.addEventListener("htmx:afterSettle", reveal);
reveal();
