/* Fields for files: says what was chosen, and what is too much, before anything is sent. */

const MEGABYTE = 1024 * 1024;

function spellSize(bytes) {
  if (bytes < MEGABYTE / 10) return `${Math.max(1, Math.round(bytes / 1024))} kB`;
  return `${(bytes / MEGABYTE).toFixed(1)} MB`;
}

function describe(files, limits) {
  const weight = [...files].reduce((sum, file) => sum + file.size, 0);
  const name = files.length === 1 ? files[0].name : `${files.length} files`;
  const chosen = `${name}, ${spellSize(weight)}`;
  const tooLarge = [...files].filter((file) => limits.bytes && file.size > limits.bytes);
  if (limits.files && files.length > limits.files) {
    return `${chosen}: more than the ${limits.files} files that are taken at once`;
  }
  if (tooLarge.length === 1) return `${chosen}: ${tooLarge[0].name} is too large and will be refused`;
  if (tooLarge.length) return `${chosen}: ${tooLarge.length} are too large and will be refused`;
  return chosen;
}

for (const zone of document.querySelectorAll("[data-dropzone]")) {
  const input = zone.querySelector("input[type=file]");
  const text = zone.querySelector("[data-chosen]");
  const invitation = text.textContent;
  const limits = { bytes: Number(zone.dataset.maxBytes), files: Number(zone.dataset.maxFiles) };
  let preview = null;

  const show = () => {
    if (preview) {
      URL.revokeObjectURL(preview.src);
      preview.remove();
      preview = null;
    }
    text.textContent = input.files.length ? describe(input.files, limits) : invitation;
    if (!input.multiple && input.files.length && input.files[0].type.startsWith("image/")) {
      preview = new Image();
      preview.alt = "";
      preview.src = URL.createObjectURL(input.files[0]);
      zone.prepend(preview);
    }
  };

  input.addEventListener("change", show);
  for (const name of ["dragenter", "dragover"]) {
    zone.addEventListener(name, () => zone.classList.add("is-over"));
  }
  for (const name of ["dragleave", "drop"]) {
    zone.addEventListener(name, () => zone.classList.remove("is-over"));
  }
  show();
}

for (const form of document.querySelectorAll("[data-upload-progress]")) {
  const bar = document.querySelector(form.dataset.uploadProgress);
  form.addEventListener("htmx:xhr:progress", (event) => {
    const { loaded, total } = event.detail;
    bar.hidden = false;
    if (total && loaded < total) bar.value = (100 * loaded) / total;
    else bar.removeAttribute("value"); // all is sent; the pictures are being decoded
  });
  form.addEventListener("htmx:afterRequest", () => {
    bar.hidden = true;
  });
}
