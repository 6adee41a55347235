/** The process that `exec` starts, from its flags and what the container's specification says. */

import { loadBundle } from "../container/bundle.ts";
import { reasonOf, RunscError, shorten } from "../container/error.ts";
import { type OciProcess, process as processSchema } from "../container/oci_spec.ts";
import { SchemaError } from "../container/schema.ts";
import type { ContainerState } from "../container/state.ts";
import type { COMMAND_FLAGS } from "./commands.ts";
import type { FlagValues } from "./flags.ts";

type Flags = FlagValues<typeof COMMAND_FLAGS.exec>;

/** Makes the process; throws a RunscError for flags that do not fit. */
export function execProcess(
  state: ContainerState,
  flags: Flags,
  command: readonly string[],
): OciProcess {
  if (flags.process !== null) return readProcess(flags.process);
  if (command.length === 0) throw new RunscError({ what: "missing program to execute" });
  const { process } = loadBundle(state.bundle).spec;
  const user = flags.user === null ? process.user : { ...process.user, ...userOf(flags.user) };
  const groups = flags["additional-gids"].map((gid) => numberOf("additional-gids", gid));
  const additionalGids = [...(user.additionalGids ?? []), ...groups];
  return checked({
    ...process,
    args: [...command],
    cwd: flags.cwd ?? process.cwd,
    env: [...(process.env ?? []), ...flags.env],
    user: { ...user, additionalGids },
    terminal: flags.tty,
    consoleSize: undefined,
    noNewPrivileges: flags["no-new-privs"] || process.noNewPrivileges,
    capabilities: withCapabilities(process.capabilities, flags.cap),
  }, "flags of exec");
}

function withCapabilities(
  capabilities: OciProcess["capabilities"],
  given: readonly string[],
): OciProcess["capabilities"] {
  if (given.length === 0) return capabilities;
  const names = given.map((name) => {
    const upper = name.toUpperCase();
    return upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
  });
  const more = (list: readonly string[] | undefined) => [...new Set([...(list ?? []), ...names])];
  return {
    bounding: more(capabilities?.bounding),
    effective: more(capabilities?.effective),
    permitted: more(capabilities?.permitted),
    inheritable: capabilities?.inheritable,
    ambient: capabilities?.ambient,
  };
}

function userOf(text: string): { uid: number; gid?: number } {
  const [uid, gid, more] = text.split(":");
  if (more !== undefined) throw new RunscError({ what: "flag --user must be UID[:GID]" });
  return {
    uid: numberOf("user", uid),
    ...(gid === undefined ? {} : { gid: numberOf("user", gid) }),
  };
}

function numberOf(flag: string, text: string): number {
  if (/^\d{1,10}$/.test(text) && Number(text) <= 0xffffffff) return Number(text);
  const on = JSON.stringify(shorten(text, 40));
  throw new RunscError({ what: `flag --${flag} must be a number, not`, on });
}

function readProcess(path: string): OciProcess {
  try {
    return checked(JSON.parse(Deno.readTextFileSync(path)), path);
  } catch (error) {
    if (error instanceof RunscError) throw error;
    const why = error instanceof SyntaxError ? `not JSON: ${error.message}` : reasonOf(error);
    throw new RunscError({ what: "cannot read process", on: path, why });
  }
}

function checked(value: unknown, on: string): OciProcess {
  try {
    return processSchema.check(value, "");
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    throw new RunscError({ what: "invalid process", on, why: error.message });
  }
}
