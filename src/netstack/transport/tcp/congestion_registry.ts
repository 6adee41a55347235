/** The congestion control algorithms by name. */

import { Bbr } from "./bbr.ts";
import { type CongestionControl, Cubic, Reno } from "./congestion.ts";

/** Names of the algorithms there are (tcp_available_congestion_control). */
export const CONGESTION_CONTROLS: readonly string[] = ["reno", "cubic", "bbr"];

/** A new instance of the algorithm of that name, or null; `random` gives numbers in `[0, 1)`. */
export function createCongestionControl(
  name: string,
  random: () => number,
): CongestionControl | null {
  switch (name) {
    case "reno":
      return new Reno();
    case "cubic":
      return new Cubic();
    case "bbr":
      return new Bbr(random);
    default:
      return null;
  }
}
