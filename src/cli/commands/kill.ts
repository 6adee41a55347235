import { parseSignal } from "../../container/signals.ts";
import type { Invocation } from "../command.ts";
import type { COMMAND_FLAGS } from "../commands.ts";
import { killContainer } from "../lifecycle.ts";

/** The command `kill`: sends a signal to the first process of a container, or to all. */
export function runKill(invocation: Invocation<typeof COMMAND_FLAGS.kill>): Promise<number> {
  const { config, flags, args: [id, signal = "SIGTERM"] } = invocation;
  killContainer(config.root, id, parseSignal(signal), flags.all, flags.pid);
  return Promise.resolve(0);
}
