/* Says in words when the server does not answer, where htmx would say nothing. */

const place = document.getElementById("faults");

function say(sentence) {
  const message = document.createElement("p");
  message.className = "message error";
  message.textContent = sentence;
  place.replaceChildren(message);
}

/* What could not be sent is sent again by a press, or as soon as the browser is connected. */
let again = null;

document.addEventListener("htmx:sendError", (event) => {
  const { elt, requestConfig } = event.detail;
  again = () => {
    again = null;
    place.replaceChildren();
    if (elt.isConnected) htmx.trigger(elt, requestConfig.triggeringEvent?.type ?? "click");
    else location.reload();
  };
  say(place.dataset.unreachable);
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = place.dataset.retry;
  button.addEventListener("click", () => again?.());
  place.firstElementChild.append(" ", button);
});

addEventListener("online", () => again?.());

document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 500) {
    say(place.dataset.broken);
  }
});

document.addEventListener("htmx:beforeSwap", () => {
  again = null;
  place.replaceChildren();
});
