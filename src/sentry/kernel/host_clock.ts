/** The host's clocks. */

import { clock_gettime } from "../../../ffi/libc/time.ts";
import { CLOCK_MONOTONIC, CLOCK_REALTIME } from "../../abi/time.ts";
import type { ClockSource } from "./clock.ts";

/** Reads the host's vDSO. */
export class HostClockSource implements ClockSource {
  /** CLOCK_MONOTONIC of the host. */
  monotonic(): number {
    return clock_gettime(CLOCK_MONOTONIC);
  }

  /** CLOCK_REALTIME of the host. */
  realtime(): number {
    return clock_gettime(CLOCK_REALTIME);
  }
}
