import assert from "node:assert/strict";
import { CAP_CHOWN, CAP_KILL, CAP_SYS_ADMIN, CAP_SYSLOG } from "../../../../src/abi/capability.ts";
import { CapabilitySet, Credentials } from "../../../../src/sentry/kernel/credentials.ts";
import { fixupAfterSetuid } from "../../../../src/sentry/kernel/task_creds.ts";
import { IdRange, UserNamespace } from "../../../../src/sentry/kernel/user_namespace.ts";

Deno.test("capability sets hold capabilities of both halves", () => {
  const set = CapabilitySet.of(CAP_CHOWN, CAP_SYSLOG);
  assert.equal(set.has(CAP_CHOWN), true);
  assert.equal(set.has(CAP_SYSLOG), true);
  assert.equal(set.has(CAP_KILL), false);
  assert.equal(set.isSubsetOf(CapabilitySet.full()), true);
  set.drop(CAP_SYSLOG);
  assert.equal(set.has(CAP_SYSLOG), false);
});

Deno.test("a process that leaves root for good loses its capabilities", () => {
  const root = Credentials.root(new UserNamespace(null));
  const user = root.clone();
  user.ruid =
    user.euid =
    user.suid =
    user.fsuid =
      1000;
  fixupAfterSetuid(user, root, 0);
  assert.equal(user.permitted.isEmpty, true);
  assert.equal(user.effective.isEmpty, true);
});

Deno.test("a process that leaves root for a while keeps what it may take back", () => {
  const root = Credentials.root(new UserNamespace(null));
  const user = root.clone();
  user.euid = user.fsuid = 1000;
  fixupAfterSetuid(user, root, 0);
  assert.equal(user.effective.isEmpty, true);
  assert.equal(user.permitted.has(CAP_SYS_ADMIN), true);
  const back = user.clone();
  back.euid = back.fsuid = 0;
  fixupAfterSetuid(back, user, 0);
  assert.equal(back.effective.has(CAP_SYS_ADMIN), true);
});

Deno.test("ids of nested user namespaces map through their parents", () => {
  const root = new UserNamespace(null);
  const outer = new UserNamespace(root);
  outer.uidMap = [new IdRange(0, 100000, 65536)];
  const inner = new UserNamespace(outer);
  inner.uidMap = [new IdRange(0, 1000, 1), new IdRange(1, 1, 10)];
  assert.equal(inner.toKuid(0), 101000);
  assert.equal(inner.fromKuid(101000), 0);
  assert.equal(inner.fromKuid(100005), 5);
  assert.equal(inner.toKuid(11), -1);
  assert.equal(inner.fromKuid(5), 65534);
});

Deno.test("the creator of a user namespace has all capabilities in it, and in none above", () => {
  const root = new UserNamespace(null);
  const user = Credentials.user(root, 1000, 1000);
  const own = new UserNamespace(root, 1000, 1000);
  assert.equal(user.capable(CAP_SYS_ADMIN), false);
  assert.equal(user.capable(CAP_SYS_ADMIN, own), true);
  const inside = Credentials.root(own);
  assert.equal(inside.capable(CAP_SYS_ADMIN), true);
  assert.equal(inside.capable(CAP_SYS_ADMIN, root), false);
});
