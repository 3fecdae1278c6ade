/* Conveniences of the search page; without them it works the same way. */

const form = document.getElementById("search-form");

// Empty fields stay out of the address.
form?.addEventListener("formdata", (event) => {
  const data = event.formData;
  for (const [name, value] of [...data.entries()]) {
    if (value === "" || (value instanceof File && !value.name)) data.delete(name);
  }
});

// Who turns a page with the keyboard goes on reading at its beginning.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.elt.id !== "results") return;
  if (event.detail.requestConfig?.elt.matches?.("[data-turns-page]")) {
    document.getElementById("results-heading")?.focus({ preventScroll: true });
  }
});
