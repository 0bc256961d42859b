/** Requests to the routes of the strip, each with the token; what is refused is an error that bears the server's own sentence. */

const ASK_AGAIN_MS = 20000; // a page that lost its connection may never have heard that the token is old

/** What the server would not do: `status` of HTTP, `expired` where only the token is old. */
export class Refused extends Error {
  constructor(status, said) {
    super(said.error ?? `the server answered ${status}`);
    this.status = status;
    this.expired = status === 403 && said.expired === true;
  }

  /** Whether asking again cannot help: the fault is in what was asked. */
  get final() {
    return !this.expired && this.status >= 400 && this.status < 500 && this.status !== 408 && this.status !== 429;
  }
}

export class Wire {
  #askedAt = -Infinity;
  #old = null;

  /** `renew` is called when the token is old: once for each token. */
  constructor(token, renew) {
    this.token = token;
    this.renew = renew;
    this.underway = 0;
  }

  /** Whether requests wait for a new token. */
  get waiting() {
    return this.#old === this.token;
  }

  /** Go on with a token; true if it is another than before. */
  use(token) {
    const changed = token !== this.token;
    this.token = token;
    return changed;
  }

  /** Ask once more for a new token, if one has been waited for too long. */
  remind() {
    if (this.waiting) this.#askForToken();
  }

  async bytes(path, signal) {
    return (await this.#ask(path, { signal })).arrayBuffer();
  }

  async json(path) {
    return (await this.#ask(path, { cache: "no-store" })).json();
  }

  async post(path, body) {
    const headers = { "Content-Type": "application/json" };
    return (await this.#ask(path, { method: "POST", headers, body: JSON.stringify(body) })).json();
  }

  async #ask(path, options) {
    if (this.waiting) throw new Refused(403, { error: "waiting for a new token", expired: true });
    const token = this.token;
    this.underway += 1;
    try {
      const answer = await fetch(path, { ...options, headers: { ...options.headers, "X-Strip-Token": token } });
      if (answer.ok) return answer;
      const refused = new Refused(answer.status, await answer.json().catch(() => ({})));
      if (refused.expired) this.#expire(token);
      throw refused;
    } finally {
      this.underway -= 1;
    }
  }

  /** An answer to an older token, on its way while a new one came, says nothing about the new one. */
  #expire(token) {
    if (token !== this.token || this.waiting) return;
    this.#old = token;
    this.#askedAt = -Infinity;
    this.#askForToken();
  }

  #askForToken() {
    if (performance.now() - this.#askedAt < ASK_AGAIN_MS) return;
    this.#askedAt = performance.now();
    this.renew();
  }
}
