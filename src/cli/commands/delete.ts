import type { Invocation } from "../command.ts";
import type { COMMAND_FLAGS } from "../commands.ts";
import { deleteContainer } from "../lifecycle.ts";

/** The command `delete`: removes all that is kept of a container. */
export function runDelete(invocation: Invocation<typeof COMMAND_FLAGS.delete>): Promise<number> {
  const { config, flags, args: [id], log } = invocation;
  deleteContainer(config.root, id, flags.force, log);
  return Promise.resolve(0);
}
