/** Lifecycle hooks: programs of the host that are told a container's state on standard input. */

import * as libc from "../../ffi/libc.ts";
import { hostKill } from "../../ffi/signals.ts";
import { spawnProgram, waitProcess } from "../../ffi/spawn_process.ts";
import { errnoText } from "../abi/errno.ts";
import { RunscError, shorten } from "./error.ts";
import type { OciHook } from "./oci_spec.ts";
import type { PublicState } from "./state.ts";

const MFD_CLOEXEC = 1;
const SIGKILL = 9;
const MAX_OUTPUT = 4096;

function memoryFile(content: string): number {
  const fd = libc.memfd_create(libc.cstr("runsc-hook"), MFD_CLOEXEC);
  if (fd < 0) throw new RunscError({ what: "cannot make a memory file", why: errnoText(-fd) });
  const bytes = new TextEncoder().encode(content);
  libc.pwrite(fd, bytes, bytes.length, 0);
  return fd;
}

/** Runs one hook to its end; throws a RunscError unless it exits with status 0 in time. */
function runHook(kind: string, hook: OciHook, state: PublicState): void {
  const input = memoryFile(JSON.stringify(state));
  const output = memoryFile("");
  const on = hook.path;
  const what = `${kind} hook failed:`;
  try {
    const pid = spawnProgram({
      path: hook.path,
      argv: hook.args === undefined || hook.args.length === 0 ? [hook.path] : hook.args,
      envp: hook.env ?? [],
      fds: new Map([[0, input], [1, output], [2, output]]),
      inherit: 3,
      cwd: state.bundle,
      session: false,
    });
    if (pid < 0) throw new RunscError({ what, on, why: errnoText(-pid) });
    const status = waitProcess(pid, hook.timeout === undefined ? -1 : hook.timeout * 1000);
    if (status === null) {
      hostKill(pid, SIGKILL);
      waitProcess(pid);
      throw new RunscError({ what, on, why: `it did not end in ${hook.timeout} s` });
    }
    if (status !== 0) {
      const signal = status & 0x7f;
      const how = signal !== 0 ? `signal ${signal}` : `exit status ${(status >> 8) & 0xff}`;
      throw new RunscError({ what, on, why: `${how}, output: ${outputOf(output)}` });
    }
  } finally {
    libc.close(input);
    libc.close(output);
  }
}

function outputOf(fd: number): string {
  const bytes = new Uint8Array(MAX_OUTPUT);
  const n = Math.max(0, libc.pread(fd, bytes, MAX_OUTPUT, 0));
  return JSON.stringify(shorten(new TextDecoder().decode(bytes.subarray(0, n)).trim(), 400));
}

/** Runs hooks in their order; the first failure ends it. */
export function runHooks(
  kind: string,
  hooks: readonly OciHook[] | undefined,
  state: PublicState,
): void {
  for (const hook of hooks ?? []) runHook(kind, hook, state);
}

/** Runs hooks whose failure is only told. */
export function runLateHooks(
  kind: string,
  hooks: readonly OciHook[] | undefined,
  state: PublicState,
  warn: (message: string) => void,
): void {
  for (const hook of hooks ?? []) {
    try {
      runHook(kind, hook, state);
    } catch (error) {
      warn(error instanceof Error ? error.message : String(error));
    }
  }
}
