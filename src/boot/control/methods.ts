/** What a sandbox can be asked to do. Arguments are checked as everything that comes from outside. */

import { RunscError } from "../../container/error.ts";
import { boolean, integer, object, oneOf, optional } from "../../container/schema.ts";
import { SigInfo } from "../../sentry/kernel/signal_set.ts";
import { sendToGroup, startGroupExit } from "../../sentry/kernel/task_signals.ts";
import type { ThreadGroup } from "../../sentry/kernel/thread_group.ts";
import type { Container } from "../container.ts";
import { execProcess, findExec, resizeExec } from "./exec.ts";
import { listProcesses, listStacks, processesOf, statistics } from "./reports.ts";
import type { ControlConnection, ControlServer, Member } from "./server.ts";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** One call. */
export interface Call {
  server: ControlServer;
  client: ControlConnection;
  args: Record<string, unknown>;
  /** Descriptors that came with it. What a method takes over it removes here; the rest is closed. */
  fds: Set<number>;
  /** What it is about, and that once more if the container came after the sandbox's own. */
  container: Container;
  member: Member | null;
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

function running({ container, member }: Call): ThreadGroup {
  const { init } = container;
  if (member !== null && member.status !== null) {
    throw new RunscError({ what: "the container has ended" });
  }
  if (init === null) throw new RunscError({ what: "the container has not been started" });
  return init;
}

function processOf({ server, container }: Call, id: number): ThreadGroup {
  const group = container.pids.process(id);
  if (group === null || server.containerOf(group.leader) !== container) {
    throw new RunscError({ what: "no such process", on: String(id) });
  }
  return group;
}

function start({ server, container, member }: Call): Json {
  if (container.init !== null || (member !== null && member.status !== null)) {
    throw new RunscError({ what: "the container has been started already" });
  }
  try {
    container.start();
  } catch (error) {
    if (member === null) server.end(1);
    else member.end(1);
    throw error;
  }
  return {};
}

function signal(call: Call): Json {
  const { server, container, member } = call;
  const { signal: signo, all = false, pid: id } = signalArgs.check(call.args, "");
  const { init, kernel } = container;
  if (init === null) {
    // Nothing runs yet that could handle it.
    if (ENDING.has(signo)) (member ?? server).end(128 + signo);
    return {};
  }
  const targets = all ? processesOf(server, container) : [
    id === undefined ? running(call) : processOf(call, id),
  ];
  for (const group of targets) {
    if (signo === SIGKILL) server.setPaused(container, false);
    if (signo !== 0) sendToGroup(group, SigInfo.user(signo, 0, kernel.rootCreds.ruid), true);
  }
  return {};
}

function wait({ server, client, args, container, member }: Call): Json | null {
  const { pid: id } = pidArgs.check(args, "");
  if (id === undefined) {
    if (member !== null && member.status !== null) return { status: member.status };
    (member ?? server).waiting.add(client);
    return null;
  }
  const exec = findExec(container, id);
  if (exec === null) {
    throw new RunscError({ what: "no such process was started from outside", on: String(id) });
  }
  exec.waiting.push(client);
  return null;
}

function pause(call: Call): Json {
  running(call);
  call.server.setPaused(call.container, true);
  return {};
}

function resume(call: Call): Json {
  running(call);
  call.server.setPaused(call.container, false);
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

function stop({ server, container, member }: Call): Json {
  const { init } = container;
  if (init === null || member !== null) (member ?? server).end(128 + SIGKILL);
  else {
    server.setPaused(container, false);
    startGroupExit(init, SIGKILL, null);
  }
  return {};
}

function state({ server, container, member }: Call): Json {
  const status = member !== null && member.status !== null
    ? "stopped"
    : container.init === null
    ? "created"
    : server.isPaused(container)
    ? "paused"
    : "running";
  return { status, id: container.options.id };
}

/** The method `create`, whose code is loaded when it is wanted. */
function create({ server, client, args, fds }: Call): null {
  const { kernel, init } = server.container;
  if (init === null) throw new RunscError({ what: "the sandbox has not been started" });
  const taken = [...fds];
  fds.clear();
  kernel.defer(async () => {
    const { createMember } = await import("./members.ts");
    client.reply(await createMember(server, args, taken));
  });
  return null;
}

/** The method `destroy`: a container that came later goes for good. */
function destroy({ member }: Call): Json {
  if (member === null) throw new RunscError({ what: "the sandbox's own container ends with it" });
  member.remove();
  return {};
}

/** All methods by name. */
export const METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ["start", start],
  ["state", state],
  ["signal", signal],
  ["wait", wait],
  ["exec", execProcess],
  ["resize", resizeExec],
  ["processes", ({ server, container }) => listProcesses(server, container)],
  ["stacks", ({ server }) => listStacks(server)],
  ["stats", ({ server, container }) => statistics(server, container)],
  ["pause", pause],
  ["resume", resume],
  ["strace", strace],
  ["log", log],
  ["stop", stop],
  ["create", create],
  ["destroy", destroy],
]);
