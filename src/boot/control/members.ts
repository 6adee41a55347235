/** Containers that come to a sandbox after its own. Loaded by sandboxes that get one. */

import * as libc from "../../../ffi/libc.ts";
import { ENOENT } from "../../abi/errno.ts";
import { isRunscError, RunscError, shorten } from "../../container/error.ts";
import { ociSpec } from "../../container/oci_spec.ts";
import { boolean, integer, list, mapOf, object, optional, text } from "../../container/schema.ts";
import type { BootOptions } from "../../container/config.ts";
import { HostFileSystem } from "../../sentry/fs/hostfs/host_file_system.ts";
import { IpcNamespace, NetNamespace, UtsNamespace } from "../../sentry/kernel/namespaces.ts";
import { PidNamespace } from "../../sentry/kernel/pid.ts";
import { startGroupExit } from "../../sentry/kernel/task_signals.ts";
import type { ExitWatcher, ThreadGroup } from "../../sentry/kernel/thread_group.ts";
import { unmountTree } from "../../sentry/vfs/mounts.ts";
import { Container } from "../container.ts";
import { exitStatusOf } from "../exit_status.ts";
import { byteText, dropCapability } from "../process_spec.ts";
import type { OpenTree } from "../root_fs.ts";
import { ExitPipe, hostFiles } from "./exec.ts";
import type { Json } from "./methods.ts";
import { processesOf } from "./reports.ts";
import type { ControlConnection, ControlServer, Member } from "./server.ts";

const SIGKILL = 9;
const F_DUPFD_CLOEXEC = 1030;
/** Containers of one sandbox at once. */
const MAX_MEMBERS = 256;

const path = text({ max: 4095 });
const createArgs = object({
  id: text({ max: 1024, empty: false }),
  bundle: path,
  rootfs: path,
  overlay: boolean,
  spec: ociSpec,
  trees: list(object({ path, file: optional(path) }), 120),
  /** Containers whose namespaces are shared, by type; "" is the sandbox's own container. */
  share: mapOf(text({ max: 1024 })),
  stdio: integer(0, 120),
});

class LaterContainer implements Member, ExitWatcher {
  readonly #server: ControlServer;
  readonly #pipe: ExitPipe;
  readonly waiting: Set<ControlConnection> = new Set();
  container!: Container;
  status: number | null = null;
  #removed = false;

  constructor(server: ControlServer, pipe: number) {
    this.#server = server;
    this.#pipe = new ExitPipe(pipe, this);
  }

  created(container: Container): void {
    this.container = container;
    this.#server.members.set(container.options.id, this);
    this.#server.poller.add(this.#pipe);
  }

  /** The host process that stands for the container is gone. */
  abandoned(): void {
    this.end(128 + SIGKILL);
  }

  end(status: number): void {
    const { init } = this.container;
    if (this.status !== null) return;
    this.#server.setPaused(this.container, false);
    if (init === null) this.#finish(status);
    else if (!init.isZombie) startGroupExit(init, SIGKILL, null);
  }

  remove(): void {
    this.#removed = true;
    this.end(128 + SIGKILL);
    if (this.status !== null) this.#forget();
  }

