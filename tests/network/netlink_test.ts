/** What ip(8), ifconfig(8) and ss(8) see and change in a fresh network namespace: as on the host. */
import assert from "node:assert/strict";
import { compare, onPlatforms, sandboxed } from "../support/guest.ts";
import { canMakeNamespaces } from "./support/pair.ts";

const possible = await canMakeNamespaces();

/** Hardware addresses and those made of them are chance, and times are what they are. */
function normalize(text: string): string {
  return text.replace(/([0-9a-f]{2}:){5}[0-9a-f]{2}/gi, "MAC").replace(/fe80::[0-9a-f:]+/g, "LL")
    .replace(/ uid \d+/g, "").replace(/ (tentative|users:.*)/g, "").replace(/[ \t]+$/gm, "");
}

/** Registers a test that a script prints the same in a namespace of its own, whoever's kernel it is. */
function same(name: string, needs: string[], lines: string[]): void {
  if (!possible) return Deno.test({ name, ignore: true, fn: () => {} });
  const script = lines.join("\n");
  compare(name, ["unshare", "-n", "bash", "-c", script], {
    needs: ["unshare", ...needs],
    normalize,
    stderr: false,
  });
}

same("ip shows and changes links", ["ip"], [
  "ip link set lo up; ip link show lo",
  "ip link add x0 type veth peer name x1; ip link show x0",
  "ip link set x0 up; ip link show x0; ip link set x1 up; ip link show x1; ip link show x0",
  "ip link set x0 down; ip link set x0 name x2; ip link set x1 address 02:00:00:00:00:07; ip link",
  "ip link set x2 mtu 1500; ip link add x0 type bridge; ip link set x2 master x0; ip link set x2 up; ip link set x0 up",
  "ip link show x0; ip link show x2; ip link set x2 nomaster; ip link show x2",
  "ip link add x2 type veth peer name x3; ip link del nothing; ip link add x3 type nothing; echo $?",
  "ip link del x1; ip link del x0; ip link",
]);

same("ip shows and changes addresses", ["ip"], [
  "ip link set lo up; ip link add x0 type veth peer name x1; ip link set x1 up; ip link set x0 up",
  "ip addr add 10.1.0.1/24 brd + dev x0; ip addr add 10.1.0.1/24 dev x0; echo $?",
  "ip addr add 10.2.0.1 peer 10.2.0.9/32 dev x0; ip addr add 10.3.0.1/16 dev x1; ip -o -4 addr; ip route",
  "ip addr del 10.2.0.1 peer 10.2.0.9/32 dev x0; ip addr del 10.9.0.9/24 dev x0; echo $?",
  "ip -4 addr show x0; ip addr flush dev x0; ip -4 addr show x0; ip route",
]);

same("ip shows and changes routes, neighbours and rules", ["ip"], [
  "ip link set lo up; ip link add x0 type veth peer name x1; ip link set x1 up; ip link set x0 up",
  "ip addr add 10.1.0.1/24 dev x0; ip route add 10.2.0.0/16 via 10.1.0.9; ip route add default via 10.1.0.254",
  "ip route add unreachable 10.3.0.0/16; ip route add 10.4.0.0/16 dev x0 metric 7 table 100 mtu 1200; ip route",
  "ip route get 10.2.3.4; ip route get 10.3.1.1 2>&1 | sed 's/.*: //'",
  "ip route get 127.0.0.1; ip route replace 10.2.0.0/16 via 10.1.0.8; ip route; ip route del 10.2.0.0/16",
  "ip route del 10.2.0.0/16; ip route add 10.2.0.0/16 via 10.77.0.1 2>&1 | wc -l; true",
  "ip neigh add 10.1.0.5 lladdr 02:00:00:00:00:05 dev x0; ip neigh",
  "ip neigh replace 10.1.0.5 lladdr 02:00:00:00:00:06 dev x0 nud reachable; ip neigh show dev x0 nud all | grep 0.5",
  "ip neigh del 10.1.0.5 dev x0; ip neigh; ip rule add from 10.0.0.0/8 table 100 pref 50; ip rule add fwmark 7 table 9",
  "ip rule; ip rule del pref 50; ip rule; ip -6 rule; ip rule del from 1.2.3.4 table 5",
]);

