import { applyResources } from "../../container/cgroups.ts";
import { reasonOf, RunscError, shorten } from "../../container/error.ts";
import { resources as resourcesSchema } from "../../container/oci_linux.ts";
import { SchemaError } from "../../container/schema.ts";
import { ContainerLock, readState, statusOf } from "../../container/state.ts";
import type { Invocation } from "../command.ts";
import type { COMMAND_FLAGS } from "../commands.ts";

type Flags = Invocation<typeof COMMAND_FLAGS.update>["flags"];
type Resources = ReturnType<typeof resourcesSchema.check>;

/** The command `update`: changes the limits of a container's control group. */
export function runUpdate(invocation: Invocation<typeof COMMAND_FLAGS.update>): Promise<number> {
  const { config, flags, args: [id], log } = invocation;
  const resources = flags.resources === null ? ofFlags(flags) : ofFile(flags.resources);
  using _lock = ContainerLock.take(config.root, id);
  const state = readState(config.root, id);
  if (statusOf(state) === "stopped") {
    throw new RunscError({ what: "container not running", on: id });
  }
  if (Object.keys(state.cgroups).length === 0) {
    const why = "it has no control group (linux.cgroupsPath)";
    throw new RunscError({ what: "cannot update container", on: id, why });
  }
  applyResources(state.cgroups, resources, (message) => log.warning(message));
  return Promise.resolve(0);
}

function ofFlags(flags: Flags): Resources {
  const number = (name: keyof Flags): number | undefined => {
    const text = flags[name];
    if (text === null) return undefined;
    if (/^-?\d{1,19}$/.test(text)) return Number(text);
    const on = JSON.stringify(shorten(text, 40));
    throw new RunscError({ what: `flag --${name} must be a number, not`, on });
  };
  const pids = number("pids-limit");
  return {
    memory: {
      limit: number("memory"),
      reservation: number("memory-reservation"),
      swap: number("memory-swap"),
    },
    cpu: {
      period: number("cpu-period"),
      quota: number("cpu-quota"),
      shares: number("cpu-share"),
      cpus: flags["cpuset-cpus"] ?? undefined,
      mems: flags["cpuset-mems"] ?? undefined,
    },
    ...(pids === undefined ? {} : { pids: { limit: pids } }),
  };
}

function ofFile(path: string): Resources {
  const on = path === "-" ? "standard input" : path;
  try {
    const text = Deno.readTextFileSync(path === "-" ? "/proc/self/fd/0" : path);
    return resourcesSchema.check(JSON.parse(text), "");
  } catch (error) {
    const why = error instanceof SchemaError || error instanceof SyntaxError
      ? error.message
      : reasonOf(error);
    throw new RunscError({ what: "invalid limits in", on, why });
  }
}
