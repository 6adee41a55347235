import { defaultSpec } from "../../container/default_spec.ts";
import { reasonOf, RunscError } from "../../container/error.ts";
import type { Invocation } from "../command.ts";
import type { COMMAND_FLAGS } from "../commands.ts";

/** The command `spec`: writes a configuration to start from. */
export function runSpec({ flags }: Invocation<typeof COMMAND_FLAGS.spec>): Promise<number> {
  const path = `${flags.bundle}/config.json`;
  const json = JSON.stringify(defaultSpec({ rootless: flags.rootless }), null, "\t") + "\n";
  try {
    Deno.writeTextFileSync(path, json, { createNew: true, mode: 0o644 });
  } catch (error) {
    const why = error instanceof Deno.errors.AlreadyExists
      ? "file exists and is left as it is"
      : reasonOf(error);
    throw new RunscError({ what: "cannot write", on: path, why });
  }
  return Promise.resolve(0);
}
