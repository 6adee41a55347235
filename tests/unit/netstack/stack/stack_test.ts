import assert from "node:assert/strict";
import { EEXIST, EINVAL } from "../../../../src/abi/errno.ts";
import { ChannelDevice } from "../../../../src/netstack/link/channel.ts";
import { ip, LOOPBACK_V4 } from "../../../../src/netstack/wire/address.ts";
import { advance, createNode, SECOND, settle, text } from "../support/harness.ts";
import { connected } from "../support/tcp.ts";

Deno.test("changes are told to who listens", () => {
  const { stack, clock } = createNode();
  const log: string[] = [];
  stack.ctx.routes.events = {
    link: (at, gone) => log.push(`${gone ? "-" : "+"}link ${at.name} ${at.isUp}`),
    address: (at, e, gone) =>
      log.push(`${gone ? "-" : "+"}addr ${at.name} ${e.address} ${e.state}`),
    route: (e, gone) => log.push(`${gone ? "-" : "+"}route ${e.destination}/${e.prefix}`),
    neighbour: (at, n) => log.push(`neigh ${at.name} ${n.address} ${n.state}`),
  };
  const at = stack.addInterface("eth1", new ChannelDevice({ address: 0x02000000ff01 }));
  assert(typeof at !== "number");
  at.routerSolicitations = 0;
  stack.setUp(at, true);
  stack.addAddress(at, ip("172.16.0.1"), 16);
  advance(clock, 3 * SECOND, stack);
  assert.equal(stack.renameInterface(at, "net0"), 0);
  assert.equal(stack.removeInterface(at), 0);
  assert.deepEqual(log, [
    "+link eth1 false",
    "+link eth1 true",
    "+route fe80::/64",
    "+addr eth1 fe80::ff:fe00:ff01 0",
    "+route 172.16.0.0/16",
    "+addr eth1 172.16.0.1 1",
    "+addr eth1 fe80::ff:fe00:ff01 1",
    "+link net0 true",
    "+link net0 false",
    "-route 172.16.0.0/16",
    "-route fe80::/64",
    "-addr net0 fe80::ff:fe00:ff01 1",
    "-addr net0 172.16.0.1 1",
    "-link net0 false",
  ]);
});

Deno.test("names of interfaces are checked and unique", () => {
  const { stack, eth } = createNode();
  const d = () => new ChannelDevice();
  assert.equal(stack.addInterface("eth0", d()), -EEXIST);
  assert.equal(stack.addInterface("", d()), -EINVAL);
  assert.equal(stack.addInterface("a/b", d()), -EINVAL);
  assert.equal(stack.addInterface("a-name-too-long1", d()), -EINVAL);
  assert.equal(stack.removeInterface(stack.loopback), -EINVAL);
  assert.equal(stack.interfaceByName("eth0"), eth);
  assert.deepEqual(stack.interfaces().map((i) => i.name), ["lo", "eth0"]);
});

Deno.test("a waiter may use the stack from within its wake-up", () => {
  const { stack } = createNode();
  const { client, server } = connected(stack, stack, LOOPBACK_V4, 80);
  let woken = 0;
  server.onReadinessChange = () => {
    if (woken++ < 3) {
      server.send(text("reply"), 5, 0);
      stack.poll();
    }
  };
  client.send(text("x"), 1, 0);
  settle(stack);
  assert(client.available >= 5);
  assert(woken >= 1);
});
