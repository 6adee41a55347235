import { writeAll } from "../../container/log.ts";
import { readState } from "../../container/state.ts";
import type { Invocation } from "../command.ts";
import type { COMMAND_FLAGS } from "../commands.ts";
import { connect, requireRunning } from "../lifecycle.ts";
import { formatTable } from "../table.ts";

interface ProcessInfo {
  uid: number;
  pid: number;
  ppid: number;
  threads: number;
  terminal: string;
  elapsed: number;
  cpu: number;
  name: string;
}

/** The command `ps`: lists the processes of a container, by the numbers that they have in it. */
export function runPs(invocation: Invocation<typeof COMMAND_FLAGS.ps>): Promise<number> {
  const { config, flags, args: [id] } = invocation;
  const state = readState(config.root, id);
  requireRunning(state);
  using client = connect(config.root, state);
  const processes = client.call("processes").processes as ProcessInfo[];
  if (flags.format === "json") {
    writeAll(Deno.stdout, JSON.stringify(processes.map((each) => each.pid)) + "\n");
    return Promise.resolve(0);
  }
  const rows = processes.map((p) =>
    [p.uid, p.pid, p.ppid, p.threads, p.terminal, clock(p.elapsed), clock(p.cpu), p.name].map(
      String,
    )
  );
  const head = ["UID", "PID", "PPID", "THREADS", "TTY", "ELAPSED", "TIME", "CMD"];
  writeAll(Deno.stdout, formatTable([head, ...rows]));
  return Promise.resolve(0);
}

/** Seconds as hours, minutes and seconds. */
function clock(seconds: number): string {
  const two = (n: number) => String(Math.floor(n)).padStart(2, "0");
  return `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
}
