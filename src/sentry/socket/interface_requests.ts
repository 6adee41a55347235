/** Requests about interfaces, which any socket answers; the family that knows is loaded for them. */

import { ENOTTY, EOPNOTSUPP } from "../../abi/errno.ts";
import type { Task } from "../kernel/task.ts";

type Answer = (t: Task, cmd: number, arg: number) => number;

let answer: Answer | null = null;
let load: ((t: Task) => number) | null = null;

/** Says who answers. */
export function setInterfaceAnswer(fn: Answer): void {
  answer = fn;
}

/** Says how to get at who answers: the call is run again once that is there. */
export function setInterfaceLoader(fn: (t: Task) => number): void {
  load = fn;
}

/** Whether an ioctl is about interfaces, routes or neighbours. */
export function isInterfaceRequest(cmd: number): boolean {
  return (cmd >= 0x890b && cmd <= 0x890c) || (cmd >= 0x8910 && cmd < 0x8980);
}

/** Answers a request of which {@link isInterfaceRequest} holds. */
export function interfaceRequest(t: Task, cmd: number, arg: number): number {
  if (answer === null) return load === null ? -ENOTTY : load(t);
  const r = answer(t, cmd, arg);
  return r === -EOPNOTSUPP ? -ENOTTY : r;
}
