import type { Invocation } from "../command.ts";
import { startContainer } from "../lifecycle.ts";

/** The command `start`: starts the program of a container that was created. */
export function runStart(invocation: Invocation<Record<string, never>>): Promise<number> {
  const { config, args: [id], log } = invocation;
  startContainer(config.root, id, log);
  return Promise.resolve(0);
}
