/** Signals that reach the sandbox process go to the container's first process. */

import { HostSignals } from "../../ffi/signals.ts";
import { sys1 } from "../../ffi/syscall.ts";
import { HostWatch } from "../sentry/kernel/host_poller.ts";
import type { HostPoller } from "../sentry/kernel/host_poller.ts";
import { SigInfo } from "../sentry/kernel/signal_set.ts";
import { sendToGroup } from "../sentry/kernel/task_signals.ts";
import type { ThreadGroup } from "../sentry/kernel/thread_group.ts";

const SIGWINCH = 28;
/** HUP, INT, QUIT, USR1, USR2, ALRM, TERM, CONT, IO, PWR: what people and engines send. */
const FORWARDED = [1, 2, 3, 10, 12, 14, 15, 18, 29, 30];

/** Forwards signals while it is watched. */
export class SignalForwarding extends HostWatch {
  readonly #poller: HostPoller;
  readonly #bytes = new Uint8Array(64);
  readonly #onResize: (() => void) | null;
  #init: ThreadGroup | null = null;

  constructor(poller: HostPoller, onResize: (() => void) | null) {
    const signals = new HostSignals();
    super(signals.fd, 1);
    this.#poller = poller;
    this.#onResize = onResize;
    for (const signo of FORWARDED) signals.catch(signo);
    if (onResize !== null) signals.catch(SIGWINCH);
    poller.add(this);
  }

  /** Starts to forward; signals that came before are delivered now. */
  to(init: ThreadGroup): void {
    this.#init = init;
    this.onReady(1);
  }

  override onReady(_mask: number): void {
    if (this.#init === null) {
      return;
    }
    for (;;) {
      const n = sys1(0, this.fd, 0, this.#bytes.length, 0, 0, 0, 1, this.#bytes);
      if (n <= 0) break;
      for (let i = 0; i < n; i++) {
        const signo = this.#bytes[i];
        if (signo === SIGWINCH) this.#onResize?.();
        else sendToGroup(this.#init, SigInfo.kernel(signo), true);
      }
    }
    this.#poller.rearm(this);
  }
}
