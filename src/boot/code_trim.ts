/** Gives back memory that only starting needed. */

import { madvise } from "../../ffi/libc/memory.ts";
import { Timer, type TimerQueue } from "../sentry/kernel/timers.ts";

const MADV_DONTNEED = 4;
/** Nanoseconds from the start of the first program on: what starts sooner than that ends sooner, too. */
const DELAY = 300e6;

/**
 * Drops the pages of Deno's own machine code and constants from this process, once. Most were needed for starting only;
 * the others come back from the host's page cache as they are used. None is ever written, so nothing is lost.
 */
class CodeTrim extends Timer {
  readonly #ranges: readonly (readonly [from: number, to: number])[];

  constructor(ranges: readonly (readonly [from: number, to: number])[], deadline: number) {
    super();
    this.#ranges = ranges;
    this.deadline = deadline;
  }

  override fire(): void {
    for (const [from, to] of this.#ranges) madvise(from, to - from, MADV_DONTNEED);
  }
}

/** Where the executable's code and constants lie, from a text as `/proc/self/maps` has it. */
export function codeRanges(maps: string, executable: string): [from: number, to: number][] {
  const ranges: [number, number][] = [];
  for (const line of maps.split("\n")) {
    const fields = /^([0-9a-f]+)-([0-9a-f]+) r-([x-])p ([0-9a-f]+) \S+ \d+ +(.*)$/.exec(line);
    if (fields === null || fields[5] !== executable) continue;
    // Constants lie at the file's start; data that was made read-only after it was written does not.
    if (fields[3] === "-" && parseInt(fields[4], 16) !== 0) continue;
    ranges.push([parseInt(fields[1], 16), parseInt(fields[2], 16)]);
  }
  return ranges;
}

/** Has the code that starting needed dropped when the sandbox has run for a moment. Needs /proc, but only now. */
export function trimCodeLater(timers: TimerQueue): void {
  let maps: string;
  try {
    maps = Deno.readTextFileSync("/proc/self/maps");
  } catch {
    return;
  }
  const ranges = codeRanges(maps, Deno.execPath());
  if (ranges.length > 0) timers.add(new CodeTrim(ranges, timers.now() + DELAY));
}
