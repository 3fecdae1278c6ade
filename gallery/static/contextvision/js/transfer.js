/* How bytes get to the server: in one request, or in parts that go on where they stopped. */

const PART = 8 * 1024 * 1024; // bytes; what a broken connection costs at most

/* The server said no, and would again: trying it once more is of no use. */
class Refused extends Error {
  final = true;
}

const words = () => JSON.parse(document.getElementById("upload-words").textContent);

/* The SHA-256 of a file in hexadecimal; empty where the browser has no means to tell it, as on a
   page that came over plain HTTP from another machine. */
export async function sha256(file) {
  if (!globalThis.crypto?.subtle) return "";
  try {
    const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  } catch {
    return ""; // it cannot be read; sending it will tell
  }
}

export class Connection {
  constructor(form) {
    this.form = form;
    this.token = form.elements.csrfmiddlewaretoken.value;
    this.words = words();
  }

  /* Which of these files the server has; none where it does not answer: then all are sent. */
  async known(hashes) {
    if (!hashes.length) return {};
    const data = new FormData();
    for (const hash of hashes) data.append("sha256", hash);
    try {
      return (await this.post(this.form.dataset.known, data))?.known ?? {};
    } catch {
      return {};
    }
  }

  /* Send a form and return the answer; nothing where what it names is not there. */
  async post(url, data, { signal, progress } = {}) {
    const answer = await this.request("POST", url, { body: data, signal, progress });
    if (answer.status === 404) return null;
    let values;
    try {
      values = JSON.parse(answer.responseText);
    } catch {
      throw this.fault(answer);
    }
    if (values.errors) throw new Refused(values.errors.join(" "));
    return values;
  }

  /* Send a form and return the piece of a page that comes back. */
  async fragment(url, data) {
    try {
      const answer = await this.request("POST", url, { body: data });
      return answer.status === 200 ? answer.responseText : "";
    } catch {
      return "";
    }
  }

  /* Send a file in parts and return the id under which the server keeps it. */
  async sendInParts(file, { signal, progress }) {
    const key = keyOf(file);
    let url = recall(key);
    let offset = url ? await this.offset(url, signal) : null;
    if (offset === null) {
      url = await this.begin(file, signal);
      remember(key, url);
      offset = 0;
    }
    progress(offset);
    while (offset < file.size) {
      const start = offset;
      const answer = await this.request("PATCH", url, {
        body: file.slice(start, start + PART),
        headers: { ...TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": start },
        signal,
        progress: (sent) => progress(start + sent),
      });
      if (answer.status === 409) {
        // A part of which the answer was lost; the server knows how far it came.
        offset = await this.offset(url, signal);
        if (offset === null) throw this.fault(answer);
      } else if (answer.status === 204) {
        offset = Number(answer.getResponseHeader("Upload-Offset"));
      } else {
        throw this.fault(answer);
      }
      progress(offset);
    }
    return url.split("/").at(-2);
  }

  /* The server has taken the file in: chosen again, it begins anew. */
  forget(file) {
    forget(keyOf(file));
  }

  async begin(file, signal) {
    const name = btoa(String.fromCodePoint(...new TextEncoder().encode(file.name)));
    const headers = { ...TUS, "Upload-Length": file.size, "Upload-Metadata": `filename ${name}` };
    const answer = await this.request("POST", this.form.dataset.parts, { headers, signal });
    if (answer.status === 413) throw new Refused(answer.responseText);
    if (answer.status !== 201) throw this.fault(answer);
    return answer.getResponseHeader("Location");
  }

  /* How many bytes have arrived; nothing where the server has given the file up. */
  async offset(url, signal) {
    const answer = await this.request("HEAD", url, { headers: TUS, signal });
    return answer.status === 200 ? Number(answer.getResponseHeader("Upload-Offset")) : null;
  }

  fault(answer) {
    if (answer.status === 200 || answer.status === 403) return new Error(this.words.signedOut);
    if (answer.status === 507) return new Error(this.words.noRoom);
    if (answer.status === 429) {
      const seconds = Number.parseInt(answer.getResponseHeader("Retry-After"), 10) || 60;
      return new Error(this.words.tooOften.replace("{seconds}", seconds));
    }
    return new Error(this.words.serverFault.replace("{status}", answer.status));
  }

  /* fetch() does not tell how much was sent, so this is the older way. */
  request(method, url, { body = null, headers = {}, signal, progress } = {}) {
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open(method, url);
      request.setRequestHeader("X-CSRFToken", this.token);
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      if (progress) request.upload.addEventListener("progress", (event) => progress(event.loaded));
      request.addEventListener("load", () => resolve(request));
      request.addEventListener("error", () => reject(new Error(this.words.offline)));
      request.addEventListener("abort", () => reject(new Error(this.words.paused)));
      signal?.addEventListener("abort", () => request.abort(), { once: true });
      if (signal?.aborted) reject(new Error(this.words.paused));
      else request.send(body);
    });
  }
}

const TUS = { "Tus-Resumable": "1.0.0" };

const keyOf = (file) => `upload ${file.name} ${file.size} ${file.lastModified}`;

/* So that a file chosen again goes on where it stopped, even after the page was closed. */
function remember(key, url) {
  try {
    localStorage.setItem(key, url);
  } catch {
    // Not allowed here; the file begins anew then.
  }
}

function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function forget(key) {
  try {
    localStorage.removeItem(key);
  } catch {
    // It was never kept.
  }
}
