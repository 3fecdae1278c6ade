/* Says in words when the server does not answer, where htmx would say nothing. */

const place = document.getElementById("faults");

function say(sentence) {
  const message = document.createElement("p");
  message.className = "message error";
  message.textContent = sentence;
  place.replaceChildren(message);
}

document.addEventListener("htmx:sendError", () => {
  say("The server cannot be reached. Look at your connection, then try again.");
});

document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 500) {
    say("Something went wrong on the server. It has been written down in its log; try again.");
  }
});

document.addEventListener("htmx:beforeSwap", () => place.replaceChildren());