  #forget(): void {
    const { members } = this.#server;
    const { id } = this.container.options;
    if (members.get(id) !== this) return;
    members.delete(id);
    unmountTree(this.container.ns.root);
  }

  processExited(group: ThreadGroup): void {
    this.container.relay?.end();
    // Where process ids are shared nobody but this ends what init has left behind.
    for (const other of processesOf(this.#server, this.container)) {
      if (other !== group) startGroupExit(other, SIGKILL, null);
    }
    this.#server.setPaused(this.container, false);
    this.container.kernel.vfs.sync();
    this.#finish(exitStatusOf(group));
  }

  #finish(status: number): void {
    this.status = status;
    this.#server.poller.remove(this.#pipe);
    libc.write(this.#pipe.fd, Uint8Array.of(status), 1);
    libc.close(this.#pipe.fd);
    for (const client of this.waiting) client.reply({ result: { status } });
    this.waiting.clear();
    if (this.#removed) this.#forget();
  }
}

/**
 * The method `create`. With it come the writing end of a pipe, what is at the paths of `trees`, and a terminal or
 * descriptors 0, 1, 2 and more. The answer is for the client.
 */
export async function createMember(
  server: ControlServer,
  given: Record<string, unknown>,
  fds: readonly number[],
): Promise<{ result: Json } | { error: string }> {
  const left = new Set(fds);
  try {
    await create(server, given, left);
    return { result: {} };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const expected = isRunscError(error) ||
      (error instanceof Error && error.name === "SchemaError");
    return { error: shorten(expected ? message : `internal error: ${message}`, 4000) };
  } finally {
    for (const fd of left) libc.close(fd);
  }
}

async function create(
  server: ControlServer,
  given: Record<string, unknown>,
  fds: Set<number>,
): Promise<void> {
  const args = createArgs.check(given, "");
  const { id, trees, stdio } = args;
  const { process, root } = args.spec;
  if (process === undefined || root === undefined) {
    throw new RunscError({ what: "invalid configuration", why: "process or root is missing" });
  }
  const spec = { ...args.spec, process, root };
  const first = server.container;
  const old = server.members.get(id);
  if (first.options.id === id || (old !== undefined && old.status === null)) {
    throw new RunscError({ what: "container with given ID already exists", on: id });
  }
  if (server.members.size >= MAX_MEMBERS) {
    throw new RunscError({ what: "too many containers in the sandbox" });
  }
  const [pipe, ...more] = fds;
  const streams = more.slice(trees.length);
  const terminal = process.terminal === true;
  if (pipe === undefined || streams.length !== stdio || (terminal ? stdio !== 1 : stdio < 3)) {
    throw new RunscError({ what: "descriptors are missing" });
  }
  if (!server.config.netRaw) dropCapability(process, "CAP_NET_RAW");
  const profile = spec.linux?.seccomp;
  const seccomp = profile === undefined
    ? null
    : (await import("../seccomp_profile.ts")).seccompOf(profile);
  const { kernel, poller } = first;
  const share = (type: string): Container | null => {
    const name = args.share[type];
    if (name === undefined) return null;
    if (name === "" || name === first.options.id) return first;
    const other = server.members.get(name);
    if (other !== undefined && other.status === null) return other.container;
    throw new RunscError({ what: `cannot share the ${type} namespace of`, on: name });
  };
  const { uts } = kernel;
  const hostname = byteText(spec.hostname ?? uts.hostname);
  const domainname = byteText(spec.domainname ?? uts.domainname);
  const options: BootOptions = {
    ...first.options,
    id,
    bundle: args.bundle,
    rootfs: args.rootfs,
    overlay: args.overlay ? "memory" : "none",
    terminal,
    console: terminal ? streams[0] : null,
    protectInit: true,
    preserveFds: 0,
  };
  const member = new LaterContainer(server, pipe);
  const container = new Container(kernel, poller, spec, options, {
    uts: share("uts")?.nsproxy.uts ?? new UtsNamespace(kernel.userNs, hostname, domainname),
    ipc: share("ipc")?.nsproxy.ipc ?? new IpcNamespace(kernel.userNs),
    net: share("network")?.nsproxy.net ?? new NetNamespace(kernel.userNs, true),
    pids: share("pid")?.pids ?? new PidNamespace(kernel.tasks),
    openTree: treesOf(new Map(trees.map((tree, i) => [tree.path, { ...tree, fd: more[i] }]))),
    openFiles: (ctx) => {
      for (const fd of streams) fds.delete(fd);
      return hostFiles(first, ctx, streams);
    },
    exitWatcher: member,
  });
  container.seccomp = seccomp;
  if (terminal) fds.delete(streams[0]);
  fds.delete(pipe);
  old?.remove();
  member.created(container);
}

/** Opens what came with the request instead of host paths, which this process can not reach any more. */
function treesOf(
  trees: ReadonlyMap<string, { fd: number; file?: string | undefined }>,
): OpenTree {
  return (vfs, at, writable, shared) => {
    const tree = trees.get(at);
    if (tree === undefined) return -ENOENT;
    const fd = libc.fcntl(tree.fd, F_DUPFD_CLOEXEC, 3);
    return fd < 0 ? fd : new HostFileSystem(vfs, fd, writable, tree.file ?? null, shared);
  };
}
