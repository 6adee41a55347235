/** /proc/PID/net: the network as the task's namespace sees it. */

import type { Task } from "../../kernel/task.ts";
import type { FileSystem } from "../../vfs/file_system.ts";
import { unixSocketsText } from "../../socket/unix/registry.ts";
import { type StaticDir, textDir } from "./proc_inode.ts";

const DEV_HEADER =
  "Inter-|   Receive                                                |  Transmit\n" +
  " face |bytes    packets errs drop fifo frame compressed multicast|" +
  "bytes    packets errs drop fifo colls carrier compressed\n";
const TCP_HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt" +
  "   uid  timeout inode                                                     \n";
const TCP6_HEADER = "  sl  local_address                         remote_address" +
  "                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
const UDP_HEADER = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt" +
  "   uid  timeout inode ref pointer drops             \n";
const UDP6_HEADER = "  sl  local_address                         remote_address" +
  "                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref" +
  " pointer drops\n";
const ROUTE_HEADER =
  "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\t" +
  "IRTT".padEnd(60) + "\n";

/** A stack that tells of itself; none is there until a program has asked for an internet socket. */
interface Reporter {
  report(name: string): string;
}

function isReporter(stack: unknown): stack is Reporter {
  return typeof stack === "object" && stack !== null && "report" in stack;
}

/** The directory for the network namespace of `task`. */
export function netDir(fs: FileSystem, task: Task): StaticDir {
  /** A table: its header, and what the stack says, or else what it would say at rest. */
  const table = (name: string, header: string, atRest = "") => () => {
    const stack = task.nsproxy.net.stack;
    return header + (isReporter(stack) ? stack.report(name) : atRest);
  };
  return textDir(fs, {
    arp: table(
      "arp",
      "IP address       HW type     Flags       HW address            Mask     Device\n",
    ),
    dev: table(
      "dev",
      DEV_HEADER,
      "    lo:       0       0    0    0    0     0          0         0" +
        "        0       0    0    0    0     0       0          0\n",
    ),
    dev_mcast: table("dev_mcast", ""),
    if_inet6: table("if_inet6", "", "00000000000000000000000000000001 01 80 10 80       lo\n"),
    igmp: "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n",
    ip_tables_names: "",
    ipv6_route: table("ipv6_route", ""),
    netlink: "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops" +
      "    Inode\n",
    netstat: table("netstat", ""),
    packet: "sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n",
    protocols: "protocol  size sockets  memory press maxhdr  slab module     cl co di ac io in de" +
      " sh ss gs se re sp bi br ha uh gp em\n",
    psched: "000003e8 00000040 000f4240 3b9aca00\n",
    raw: table("raw", UDP_HEADER),
    raw6: table("raw6", UDP6_HEADER),
    route: table("route", ROUTE_HEADER),
    rt_cache: "",
    snmp: table("snmp", ""),
    snmp6: table("snmp6", ""),
    sockstat: table(
      "sockstat",
      "",
      "sockets: used 0\nTCP: inuse 0 orphan 0 tw 0 alloc 0 mem 0\nUDP: inuse 0 mem 0\n" +
        "UDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n",
    ),
    sockstat6: table(
      "sockstat6",
      "",
      "TCP6: inuse 0\nUDP6: inuse 0\nUDPLITE6: inuse 0\nRAW6: inuse 0\n" +
        "FRAG6: inuse 0 memory 0\n",
    ),
    softnet_stat: "",
    tcp: table("tcp", TCP_HEADER),
    tcp6: table("tcp6", TCP6_HEADER),
    udp: table("udp", UDP_HEADER),
    udp6: table("udp6", UDP6_HEADER),
    udplite: UDP_HEADER,
    udplite6: UDP6_HEADER,
    unix: () => unixSocketsText(task.nsproxy.net),
    wireless: "",
  });
}
