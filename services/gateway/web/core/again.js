// Trying again later: each time after a longer wait, and at once when the network is back.

const WAITS_MS = [1000, 2000, 4000, 8000, 15000, 30000];

export class Again {
  constructor(run) {
    this.tries = 0;
    this.now = () => {
      this.stop();
      run();
    };
  }

  /** @param {number} least_s what the server asked for */
  later(least_s = 0) {
    this.stop();
    const wait_ms = WAITS_MS[Math.min(this.tries++, WAITS_MS.length - 1)];
    this.timer = setTimeout(this.now, Math.max(wait_ms, 1000 * least_s));
    addEventListener("online", this.now);
  }

  stop() {
    clearTimeout(this.timer);
    removeEventListener("online", this.now);
  }

  /** It went well: what fails next is a new matter. */
  done() {
    this.stop();
    this.tries = 0;
  }
}
