/** Types of arguments of poll(2), select(2) and epoll(7). */

import * as polls from "../../abi/poll.ts";
import { EpollEvent, Pollfd } from "../../abi/structs/file.ts";
import { address, ARRAY_LIMIT, Enumeration, FlagSet, hex64 } from "../strace/format.ts";
import {
  type ArgType,
  type Call,
  choice,
  early,
  flags,
  late,
  type ResultType,
} from "./arg_types.ts";

const pollNames = new FlagSet(polls, /^POLL(?!REMOVE|MSG)/, "POLL");
const epollNames = new FlagSet(polls, /^EPOLL(?!_)/, "EPOLL");

function printPollfds(at: number, count: number, call: Call, results: boolean): string {
  const parts: string[] = [];
  for (let i = 0; i < count && i < 4096; i++) {
    const view = call.view.view(at + i * Pollfd.size, Pollfd.size);
    if (view === null) return parts.length === 0 ? address(at) : `[${parts.join(", ")}, ...]`;
    const entry = Pollfd.read(view, 0);
    if (results && entry.revents === 0) continue;
    if (parts.length === ARRAY_LIMIT) {
      parts.push("...");
      break;
    }
    const events = results
      ? `revents=${pollNames.print(entry.revents & 0xffff)}`
      : `events=${pollNames.print(entry.events & 0xffff)}`;
    parts.push(`{fd=${entry.fd}, ${events}}`);
  }
  return `[${parts.join(", ")}]`;
}

export const pollfds: ArgType = early(
  "pollfds",
  (v, call) => v === 0 ? "NULL" : printPollfds(v, call.args[1], call, false),
);

/** How many descriptors are ready, and which. */
export const pollResult: ResultType = {
  name: "count",
  print: (result, call) =>
    result === 0
      ? "0 (Timeout)"
      : `${result} (${printPollfds(call.args[0], call.args[1], call, true)})`,
};

function members(at: number, call: Call): number[] | null {
  const count = Math.min(call.args[0], polls.FD_SETSIZE);
  const found = call.view.bytes(at, Math.ceil(count / 64) * 8);
  if (found === null) return null;
  const fds: number[] = [];
  for (let i = 0; i < count; i++) if (found[i >> 3] & (1 << (i & 7))) fds.push(i);
  return fds;
}

export const fdSet: ArgType = early("fd_set", (v, call) => {
  const fds = members(v, call);
  return fds === null ? address(v) : `[${fds.join(" ")}]`;
});

/** How many descriptors are ready, and in which sets. */
export const selectResult: ResultType = {
  name: "count",
  print(result, call) {
    if (result === 0) return "0 (Timeout)";
    const sets = ["in", "out", "except"].flatMap((name, i) => {
      const fds = call.args[i + 1] === 0 ? null : members(call.args[i + 1], call);
      return fds === null || fds.length === 0 ? [] : [`${name} [${fds.join(" ")}]`];
    });
    return `${result} (${sets.join(", ")})`;
  },
};

export const epollFlags: ArgType = flags(
  new FlagSet({ EPOLL_CLOEXEC: polls.EPOLL_CLOEXEC }, /./, "EPOLL_"),
  "epoll flags",
);
export const epollOperation: ArgType = choice(
  new Enumeration(polls, /^EPOLL_CTL_/, "EPOLL_CTL_"),
  "epoll operation",
);

function printEpollEvent(view: DataView): string {
  const event = EpollEvent.read(view, 0);
  return `{events=${epollNames.print(event.events)}, data=${hex64(event.data)}}`;
}

export const epollEventIn: ArgType = early("epoll_event", (v, call) => {
  const view = call.view.view(v, EpollEvent.size);
  return view === null ? address(v) : printEpollEvent(view);
});
export const epollEventsOut: ArgType = late("epoll_events out", (v, call) => {
  const parts: string[] = [];
  for (let i = 0; i < call.result; i++) {
    const view = call.view.view(v + i * EpollEvent.size, EpollEvent.size);
    if (view === null) return address(v);
    if (i === ARRAY_LIMIT) {
      parts.push("...");
      break;
    }
    parts.push(printEpollEvent(view));
  }
  return `[${parts.join(", ")}]`;
});
