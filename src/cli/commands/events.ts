import { RunscError, shorten } from "../../container/error.ts";
import { writeAll } from "../../container/log.ts";
import { type ContainerState, readState, statusOf } from "../../container/state.ts";
import type { Invocation } from "../command.ts";
import type { COMMAND_FLAGS } from "../commands.ts";
import { connect, requireRunning } from "../lifecycle.ts";

/** The command `events`: prints statistics of a container, in the form of runc's. */
export async function runEvents(
  invocation: Invocation<typeof COMMAND_FLAGS.events>,
): Promise<number> {
  const { config, flags, args: [id] } = invocation;
  const interval = durationOf(flags.interval);
  const state = readState(config.root, id);
  requireRunning(state);
  for (;;) {
    writeAll(Deno.stdout, JSON.stringify(statisticsOf(config.root, state)) + "\n");
    if (flags.stats) return 0;
    await new Promise((resolve) => setTimeout(resolve, interval));
    if (statusOf(readState(config.root, id)) === "stopped") return 0;
  }
}

function statisticsOf(root: string, state: ContainerState): unknown {
  using client = connect(root, state);
  const { cpu, memory, pids } = client.call("stats") as Record<string, number>;
  const usage = { usage: memory };
  return {
    type: "stats",
    id: state.id,
    data: {
      cpu: { usage: { total: cpu, kernel: 0, user: cpu }, throttling: {} },
      memory: { cache: 0, usage, swap: {}, kernel: {}, kernelTCP: {}, raw: {} },
      pids: { current: pids },
      blkio: {},
      hugetlb: {},
      intel_rdt: {},
      network_interfaces: null,
    },
  };
}

/** Milliseconds of a duration as Go writes it, of one part: 500ms, 5s, 1m, 1h. */
function durationOf(text: string): number {
  const match = /^(\d{1,6}(?:\.\d{1,6})?)(ms|s|m|h)$/.exec(text);
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match?.[2] ?? ""] ?? 0;
  const milliseconds = Number(match?.[1] ?? 0) * unit;
  if (milliseconds > 0) return milliseconds;
  const on = JSON.stringify(shorten(text, 40));
  throw new RunscError({ what: "flag --interval must be a duration such as 5s, not", on });
}
