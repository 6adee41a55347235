/**
 * What other programs may import of runsc: the OCI configuration, read and checked, and the errors of doing so.
 *
 * @example
 * ```ts
 * import { loadBundle } from "./mod.ts";
 * const { spec, rootfs } = loadBundle("/var/lib/bundles/busybox");
 * console.log(spec.process.args, rootfs);
 * ```
 *
 * @module
 */
export { type Bundle, loadBundle, parseSpec } from "./src/container/bundle.ts";
export { defaultSpec } from "./src/container/default_spec.ts";
export { RunscError } from "./src/container/error.ts";
export type {
  ContainerSpec,
  OciCapabilities,
  OciHook,
  OciHooks,
  OciLinux,
  OciMount,
  OciProcess,
  OciRlimit,
  OciSpec,
  OciUser,
} from "./src/container/oci_spec.ts";
