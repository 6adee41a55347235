import { RunscError } from "../../container/error.ts";
import { ContainerLock, readState, statusOf, writeState } from "../../container/state.ts";
import type { Invocation } from "../command.ts";
import { connect } from "../lifecycle.ts";

function change(root: string, id: string, from: "running" | "paused", to: typeof from): void {
  using _lock = ContainerLock.take(root, id);
  const state = readState(root, id);
  const status = statusOf(state);
  if (status !== from) {
    throw new RunscError({ what: `container not ${from}`, on: id, why: `it is ${status}` });
  }
  using client = connect(root, state);
  client.call(to === "paused" ? "pause" : "resume");
  state.status = to;
  writeState(root, state);
}

/** The command `pause`: stops all processes of a container where they are. */
export function runPause({ config, args }: Invocation<Record<string, never>>): Promise<number> {
  change(config.root, args[0], "running", "paused");
  return Promise.resolve(0);
}

/** The command `resume`: lets them go on. */
export function runResume({ config, args }: Invocation<Record<string, never>>): Promise<number> {
  change(config.root, args[0], "paused", "running");
  return Promise.resolve(0);
}
