import * as libc from "../../../ffi/libc.ts";
import { HostSignals } from "../../../ffi/signals.ts";
import { spawnKeeper } from "../../../ffi/spawn_process.ts";
import { errnoText } from "../../abi/errno.ts";
import type { ControlClient } from "../../container/control/client.ts";
import { RunscError } from "../../container/error.ts";
import type { OciProcess } from "../../container/oci_spec.ts";
import { readState, statusOf } from "../../container/state.ts";
import type { Invocation } from "../command.ts";
import type { COMMAND_FLAGS } from "../commands.ts";
import { openPty, sendConsole } from "../console.ts";
import { execProcess } from "../exec_process.ts";
import { descriptorCount, writePidFile } from "../launch.ts";
import { connect } from "../lifecycle.ts";
import { RawTerminal } from "../raw_terminal.ts";

const O_CLOEXEC = 0x80000;
const POLLIN = 1;
const SIGWINCH = 28;
/** What people and engines send to a command: HUP, INT, QUIT, USR1, USR2, TERM. */
const FORWARDED = [1, 2, 3, 10, 12, 15];
/** Exit status of a process that was lost with its sandbox. */
const LOST = 137;

/** The command `exec`: starts another program in a container. */
export function runExec(invocation: Invocation<typeof COMMAND_FLAGS.exec>): Promise<number> {
  const { config, flags, args: [id, ...command] } = invocation;
  const state = readState(config.root, id);
  const status = statusOf(state);
  if (status === "stopped" || status === "creating") {
    throw new RunscError({ what: "cannot exec in a container that is not running", on: id });
  }
  const process = execProcess(state, flags, command);
  const consoleSocket = flags["console-socket"];
  if (process.terminal !== true && consoleSocket !== null) {
    throw new RunscError({ what: "cannot use console socket", why: "there is no terminal" });
  }
  if (process.terminal === true && flags.detach && consoleSocket === null) {
    throw new RunscError({ what: "cannot allocate tty", why: "--console-socket is missing" });
  }
  using client = connect(config.root, state);
  const pair = new Int32Array(2);
  const r = libc.pipe2(pair, O_CLOEXEC);
  if (r < 0) throw new RunscError({ what: "cannot make a pipe", why: errnoText(-r) });
  const [reader, writer] = pair;
  const fds = [writer, ...standardFiles(process, consoleSocket, flags["preserve-fds"])];
  const { pid } = client.call("exec", { process }, fds);
  libc.close(writer);
  if (flags.detach) {
    const keeper = spawnKeeper(reader);
    if (keeper < 0) throw new RunscError({ what: "cannot fork", why: errnoText(-keeper) });
    writePidFile(flags["pid-file"], keeper);
    return Promise.resolve(0);
  }
  writePidFile(flags["pid-file"], Deno.pid);
  const raw = process.terminal === true && consoleSocket === null ? new RawTerminal(0) : null;
  try {
    return Promise.resolve(waitForExit(client, reader, Number(pid), process.terminal === true));
  } finally {
    raw?.restore();
  }
}

/** Descriptors for the process: a terminal, or standard input, output and error and what is preserved. */
function standardFiles(
  process: OciProcess,
  consoleSocket: string | null,
  preserve: string,
): number[] {
  if (process.terminal !== true) {
    return Array.from({ length: 3 + descriptorCount(preserve) }, (_, fd) => fd);
  }
  if (consoleSocket === null) {
    if (!Deno.stdin.isTerminal()) {
      throw new RunscError({ what: "cannot use flag --tty", why: "standard input is no terminal" });
    }
    return [0];
  }
  const { master, slave } = openPty(process.consoleSize);
  sendConsole(consoleSocket, master);
  libc.close(master);
  return [slave];
}

/** Waits for the exit status and hands signals on meanwhile. */
function waitForExit(
  client: ControlClient,
  pipe: number,
  pid: number,
  terminal: boolean,
): number {
  const signals = new HostSignals();
  for (const signo of FORWARDED) signals.catch(signo);
  if (terminal) signals.catch(SIGWINCH);
  const set = new Uint8Array(16);
  const view = new DataView(set.buffer);
  const byte = new Uint8Array(1);
  for (;;) {
    [pipe, signals.fd].forEach((fd, i) => {
      view.setInt32(8 * i, fd, true);
      view.setUint32(8 * i + 4, POLLIN, true);
    });
    if (libc.poll(set, 2, -1) < 0) continue;
    if (view.getUint16(14, true) !== 0 && libc.read(signals.fd, byte, 1) === 1) {
      if (byte[0] === SIGWINCH) tryCall(client, "resize", { pid });
      else tryCall(client, "signal", { signal: byte[0], pid });
    }
    if (view.getUint16(6, true) !== 0) {
      return libc.read(pipe, byte, 1) === 1 ? byte[0] : LOST;
    }
  }
}

function tryCall(client: ControlClient, method: string, args: Record<string, unknown>): void {
  try {
    client.call(method, args);
  } catch {
    // The process may have ended, which the pipe tells.
  }
}
