import { writeAll } from "../../container/log.ts";
import { readState, statusOf } from "../../container/state.ts";
import { RunscError } from "../../container/error.ts";
import type { Invocation } from "../command.ts";
import { connect } from "../lifecycle.ts";

/** The command `wait`: waits for the end of a container and prints its exit status. */
export function runWait({ config, args }: Invocation<Record<string, never>>): Promise<number> {
  const [id] = args;
  const state = readState(config.root, id);
  const status = statusOf(state);
  if (status === "stopped") throw new RunscError({ what: "container not running", on: id });
  using client = connect(config.root, state);
  const { status: exitStatus } = client.call("wait");
  writeAll(Deno.stdout, JSON.stringify({ id, exitStatus }) + "\n");
  return Promise.resolve(0);
}
