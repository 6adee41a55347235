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
export async function loadSandbox(config: Pick<SandboxConfig, "strace">) {
  const arena = reserveArena(ARENA);
  const { adoptArena, bootContainer } = await import("../boot/boot.ts");
  adoptArena(arena);
  const openTrace = config.strace ? (await import("../boot/trace.ts")).openTrace : null;
  return { bootContainer, openTrace };
}

/**
 * Runs a container to its end; resolves to its exit status, 128+N when signal N ended it. It is started when `entered`
 * has resolved; the code is loaded meanwhile.
 */
export async function runSandbox(
  spec: ContainerSpec,
  config: SandboxConfig,
  options: BootOptions,
  entered: Promise<void> | null = null,
): Promise<number> {
  const { bootContainer, openTrace } = await loadSandbox(config);
  releaseStartFiles();
  await entered;
  return bootContainer(spec, config, options, openTrace?.(options) ?? null);
}
