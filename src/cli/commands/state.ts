import { writeAll } from "../../container/log.ts";
import { publicState, readState } from "../../container/state.ts";
import type { Invocation } from "../command.ts";

/** The command `state`: prints the state of a container. */
export function runState({ config, args }: Invocation<Record<string, never>>): Promise<number> {
  const state = publicState(readState(config.root, args[0]));
  writeAll(Deno.stdout, JSON.stringify(state, null, 2) + "\n");
  return Promise.resolve(0);
}
