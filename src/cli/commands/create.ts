import type { Invocation } from "../command.ts";
import type { COMMAND_FLAGS } from "../commands.ts";
import { createGrouped } from "../join_sandbox.ts";
import { descriptorCount } from "../launch.ts";

/** The command `create`: makes a container of a bundle, whose program `start` starts. */
export function runCreate(invocation: Invocation<typeof COMMAND_FLAGS.create>): Promise<number> {
  const { config, flags, args: [id], log } = invocation;
  createGrouped({
    id,
    bundle: flags.bundle,
    consoleSocket: flags["console-socket"],
    pidFile: flags["pid-file"],
    preserveFds: descriptorCount(flags["preserve-fds"]),
    attached: false,
    config,
    log,
  });
  return Promise.resolve(0);
}
