import type { SandboxConfig } from "./config.ts";
import { oneLine } from "./error.ts";

export type LogLevel = "debug" | "info" | "warning" | "error";

/** Where commands and the sandbox report; the formats are those of runc, which engines read. */
export interface Log {
  readonly debugging: boolean;
  debug(message: string): void;
  info(message: string): void;
  warning(message: string): void;
  error(message: string): void;
  /** Whether the log is a file, so that a person at standard error sees nothing of it. */
  readonly toFile: boolean;
}

const encoder = new TextEncoder();

/** Writes all of the text to a descriptor of this process, as far as it can be written. */
export function writeAll(target: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(target.writeSync(bytes));
}

/** Opens the log that the global flags ask for. Errors of opening throw Deno's own errors. */
export function openLog(config: Pick<SandboxConfig, "log" | "logFormat" | "debug">): Log {
  const target = config.log === null
    ? Deno.stderr
    : Deno.openSync(config.log, { create: true, append: true, mode: 0o644 });
  const write = (level: LogLevel, message: string) => {
    const time = new Date().toISOString().replace(/\.\d+Z$/, "Z");
    const line = config.logFormat === "json"
      ? JSON.stringify({ level, msg: message, time })
      : config.log === null
      ? `runsc: ${level === "error" ? "" : `${level}: `}${oneLine(message)}`
      : `time=${JSON.stringify(time)} level=${level} msg=${JSON.stringify(message)}`;
    try {
      writeAll(target, line + "\n");
    } catch {
      // A log that can not be written must not end what it tells of.
    }
  };
  return {
    debugging: config.debug,
    toFile: config.log !== null,
    debug: (message) => config.debug && write("debug", message),
    info: (message) => write("info", message),
    warning: (message) => write("warning", message),
    error: (message) => write("error", message),
  };
}
