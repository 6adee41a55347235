import type { BootOptions, SandboxConfig } from "../container/config.ts";
import type { ContainerSpec } from "../container/oci_spec.ts";
import { reserveArena } from "../../ffi/arena.ts";
import { releaseStartFiles } from "./invocation.ts";

/** Addresses that the sandbox's memory gets, if it asks for no more. Control memory comes first, as it has to. */
const ARENA: ReadonlyMap<string, number> = new Map([
  ["control", 2 ** 36],
  ["memory", 2 ** 36],
  ["counts", 2 ** 26],
]);

/** Loads the code of the sandbox, which only commands that start one pay for. */
export async function loadSandbox() {
  const arena = reserveArena(ARENA);
  const module = await import("../boot/boot.ts");
  module.adoptArena(arena);
  releaseStartFiles();
  return module;
}

/** Runs a container to its end; resolves to its exit status, 128+N when signal N ended it. */
export async function runSandbox(
  spec: ContainerSpec,
  config: SandboxConfig,
  options: BootOptions,
): Promise<number> {
  const { bootContainer } = await loadSandbox();
  return await bootContainer(spec, config, options);
}
