// The one WebSocket of the page: it comes back by itself and tells whether it is live.

const FIRST_WAIT = 400;
const LONGEST_WAIT = 8000;

export class Socket extends EventTarget {
  #socket = null;
  #wait = FIRST_WAIT;
  #opening = null;

  get isLive() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Connect, and on every new connection say `opening` first. */
  open(opening) {
    this.#opening = opening;
    if (this.isLive) this.send(opening);
    else if (this.#socket === null) this.#connect();
  }

  send(message) {
    if (!this.isLive) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  #connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.#socket = new WebSocket(`${scheme}://${location.host}/ws/simulator/`);
    this.#socket.addEventListener("open", () => {
      this.#wait = FIRST_WAIT;
      this.send(this.#opening);
      this.#tell("live");
    });
    this.#socket.addEventListener("message", (event) => {
      const message = JSON.parse(event.data);
      this.#tell(message.type, message);
    });
    this.#socket.addEventListener("close", () => this.#again());
  }

  #again() {
    this.#tell("lost");
    setTimeout(() => this.#connect(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
