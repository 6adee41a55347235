import assert from "node:assert/strict";
import { cpuInfoText } from "../../../../../src/sentry/fs/proc/cpuinfo.ts";
import {
  cpuList,
  cpuMask,
  escapePath,
  hex,
  kilobytes,
  mask64,
} from "../../../../../src/sentry/fs/proc/format.ts";
import { parseNumber } from "../../../../../src/sentry/fs/proc/task_fd.ts";
import {
  idMapText,
  writeIdMap,
  writeOomScoreAdj,
} from "../../../../../src/sentry/fs/proc/task_text.ts";
import { EACCES, EINVAL, EPERM } from "../../../../../src/abi/errno.ts";
import { Credentials } from "../../../../../src/sentry/kernel/credentials.ts";
import type { Task } from "../../../../../src/sentry/kernel/task.ts";
import { UserNamespace } from "../../../../../src/sentry/kernel/user_namespace.ts";

Deno.test("numbers and names are written as the kernel writes them", () => {
  assert.equal(hex(0x7f, 8), "0000007f");
  assert.equal(mask64(-1, 1), "00000001ffffffff");
  assert.equal(kilobytes(4096 * 3), "      12 kB");
  assert.equal(escapePath("a b\\c\td"), "a\\040b\\134c\\011d");
  assert.equal(cpuList(Uint8Array.of(0b10110111), 8), "0-2,4-5,7");
  assert.equal(cpuList(Uint8Array.of(0xff), 3), "0-2");
  assert.equal(cpuMask(Uint8Array.of(0b11), 2), "3");
  assert.equal(cpuMask(new Uint8Array(5).fill(0xff), 36), "0000000f,ffffffff");
});

Deno.test("only plain numbers name descriptors and processes", () => {
  assert.deepEqual(["0", "12", "01", "-1", "+1", "1 ", "", "1e3"].map(parseNumber), [
    0,
    12,
    -1,
    -1,
    -1,
    -1,
    -1,
    -1,
  ]);
});

Deno.test("every processor has a block in cpuinfo", () => {
  const text = cpuInfoText(3);
  const blocks = text.split("\n\n").filter((b) => b !== "");
  assert.equal(blocks.length, 3);
  blocks.forEach((b, i) => {
    assert.match(b, new RegExp(`^processor\t: ${i}\n`));
    assert.match(b, /\nmodel name\t: ./);
    assert.match(b, /\nsiblings\t: 3\n/);
    assert.match(b, /\nflags\t\t: ./);
  });
});

const root = new UserNamespace(null);

function task(creds: Credentials): Task {
  return { creds, group: { oomScoreAdj: 0 } } as unknown as Task;
}

Deno.test("an id map is written once, by who may, without overlaps", () => {
  const ns = new UserNamespace(root, 0, 0);
  const inside = task(Credentials.root(ns));
  const outside = task(Credentials.root(root));
  const write = (t: Task, text: string, target = inside) => writeIdMap(t, target, text, true);
  assert.equal(write(outside, "0 1000\n"), -EINVAL);
  assert.equal(write(outside, "0 1000 10\n5 3000 10\n"), -EINVAL);
  assert.equal(write(outside, "0 1000 0\n"), -EINVAL);
  assert.equal(write(task(Credentials.user(root, 5, 5)), "0 1000 10\n"), -EPERM);
  assert.equal(write(outside, "0 1000 10\n10 3000 1\n"), 0);
  assert.equal(write(outside, "0 1000 10\n"), -EPERM);
  assert.equal(ns.toKuid(3), 1003);
  assert.equal(ns.toKuid(10), 3000);
  assert.equal(
    idMapText(ns, root, true),
    "         0       1000         10\n        10       3000          1\n",
  );
  assert.equal(idMapText(root, root, true), "         0          0 4294967295\n");
});

Deno.test("a user may map oneself, and groups only without setgroups", () => {
  const ns = new UserNamespace(root, 1000, 1000);
  const owner = task(Credentials.user(root, 1000, 1000));
  const inside = task(Credentials.root(ns));
  assert.equal(writeIdMap(owner, inside, "0 1001 1", true), -EPERM);
  assert.equal(writeIdMap(owner, inside, "0 1000 1", true), 0);
  assert.equal(writeIdMap(owner, inside, "0 1000 1", false), -EPERM);
  ns.setgroupsAllowed = false;
  assert.equal(writeIdMap(owner, inside, "0 1000 1", false), 0);
});

Deno.test("making oneself a better victim is free, a worse one needs a capability", () => {
  const user = task(Credentials.user(root, 1000, 1000));
  assert.equal(writeOomScoreAdj(user, user, "500\n"), 0);
  assert.equal(writeOomScoreAdj(user, user, "499"), -EACCES);
  assert.equal(writeOomScoreAdj(task(Credentials.root(root)), user, "-1000"), 0);
  assert.equal(writeOomScoreAdj(user, user, "2000"), -EINVAL);
  assert.equal(writeOomScoreAdj(user, user, "x"), -EINVAL);
});
