/* The address of this page also stands for the picture over its gallery. Who followed a link from there,
   came back to here and goes back once more has only the address changed by the browser. */

const here = location.pathname;

addEventListener("popstate", () => {
  if (location.pathname !== here) location.reload();
});
