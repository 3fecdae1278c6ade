/* A picture to search with: chosen, dropped anywhere on the page, or pasted. It is sent at once. */

const input = document.getElementById("id_image");
const hint = document.getElementById("drop-hint");
const limit = Number(input.dataset.maxBytes);

function search(file) {
  const holder = new DataTransfer();
  holder.items.add(file);
  input.files = holder.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}

const carriesFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
const pictureIn = (files) => [...files].find((file) => file.type.startsWith("image/")) ?? files[0];

// Entered and left are counted, since every element on the way says so too.
let depth = 0;
function show(isOver) {
  depth = isOver ? depth : 0;
  hint.hidden = !isOver;
}
document.addEventListener("dragenter", (event) => {
  if (!carriesFile(event)) return;
  depth += 1;
  show(true);
});
document.addEventListener("dragleave", (event) => {
  if (!carriesFile(event)) return;
  depth -= 1;
  if (depth <= 0) show(false);
});
document.addEventListener("dragover", (event) => {
  if (carriesFile(event)) event.preventDefault();
});
document.addEventListener("drop", (event) => {
  if (!carriesFile(event)) return;
  event.preventDefault();
  show(false);
  const file = pictureIn(event.dataTransfer.files);
  if (file) search(file);
});

document.addEventListener("paste", (event) => {
  const file = pictureIn(event.clipboardData.files);
  if (!file) return;
  event.preventDefault();
  search(file);
});

// What is too large is told before it is sent.
input.addEventListener("htmx:beforeRequest", (event) => {
  const [file] = input.files;
  const isTooLarge = file && file.size > limit;
  if (!file || isTooLarge) event.preventDefault();
  if (!isTooLarge) return;
  const help = document.getElementById("image-help");
  help.className = "image-help is-wrong";
  help.setAttribute("role", "alert");
  help.textContent = input.dataset.tooLarge.replace("{name}", file.name);
  input.value = "";
});
// The next search finds it in the address. What did not arrive may be sent again.
input.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.xhr.status) input.value = "";
});