same("changes are told to who listens", ["ip", "python3"], [
  "ip link set lo up; python3 - <<'P'",
  "import socket, struct, subprocess",
  "s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)",
  "s.bind((0, 1 | 0x10 | 0x40))",
  "def run(c): subprocess.run(c.split(), check=True)",
  "run('ip link add x0 type veth peer name x1')",
  "run('ip link set x1 up'); run('ip link set x0 up')",
  "run('ip addr add 10.1.0.1/24 dev x0'); run('ip route add 10.2.0.0/16 via 10.1.0.9')",
  "run('ip route del 10.2.0.0/16'); run('ip addr del 10.1.0.1/24 dev x0'); run('ip link del x0')",
  "seen = set(); gone = 0",
  "while gone < 2:",
  "    for at in [s.recv(65536)]:",
  "        while at:",
  "            size, kind = struct.unpack('=IH', at[:6])",
  "            seen.add(kind); gone += kind == 17",
  "            at = at[(size + 3) & ~3:]",
  "print(sorted(seen))",
  "P",
]);

same("ifconfig, route and arp change what they show", ["busybox", "ip"], [
  "ip link add x0 type veth peer name x1; ip link set x1 up; exec 2>&1; true",
  "busybox ifconfig x0 10.5.0.1 netmask 255.255.255.0; busybox ifconfig x0 mtu 1400; busybox ifconfig x0 | head -2",
  "busybox route add -net 10.6.0.0/16 gw 10.5.0.9; busybox route add default x0; busybox route -n",
  "busybox route del default; busybox arp -s 10.5.0.7 02:00:00:00:00:01; busybox arp -an; busybox route -n",
  "busybox ip addr show x0 | grep inet.10; busybox ifconfig x0 down; busybox ip -o link show x0",
]);

same("ss lists sockets", ["ss", "python3", "ip"], [
  "ip link set lo up; python3 - <<'P'",
  "import socket, subprocess",
  "l = socket.socket(); l.bind(('127.0.0.1', 7000)); l.listen(5)",
  "c = socket.socket(); c.bind(('127.0.0.1', 7001)); c.connect(('127.0.0.1', 7000)); d, _ = l.accept()",
  "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('0.0.0.0', 7002))",
  "s = socket.socket(socket.AF_INET6); s.bind(('::', 7003)); s.listen(9)",
  "w = socket.socket(); w.bind(('127.0.0.1', 7004)); w.connect(('127.0.0.1', 7000)); e, _ = l.accept()",
  "w.close(); e.close()",
  "for a in ['-Htan', '-Huan', '-Hlt4n', '-Htn sport = :7001', '-Htn state time-wait']:",
  "    r = subprocess.run(['ss'] + a.split(), capture_output=True, text=True)",
  "    print(a, *sorted(' '.join(x.split()) for x in r.stdout.splitlines()), r.stderr, sep='\\n')",
  "P",
]);

onPlatforms(
  "programs in two namespaces reach each other over a veth and a bridge",
  async (platform) => {
    const script = [
      "ip link add bridge0 type bridge; ip link set bridge0 up; ip addr add 10.1.0.1/24 dev bridge0",
      "mkfifo /tmp/f; unshare -n sh -c 'echo up > /tmp/f; exec sleep 20' & P=$!; read x < /tmp/f",
      "ip link add x0 type veth peer name x1 netns $P && ip link set x0 master bridge0 up",
      "nsenter -t $P -n sh -c 'ip link set lo up; ip addr add 10.1.0.2/24 dev x1; ip link set x1 up'",
      "ping -c1 -W5 10.1.0.2 | grep -o '. received'",
      "nsenter -t $P -n ping -c1 -W5 10.1.0.1 | grep -o '. received'; kill $P",
    ].join("\n");
    const { stdout, stderr } = await sandboxed(platform, ["bash", "-c", script]);
    assert.equal(stdout, "1 received\n1 received\n", stderr);
  },
  { needs: ["ip", "ping", "unshare", "nsenter"] },
);
