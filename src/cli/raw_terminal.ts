/** The user's terminal while a container's takes its place. */
export class RawTerminal {
  #raw = false;

  /** Makes standard input raw, if it is a terminal. */
  constructor(_fd: 0) {
    if (!Deno.stdin.isTerminal()) return;
    Deno.stdin.setRaw(true);
    this.#raw = true;
  }

  /** Puts it back. */
  restore(): void {
    if (this.#raw) Deno.stdin.setRaw(false);
  }
}
