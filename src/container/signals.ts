import * as SIGNALS from "../abi/signals.ts";
import { RunscError, shorten } from "./error.ts";

const NUMBERS = SIGNALS as unknown as Readonly<Record<string, unknown>>;

/** The number of a signal given as a number or a name, with or without SIG, as runc takes it. */
export function parseSignal(text: string): number {
  if (/^\d{1,3}$/.test(text)) {
    const number = Number(text);
    if (number >= 1 && number <= 64) return number;
  } else if (/^[A-Za-z0-9+-]{2,16}$/.test(text)) {
    const upper = text.toUpperCase();
    const name = upper.startsWith("SIG") ? upper : `SIG${upper}`;
    const rt = /^SIGRT(MIN|MAX)([+-]\d{1,2})?$/.exec(name);
    // Numbers 32 and 33 are the C library's own: programs count from 34.
    const number = rt === null ? NUMBERS[name] : (rt[1] === "MIN" ? 34 : 64) + Number(rt[2] ?? 0);
    if (typeof number === "number" && number >= 1 && number <= 64) return number;
  }
  throw new RunscError({ what: "unknown signal", on: JSON.stringify(shorten(text, 40)) });
}
