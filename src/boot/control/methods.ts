/** What a sandbox can be asked to do. Arguments are checked as everything that comes from outside. */

import { RunscError } from "../../container/error.ts";
import { boolean, integer, object, oneOf, optional } from "../../container/schema.ts";
import { SigInfo } from "../../sentry/kernel/signal_set.ts";
import { TaskState } from "../../sentry/kernel/task.ts";
import { sendToGroup, startGroupExit } from "../../sentry/kernel/task_signals.ts";
import type { ThreadGroup } from "../../sentry/kernel/thread_group.ts";
import { execProcess, findExec, resizeExec } from "./exec.ts";
import { listProcesses, listStacks, statistics } from "./reports.ts";
import type { ControlConnection, ControlServer } from "./server.ts";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** One call. */
export interface Call {
  server: ControlServer;
  client: ControlConnection;
  args: Record<string, unknown>;
  /** Descriptors that came with it. What a method takes over it removes here; the rest is closed. */
  fds: Set<number>;
}

/** The result, or null when the answer comes later. */
type Method = (call: Call) => Json | null;

const SIGKILL = 9;
/** HUP, INT, QUIT, KILL, TERM: what ends a process that has set no handler. */
const ENDING = new Set([1, 2, 3, 9, 15]);

const pid = integer(1, 2 ** 22);
const signalArgs = object({
  signal: integer(0, 64),
  all: optional(boolean),
  pid: optional(pid),
});
const pidArgs = object({ pid: optional(pid) });
const switchArgs = object({ on: boolean });
const logArgs = object({ level: oneOf(["debug", "info"]) });

function running(server: ControlServer): ThreadGroup {
  const { init } = server.container;
  if (init === null) throw new RunscError({ what: "the container has not been started" });
  return init;
}

function processOf(server: ControlServer, id: number): ThreadGroup {
  const group = server.container.kernel.tasks.process(id);
  if (group === null) throw new RunscError({ what: "no such process", on: String(id) });
  return group;
}

function start({ server }: Call): Json {
  const { container } = server;
  if (container.init !== null) {
    throw new RunscError({ what: "the container has been started already" });
  }
  try {
    container.start();
  } catch (error) {
    server.end(1);
    throw error;
  }
  return {};
}

function signal({ server, args }: Call): Json {
  const { signal: signo, all = false, pid: id } = signalArgs.check(args, "");
  const { init, kernel } = server.container;
  if (init === null) {
    // Nothing runs yet that could handle it.
    if (ENDING.has(signo)) server.end(128 + signo);
    return {};
  }
  const targets = all ? allProcesses(server) : [id === undefined ? init : processOf(server, id)];
  for (const group of targets) {
    if (signo === SIGKILL && server.loop.paused) server.loop.unpause();
    if (signo !== 0) sendToGroup(group, SigInfo.user(signo, 0, kernel.rootCreds.ruid), true);
  }
  return {};
}

function allProcesses(server: ControlServer): ThreadGroup[] {
  const groups = new Set<ThreadGroup>();
  for (const each of server.container.kernel.tasks.pids()) {
    if (each.task !== null && each.task.state < TaskState.Zombie) groups.add(each.task.group);
  }
  return [...groups];
}

function wait({ server, client, args }: Call): Json | null {
  const { pid: id } = pidArgs.check(args, "");
  if (id === undefined) {
    server.waiting.add(client);
    return null;
  }
  const exec = findExec(server, id);
  if (exec === null) {
    throw new RunscError({ what: "no such process was started from outside", on: String(id) });
  }
  exec.waiting.push(client);
  return null;
}

function pause({ server }: Call): Json {
  running(server);
  server.loop.pause();
  return {};
}

function resume({ server }: Call): Json {
  running(server);
  server.loop.unpause();
  return {};
}

function strace({ server, args }: Call): Json {
  const { on } = switchArgs.check(args, "");
  if (server.trace === null) {
    const hint = "start it with --strace";
    throw new RunscError({ what: "the sandbox has no trace of system calls", hint });
  }
  server.trace.enabled = on;
  return {};
}

function log({ server, args }: Call): Json {
  server.config.debug = logArgs.check(args, "").level === "debug";
  return {};
}

function stop({ server }: Call): Json {
  const { init } = server.container;
  if (init === null) server.end(128 + SIGKILL);
  else {
    server.loop.unpause();
    startGroupExit(init, SIGKILL, null);
  }
  return {};
}

function state({ server }: Call): Json {
  const { init } = server.container;
  const status = init === null ? "created" : server.loop.paused ? "paused" : "running";
  return { status, id: server.container.options.id };
}

/** All methods by name. */
export const METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ["start", start],
  ["state", state],
  ["signal", signal],
  ["wait", wait],
  ["exec", execProcess],
  ["resize", resizeExec],
  ["processes", ({ server }) => listProcesses(server)],
  ["stacks", ({ server }) => listStacks(server)],
  ["stats", ({ server }) => statistics(server)],
  ["pause", pause],
  ["resume", resume],
  ["strace", strace],
  ["log", log],
  ["stop", stop],
]);
