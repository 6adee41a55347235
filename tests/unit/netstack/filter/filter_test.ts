import assert from "node:assert/strict";
import {
  EAGAIN,
  ECONNREFUSED,
  EHOSTUNREACH,
  EINPROGRESS,
  EINVAL,
} from "../../../../src/abi/errno.ts";
import { SeededRandom } from "../../../../src/netstack/core/random.ts";
import { TrackState } from "../../../../src/netstack/filter/conntrack.ts";
import {
  addressMatch,
  addressTypeMatch,
  interfaceMatch,
  portMatch,
  protocolMatch,
  rule,
  stateMatch,
} from "../../../../src/netstack/filter/rules.ts";
import { createPair } from "../../../../src/netstack/link/pair.ts";
import { Stack } from "../../../../src/netstack/stack/stack.ts";
import { TcpState } from "../../../../src/netstack/transport/tcp/constants.ts";
import { SendTarget } from "../../../../src/netstack/transport/udp_endpoint.ts";
import { ANY_V4, ip, type IpAddress, LOOPBACK_V4 } from "../../../../src/netstack/wire/address.ts";
import {
  advance,
  bytes,
  createNode,
  MS,
  pump,
  read,
  SECOND,
  settle,
  text,
  VirtualClock,
} from "../support/harness.ts";
import { connected, listen, Transfer } from "../support/tcp.ts";

const CLIENT = ip("10.0.0.2");
const INSIDE = ip("10.0.0.1");
const OUTSIDE = ip("203.0.113.1");
const SERVER = ip("203.0.113.9");

/** client (10.0.0.2) - gateway - server (203.0.113.9). */
function network() {
  const clock = new VirtualClock();
  const make = (seed: number) => {
    const s = new Stack(clock, new SeededRandom(seed));
    s.startLoopback();
    return s;
  };
  const [client, gateway, server] = [make(1), make(2), make(3)];
  const attach = (s: Stack, name: string, d: ReturnType<typeof createPair>[0], a: IpAddress) => {
    const i = s.addInterface(name, d);
    assert(typeof i !== "number");
    i.dadTransmits = 0;
    i.routerSolicitations = 0;
    i.forwarding4 = s === gateway;
    s.setUp(i, true);
    s.addAddress(i, a, 24);
    pump(s, d);
    return i;
  };
  const [c, g0] = createPair(0x020000000002, 0x020000000001);
  const [g1, w] = createPair(0x020000000011, 0x020000000012);
  const eth = attach(client, "eth0", c, CLIENT);
  attach(gateway, "eth0", g0, INSIDE);
  attach(gateway, "eth1", g1, OUTSIDE);
  attach(server, "eth0", w, SERVER);
  client.addRoute({
    destination: ANY_V4,
    prefix: 0,
    gateway: INSIDE,
    interfaceIndex: eth.index,
  });
  return { clock, client, gateway, server, all: [client, gateway, server] };
}

function to(a: IpAddress, port: number): SendTarget {
  const t = new SendTarget();
  t.address = a;
  t.port = port;
  return t;
}

Deno.test("masquerading lets clients out under the gateway's address", () => {
  const { client, gateway, server, all, clock } = network();
  const f = gateway.enableFilter();
  f.tables4.nat.append(
    "POSTROUTING",
    rule(
      { kind: "masquerade", firstPort: 0, lastPort: 0 },
      interfaceMatch("out", "eth1"),
      addressMatch("src", ip("10.0.0.0"), 24),
    ),
  );
  const l = listen(server, 80);
  const c = client.tcp.createEndpoint(false);
  assert.equal(c.connect(SERVER, 80), -EINPROGRESS);
  settle(...all);
  assert.equal(c.state, TcpState.Established);
  const s = l.accept();
  assert(typeof s !== "number");
  assert.equal(String(s.remote), "203.0.113.1");
  const t = new Transfer(c, s, bytes(200_000));
  for (let i = 0; i < 500 && !t.finished; i++) {
    t.step();
    advance(clock, MS, ...all);
  }
  t.check();
  assert.equal(f.tracks.size, 1);
  s.close();
  c.close();
  advance(clock, 200 * SECOND, ...all);
  assert.equal(f.tracks.size, 0);
});

