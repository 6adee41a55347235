/** What a sandbox tells of its processes. */

import { type Task, TaskState } from "../../sentry/kernel/task.ts";
import { type ThreadGroup, Usage } from "../../sentry/kernel/thread_group.ts";
import { Terminal } from "../../sentry/fs/tty/terminal.ts";
import type { ControllingTerminal } from "../../sentry/kernel/process_group.ts";
import type { Container } from "../container.ts";
import type { Json } from "./methods.ts";
import type { ControlServer } from "./server.ts";

const PAGE = 4096;
/** Most entries of one answer, which has to fit into a message. */
const MAX_ENTRIES = 800;

/** The processes of a container that have not ended. */
export function processesOf(server: ControlServer, container: Container): ThreadGroup[] {
  const found = new Set<ThreadGroup>();
  for (const { task } of container.pids.pids()) {
    if (task === null || task.group.isZombie) continue;
    if (server.containerOf(task) === container) found.add(task.group);
  }
  return [...found];
}

/** The method `processes`. */
export function listProcesses(server: ControlServer, container: Container): Json {
  const now = container.kernel.clock.monotonic();
  return {
    processes: processesOf(server, container).slice(0, MAX_ENTRIES).map((group) => ({
      uid: group.leader.creds.euid,
      pid: group.pid.numberIn(container.pids),
      ppid: group.parent?.pid.numberIn(container.pids) ?? 0,
      threads: group.tasks.length,
      terminal: terminalName(group.session.terminal),
      /** Seconds since it started, and of processor time. */
      elapsed: Math.floor((now - group.startTime) / 1e9),
      cpu: group.cpuTime() / 1e9,
      name: group.leader.name,
    })),
  };
}

function terminalName(terminal: ControllingTerminal | null): string {
  return terminal instanceof Terminal ? `pts/${terminal.index}` : "?";
}

/** The method `stacks`: where every thread is. */
export function listStacks(server: ControlServer): Json {
  const tasks: Task[] = [];
  for (const pid of server.container.kernel.tasks.pids()) {
    if (pid.task !== null) tasks.push(pid.task);
  }
  const states = ["user", "kernel", "blocked", "stopped", "zombie", "dead"];
  return {
    tasks: tasks.slice(0, MAX_ENTRIES).map((task) => ({
      pid: task.group.tgid,
      tid: task.tid,
      name: task.name,
      state: states[task.state],
      syscall: task.state === TaskState.User ? -1 : task.sysno,
      runs: task.block.runs,
    })),
  };
}

/** The method `stats`. Times are nanoseconds. */
export function statistics(server: ControlServer, container: Container): Json {
  const { kernel } = container;
  const usage = new Usage();
  let threads = 0;
  let waited = 0;
  for (const group of processesOf(server, container)) {
    group.collectUsage(usage);
    waited += group.childUsage.userTime + group.childUsage.systemTime;
    threads += group.tasks.length;
  }
  return {
    cpu: Math.round(usage.userTime + usage.systemTime + waited),
    memory: kernel.frames.usedFrames * PAGE,
    pids: threads,
  };
}
