/**
 * Structures of netlink messages (netlink(7), rtnetlink(7)).
 */

import { hex, i32, struct, u16, u32, u8 } from "../struct.ts";

/** The header of every message. */
export const Nlmsghdr = struct("nlmsghdr", {
  nlmsg_len: u32,
  nlmsg_type: u16,
  nlmsg_flags: hex(u16),
  nlmsg_seq: u32,
  nlmsg_pid: u32,
});
/** An error, or an acknowledgement where `error` is 0. */
export const Nlmsgerr = struct("nlmsgerr", { error: i32, msg: Nlmsghdr });
/** The header of an attribute. */
export const Rtattr = struct("rtattr", { rta_len: u16, rta_type: u16 });
/** What a message about any family begins with. */
export const Rtgenmsg = struct("rtgenmsg", { rtgen_family: u8 });
/** A network interface. */
export const Ifinfomsg = struct("ifinfomsg", {
  ifi_family: u8,
  _pad: u8,
  ifi_type: u16,
  ifi_index: i32,
  ifi_flags: hex(u32),
  ifi_change: hex(u32),
});
/** An address of an interface. */
export const Ifaddrmsg = struct("ifaddrmsg", {
  ifa_family: u8,
  ifa_prefixlen: u8,
  ifa_flags: hex(u8),
  ifa_scope: u8,
  ifa_index: u32,
});
/** How long an address stays valid. */
export const IfaCacheinfo = struct("ifa_cacheinfo", {
  ifa_prefered: u32,
  ifa_valid: u32,
  cstamp: u32,
  tstamp: u32,
});
/** A route. */
export const Rtmsg = struct("rtmsg", {
  rtm_family: u8,
  rtm_dst_len: u8,
  rtm_src_len: u8,
  rtm_tos: u8,
  rtm_table: u8,
  rtm_protocol: u8,
  rtm_scope: u8,
  rtm_type: u8,
  rtm_flags: hex(u32),
});
/** A neighbour. */
export const Ndmsg = struct("ndmsg", {
  ndm_family: u8,
  _pad1: u8,
  _pad2: u16,
  ndm_ifindex: i32,
  ndm_state: hex(u16),
  ndm_flags: hex(u8),
  ndm_type: u8,
});
