import { CAP_SYS_RESOURCE } from "../../../abi/capability.ts";
import { RLIMIT_NOFILE } from "../../../abi/resource.ts";
import type { Task } from "../../kernel/task.ts";
import { filesInFlight } from "./unix_queue.ts";

/** Whether `t` may send `count` more descriptions; unix(7), ETOOMANYREFS. */
export function mayFly(t: Task, count: number): boolean {
  return filesInFlight + count <= t.group.rlimits.soft[RLIMIT_NOFILE] ||
    t.creds.capable(CAP_SYS_RESOURCE);
}
