/** mounts, mountinfo and mountstats of a task (proc_pid_mountinfo(5)). */

import {
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RELATIME,
} from "../../../abi/mount.ts";
import type { Task } from "../../kernel/task.ts";
import type { Dentry } from "../../vfs/dentry.ts";
import { devMajor, devMinor } from "../../vfs/device_number.ts";
import type { Mount } from "../../vfs/mount.ts";
import { isReachable, Path, pathName } from "../../vfs/path.ts";
import { escapePath } from "./format.ts";

/** The mounts that a task sees, with the names where it sees them. */
function visible(task: Task): [Mount, string][] {
  const root = task.fs.root;
  const list: [Mount, string][] = [];
  for (const mount of task.nsproxy.mnt.mounts) {
    const path = new Path(mount, mount.root);
    if (!isReachable(path, root)) continue;
    list.push([mount, escapePath(pathName(path, root))]);
  }
  return list;
}

function options(mount: Mount): string {
  const flags = mount.flags;
  let text = mount.readOnly ? "ro" : "rw";
  if (flags & MS_NOSUID) text += ",nosuid";
  if (flags & MS_NODEV) text += ",nodev";
  if (flags & MS_NOEXEC) text += ",noexec";
  if (flags & MS_NOATIME) text += ",noatime";
  if (flags & MS_NODIRATIME) text += ",nodiratime";
  if (flags & MS_RELATIME) text += ",relatime";
  return text;
}

/** The options of the mount's file system, without the comma. */
export function mountOptionsText(mount: Mount): string {
  return mount.fs.showOptions();
}

function superOptions(mount: Mount): string {
  const own = mount.fs.showOptions();
  return own === "" ? "" : `,${own}`;
}

/** The place within its file system that a mount shows. */
export function rootName(mount: Mount): string {
  let name = "";
  for (let d: Dentry | null = mount.root; d !== null && d.parent !== null; d = d.parent) {
    name = `/${d.name}${name}`;
  }
  return name === "" ? "/" : escapePath(name);
}

/** /proc/PID/mounts. */
export function mountsText(task: Task): string {
  let text = "";
  for (const [mount, name] of visible(task)) {
    text += `${escapePath(mount.source)} ${name} ${mount.fs.typeName} ${options(mount)}${
      superOptions(mount)
    } 0 0\n`;
  }
  return text;
}

/** /proc/PID/mountinfo. */
export function mountinfoText(task: Task): string {
  let text = "";
  for (const [mount, name] of visible(task)) {
    const dev = mount.fs.dev;
    const parent = mount.parent === null ? mount.id : mount.parent.id;
    text += `${mount.id} ${parent} ${devMajor(dev)}:${devMinor(dev)} ${rootName(mount)} ${name} ${
      options(mount)
    }${propagation(mount)} - ${mount.fs.typeName} ${escapePath(mount.source)} ${
      mount.fs.readOnly ? "ro" : "rw"
    }${superOptions(mount)}\n`;
  }
  return text;
}

function propagation(mount: Mount): string {
  let text = "";
  if (mount.group !== null) text += ` shared:${mount.group.id}`;
  if (mount.master !== null) text += ` master:${mount.master.id}`;
  if (mount.unbindable) text += " unbindable";
  return text;
}

/** /proc/PID/mountstats. */
export function mountstatsText(task: Task): string {
  let text = "";
  for (const [mount, name] of visible(task)) {
    text += `device ${
      escapePath(mount.source)
    } mounted on ${name} with fstype ${mount.fs.typeName}\n`;
  }
  return text;
}