Deno.test("two clients' ports that collide are told apart", () => {
  const { client, gateway, server, all } = network();
  const f = gateway.enableFilter();
  f.tables4.nat.append(
    "POSTROUTING",
    rule({ kind: "masquerade", firstPort: 0, lastPort: 0 }, interfaceMatch("out", "eth1")),
  );
  const s = server.udp.createEndpoint(false);
  s.bind(null, 53);
  const g = gateway.udp.createEndpoint(false);
  g.bind(null, 4000);
  const c = client.udp.createEndpoint(false);
  c.bind(null, 4000);
  g.send(text("g"), 1, 0, to(SERVER, 53));
  settle(...all);
  c.send(text("c"), 1, 0, to(SERVER, 53));
  settle(...all);
  assert.equal(read(s), "g");
  assert.equal(read(s), "c");
  const ports = f.tracks.list().map((t) => t.reply.dstPort);
  assert.notEqual(ports[0], ports[1]);
  // Answers find their way back.
  for (const p of ports) s.send(text("r"), 1, 0, to(OUTSIDE, p));
  settle(...all);
  assert.equal(read(g), "r");
  assert.equal(read(c), "r");
});

Deno.test("a port is forwarded to a host inside", () => {
  const { client, gateway, server, all } = network();
  const f = gateway.enableFilter();
  f.tables4.nat.append(
    "PREROUTING",
    rule(
      { kind: "dnat", range: { first: CLIENT, last: CLIENT, firstPort: 8080, lastPort: 8080 } },
      protocolMatch(6),
      portMatch("dst", [[80, 80]]),
      addressTypeMatch("dst", 2),
    ),
  );
  const l = listen(client, 8080);
  const c = server.tcp.createEndpoint(false);
  c.connect(OUTSIDE, 80);
  settle(...all);
  assert.equal(c.state, TcpState.Established);
  const s = l.accept();
  assert(typeof s !== "number");
  c.send(text("in"), 2, 0);
  settle(...all);
  assert.equal(read(s), "in");
  s.send(text("out"), 3, 0);
  settle(...all);
  assert.equal(read(c), "out");
});

Deno.test("an ICMP error about a translated packet reaches its sender", () => {
  const { client, gateway, all } = network();
  const f = gateway.enableFilter();
  f.tables4.nat.append(
    "POSTROUTING",
    rule({ kind: "masquerade", firstPort: 0, lastPort: 0 }, interfaceMatch("out", "eth1")),
  );
  const c = client.udp.createEndpoint(false);
  c.connect(SERVER, 9);
  c.send(text("x"), 1, 0, null);
  settle(...all);
  assert.equal(read(c), -ECONNREFUSED);
});

Deno.test("REDIRECT sends a program's own connections to a local proxy, as sidecars do", () => {
  const { stack } = createNode();
  const f = stack.enableFilter();
  assert.equal(f.tables4.nat.addChain("PROXY"), 0);
  f.tables4.nat.append("PROXY", rule({ kind: "redirect", firstPort: 15001, lastPort: 15001 }));
  f.tables4.nat.append(
    "OUTPUT",
    rule({ kind: "return" }, addressMatch("dst", ip("127.0.0.0"), 8)),
  );
  f.tables4.nat.append("OUTPUT", rule({ kind: "jump", chain: "PROXY" }, protocolMatch(6)));
  const l = listen(stack, 15001);
  const c = stack.tcp.createEndpoint(false);
  assert.equal(c.connect(ip("93.184.216.34"), 80), -101);
  stack.addRoute({
    destination: ANY_V4,
    prefix: 0,
    gateway: ip("10.0.0.2"),
    interfaceIndex: 2,
  });
  assert.equal(c.connect(ip("93.184.216.34"), 80), -EINPROGRESS);
  settle(stack);
  assert.equal(c.state, TcpState.Established);
  const s = l.accept();
  assert(typeof s !== "number");
  c.send(text("hi"), 2, 0);
  settle(stack);
  assert.equal(read(s), "hi");
  const [t] = f.tracks.list();
  assert.equal(`${t.original.dst}:${t.original.dstPort}`, "93.184.216.34:80");
  const o = f.originalDestination(6, s.local, s.localPort, s.remote, s.remotePort);
  assert.equal(`${o?.dst}:${o?.dstPort}`, "93.184.216.34:80");
  // Connections to loopback are left alone.
  connected(stack, stack, LOOPBACK_V4, 99);
});

