import { HostWatch } from "../sentry/kernel/host_poller.ts";
import type { HostPoller } from "../sentry/kernel/host_poller.ts";
import type { Platform } from "../sentry/platform/platform.ts";

/** Has the platform look for stub processes that died by themselves. */
export class DeathWatch extends HostWatch {
  readonly #platform: Platform;
  readonly #poller: HostPoller;

  constructor(platform: Platform, poller: HostPoller) {
    super(platform.deathFd, 1);
    this.#platform = platform;
    this.#poller = poller;
    if (platform.deathFd >= 0) poller.add(this);
  }

  override onReady(_mask: number): void {
    this.#platform.collectDead();
    this.#poller.rearm(this);
  }
}
