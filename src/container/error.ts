/** The parts of an error that a person has to be told. */
export interface ErrorParts {
  /** What could not be done: "cannot read". */
  what: string;
  /** What it was to be done on: a path, a flag, a container. */
  on?: string;
  /** Why not. */
  why?: string;
  /** What to try. */
  hint?: string;
}

/**
 * An error that ends a command. Its message is one line, whatever text the parts hold.
 *
 * @example
 * ```ts
 * throw new RunscError({ what: "cannot read", on: path, why: "no such file", hint: "see 'runsc spec'" });
 * // cannot read /b/config.json: no such file (see 'runsc spec')
 * ```
 */
export class RunscError extends Error {
  override readonly name = "RunscError";
  readonly what: string;
  readonly on: string | null;
  readonly why: string | null;
  readonly hint: string | null;

  constructor(parts: ErrorParts) {
    let message = parts.what;
    if (parts.on !== undefined) message += ` ${parts.on}`;
    if (parts.why !== undefined) message += `: ${parts.why}`;
    if (parts.hint !== undefined) message += ` (${parts.hint})`;
    super(oneLine(message));
    this.what = parts.what;
    this.on = parts.on ?? null;
    this.why = parts.why ?? null;
    this.hint = parts.hint ?? null;
  }
}

/** Whether it is a RunscError, be it of another copy of this module: the executable's modules have each their own. */
export function isRunscError(error: unknown): error is RunscError {
  return error instanceof Error && error.name === "RunscError";
}

/** The text with control characters written out, so that hostile input can not forge lines of a log or a terminal. */
export function oneLine(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, (c) => {
    if (c === "\n") return "\\n";
    if (c === "\t") return "\\t";
    return `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}

/** The text cut to `limit` characters, for values of unknown length in messages. */
export function shorten(text: string, limit = 80): string {
  return text.length <= limit ? text : `${text.slice(0, limit)}…`;
}

/** Why an operating system call failed, in the words of Linux, without Deno's prefix and path. */
export function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such file or directory";
  if (error instanceof Deno.errors.AlreadyExists) return "file exists";
  if (error instanceof Deno.errors.NotADirectory) return "not a directory";
  if (error instanceof Deno.errors.IsADirectory) return "is a directory";
  if (error instanceof Deno.errors.FilesystemLoop) return "too many levels of symbolic links";
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
    return "permission denied";
  }
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/ \(os error \d+\).*$/s, "");
}