Deno.test("a stateful firewall lets answers in and nothing else", () => {
  const { client, gateway, server, all } = network();
  const f = client.enableFilter();
  const input = f.tables4.filter.chains.get("INPUT");
  assert(input !== undefined);
  input.policy = "drop";
  f.tables4.filter.append(
    "INPUT",
    rule({ kind: "accept" }, stateMatch(TrackState.Established | TrackState.Related)),
  );
  gateway.addRoute({ destination: ANY_V4, prefix: 0, interfaceIndex: 3, gateway: SERVER });
  server.addRoute({
    destination: ip("10.0.0.0"),
    prefix: 24,
    interfaceIndex: 2,
    gateway: OUTSIDE,
  });
  const l = listen(server, 80);
  const c = client.tcp.createEndpoint(false);
  c.connect(SERVER, 80);
  settle(...all);
  assert.equal(c.state, TcpState.Established);
  assert.notEqual(typeof l.accept(), "number");
  listen(client, 22);
  const x = server.tcp.createEndpoint(false);
  x.connect(CLIENT, 22);
  settle(...all);
  assert.equal(x.state, TcpState.SynSent);
  assert.equal(input.packets > 0, true);
});

Deno.test("rejected connections fail at once", () => {
  const { stack } = createNode();
  const f = stack.enableFilter();
  f.tables4.filter.append(
    "INPUT",
    rule(
      { kind: "reject", tcpReset: true, code: 0 },
      protocolMatch(6),
      portMatch("dst", [[80, 80]]),
    ),
  );
  f.tables4.filter.append(
    "INPUT",
    rule({ kind: "reject", tcpReset: false, code: 1 }, portMatch("dst", [[81, 81]])),
  );
  listen(stack, 80);
  const c = stack.tcp.createEndpoint(false);
  c.connect(LOOPBACK_V4, 80);
  settle(stack);
  assert.equal(c.takeError(), ECONNREFUSED);
  const d = stack.tcp.createEndpoint(false);
  d.connect(LOOPBACK_V4, 81);
  settle(stack);
  assert.equal(d.takeError(), EHOSTUNREACH);
});

Deno.test("chains that lead nowhere or in a circle are refused", () => {
  const { stack } = createNode();
  const t = stack.enableFilter().tables4.filter;
  assert.equal(t.append("INPUT", rule({ kind: "jump", chain: "none" })), -EINVAL);
  t.addChain("A");
  t.addChain("B");
  assert.equal(t.append("A", rule({ kind: "jump", chain: "B" })), 0);
  assert.equal(t.append("B", rule({ kind: "jump", chain: "A" })), -EINVAL);
});

Deno.test("tracked connections have a limit that a flood can't pass", () => {
  const { stack, clock } = createNode();
  const f = stack.enableFilter();
  f.tracks.limit = 100;
  const e = stack.udp.createEndpoint(false);
  for (let i = 1; i <= 500; i++) {
    e.send(text("x"), 1, 0, to(LOOPBACK_V4, i));
    stack.poll();
  }
  assert(f.tracks.size <= 100);
  const s = stack.udp.createEndpoint(false);
  s.bind(null, 5000);
  e.send(text("y"), 1, 0, to(LOOPBACK_V4, 5000));
  stack.poll();
  assert.equal(read(s), "y");
  assert.equal(read(s), -EAGAIN);
  advance(clock, 200 * SECOND, stack);
  assert.equal(f.tracks.size, 0);
});
