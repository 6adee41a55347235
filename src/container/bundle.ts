import { reasonOf, RunscError, shorten } from "./error.ts";
import { type ContainerSpec, type OciSpec, ociSpec } from "./oci_spec.ts";
import { SchemaError } from "./schema.ts";

const MAX_CONFIG_SIZE = 16 * 1024 * 1024;
const MAX_CONFIG_DEPTH = 64;

/** A bundle that was found fit to run. */
export interface Bundle {
  /** Absolute path, symbolic links followed. */
  path: string;
  /** Absolute path of the root file system, symbolic links followed. */
  rootfs: string;
  spec: ContainerSpec;
}

/** Parses and validates the text of a `config.json`; `on` names it in messages. */
export function parseSpec(json: string, on: string): OciSpec {
  const what = "invalid configuration";
  if (depthOf(json) > MAX_CONFIG_DEPTH) {
    throw new RunscError({ what, on, why: `it nests deeper than ${MAX_CONFIG_DEPTH} levels` });
  }
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    const why = json.trim() === ""
      ? "the file is empty"
      : `not JSON: ${shorten(error instanceof Error ? error.message : String(error), 160)}`;
    throw new RunscError({ what, on, why });
  }
  try {
    return ociSpec.check(value, "");
  } catch (error) {
    if (error instanceof SchemaError) throw new RunscError({ what, on, why: error.message });
    throw error;
  }
}

/** How deep brackets nest outside of strings, as far as can be told of text that may be malformed. */
function depthOf(json: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (inString) {
      if (code === 0x5c) at++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x7b || code === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (code === 0x7d || code === 0x5d) depth--;
  }
  return deepest;
}

/** Reads a bundle directory and checks all that can be known before the sandbox is there. */
export function loadBundle(directory: string): Bundle {
  const path = realDirectory(directory, "cannot open bundle", directory);
  const config = `${path}/config.json`;
  const spec = parseSpec(readConfig(config), config);
  const { process, root } = spec;
  const missing = process === undefined ? "process" : root === undefined ? "root" : null;
  if (process === undefined || root === undefined) {
    throw new RunscError({
      what: "invalid configuration",
      on: config,
      why: `${missing}: is missing`,
    });
  }
  const wanted = root.path.startsWith("/") ? root.path : `${path}/${root.path}`;
  const rootfs = realDirectory(wanted, "cannot open root file system", wanted);
  return { path, rootfs, spec: { ...spec, process, root } };
}

function readConfig(path: string): string {
  const what = "cannot read";
  try {
    // Looked at before it is opened: the opening of a FIFO would wait for a writer.
    const info = Deno.statSync(path);
    if (!info.isFile) throw new RunscError({ what, on: path, why: "it is no regular file" });
    using file = Deno.openSync(path);
    if (info.size > MAX_CONFIG_SIZE) {
      const why = `it has ${info.size} bytes, more than the ${MAX_CONFIG_SIZE} allowed`;
      throw new RunscError({ what, on: path, why });
    }
    const bytes = new Uint8Array(info.size);
    let length = 0;
    while (length < bytes.length) {
      const n = file.readSync(bytes.subarray(length));
      if (n === null) break;
      length += n;
    }
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, length));
  } catch (error) {
    if (error instanceof RunscError) throw error;
    if (error instanceof TypeError) {
      throw new RunscError({ what, on: path, why: "it is not UTF-8" });
    }
    const hint = error instanceof Deno.errors.NotFound ? "'runsc spec' writes one" : undefined;
    throw new RunscError({ what, on: path, why: reasonOf(error), hint });
  }
}

function realDirectory(path: string, what: string, on: string): string {
  let isDirectory: boolean;
  let real: string;
  try {
    real = Deno.realPathSync(path);
    isDirectory = Deno.statSync(real).isDirectory;
  } catch (error) {
    throw new RunscError({ what, on, why: reasonOf(error) });
  }
  if (!isDirectory) throw new RunscError({ what, on, why: "not a directory" });
  return real;
}
