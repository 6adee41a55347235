import { writeAll } from "../../container/log.ts";
import { containerIds, type PublicState, publicState, readState } from "../../container/state.ts";
import type { Invocation } from "../command.ts";
import type { COMMAND_FLAGS } from "../commands.ts";
import { formatTable } from "../table.ts";

/** The command `list`: prints the containers below the root of all state. */
export function runList(invocation: Invocation<typeof COMMAND_FLAGS.list>): Promise<number> {
  const { config, flags, log } = invocation;
  const states: PublicState[] = [];
  for (const id of containerIds(config.root)) {
    try {
      states.push(publicState(readState(config.root, id)));
    } catch (error) {
      // It may have been removed meanwhile, or be half made.
      log.debug(error instanceof Error ? error.message : String(error));
    }
  }
  writeAll(Deno.stdout, textOf(states, flags.quiet, flags.format));
  return Promise.resolve(0);
}

function textOf(states: PublicState[], quiet: boolean, format: "table" | "json"): string {
  if (quiet) return states.map((state) => `${state.id}\n`).join("");
  // runc, too, prints null where there is none.
  if (format === "json") return JSON.stringify(states.length === 0 ? null : states) + "\n";
  const rows = states.map((s) => [s.id, String(s.pid), s.status, s.bundle, s.created, s.owner]);
  return formatTable([["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"], ...rows]);
}
