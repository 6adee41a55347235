/**
 * Structures of sockets.
 */

import {
  be16,
  be32,
  bytes,
  chars,
  hex,
  i32,
  pointer,
  struct,
  u16,
  u32,
  u64,
  u8,
} from "../struct.ts";

/** The address of a unix socket (unix(7)). */
export const SockaddrUn = struct("sockaddr_un", { sun_family: u16, sun_path: bytes(108) });
/** The address of an IPv4 socket (ip(7)). */
export const SockaddrIn = struct("sockaddr_in", {
  sin_family: u16,
  sin_port: be16,
  sin_addr: hex(be32),
  _zero: bytes(8),
});
/** The address of an IPv6 socket (ipv6(7)). */
export const SockaddrIn6 = struct("sockaddr_in6", {
  sin6_family: u16,
  sin6_port: be16,
  sin6_flowinfo: hex(be32),
  sin6_addr: bytes(16),
  sin6_scope_id: u32,
}, { align: 4 });
/** The address of a netlink socket (netlink(7)). */
export const SockaddrNl = struct("sockaddr_nl", {
  nl_family: u16,
  _pad: u16,
  nl_pid: u32,
  nl_groups: hex(u32),
});
/** The address of a packet socket (packet(7)). */
export const SockaddrLl = struct("sockaddr_ll", {
  sll_family: u16,
  sll_protocol: hex(be16),
  sll_ifindex: i32,
  sll_hatype: u16,
  sll_pkttype: u8,
  sll_halen: u8,
  sll_addr: bytes(8),
});

/** A message of sendmsg(2). */
export const Msghdr = struct("msghdr", {
  msg_name: pointer,
  msg_namelen: i32,
  msg_iov: pointer,
  msg_iovlen: u64,
  msg_control: pointer,
  msg_controllen: u64,
  msg_flags: hex(u32),
});
/** A message of sendmmsg(2). */
export const Mmsghdr = struct("mmsghdr", { msg_hdr: Msghdr, msg_len: u32 });
/** The header of a control message (cmsg(3)); its data follows, the next one is aligned to 8 bytes. */
export const Cmsghdr = struct("cmsghdr", { cmsg_len: u64, cmsg_level: i32, cmsg_type: i32 });

/** Credentials of SO_PEERCRED and SCM_CREDENTIALS. */
export const Ucred = struct("ucred", { pid: i32, uid: u32, gid: u32 });
/** The value of SO_LINGER. */
export const Linger = struct("linger", { l_onoff: i32, l_linger: i32 });

/** Membership of an IPv4 multicast group. */
export const IpMreqn = struct("ip_mreqn", {
  imr_multiaddr: hex(be32),
  imr_address: hex(be32),
  imr_ifindex: i32,
});
/** Membership of an IPv6 multicast group. */
export const Ipv6Mreq = struct("ipv6_mreq", { ipv6mr_multiaddr: bytes(16), ipv6mr_interface: i32 });
/** Where an IPv4 packet came in, as IP_PKTINFO tells it. */
export const InPktinfo = struct("in_pktinfo", {
  ipi_ifindex: i32,
  ipi_spec_dst: hex(be32),
  ipi_addr: hex(be32),
});
/** Where an IPv6 packet came in, as IPV6_PKTINFO tells it. */
export const In6Pktinfo = struct("in6_pktinfo", { ipi6_addr: bytes(16), ipi6_ifindex: u32 });
/** An error of a sent packet, as IP_RECVERR tells it. */
export const SockExtendedErr = struct("sock_extended_err", {
  ee_errno: u32,
  ee_origin: u8,
  ee_type: u8,
  ee_code: u8,
  _pad: u8,
  ee_info: u32,
  ee_data: u32,
});

/** A network interface request (netdevice(7)); the value is a union of 24 bytes at offset 16. */
export const Ifreq = struct("ifreq", { ifr_name: chars(16), ifr_value: bytes(24) }, { align: 8 });
/** The argument of SIOCGIFCONF. */
export const Ifconf = struct("ifconf", { ifc_len: i32, ifc_buf: pointer });

/** What TCP_INFO tells of a connection. The first four bit fields are in two bytes. */
export const TcpInfo = struct("tcp_info", {
  tcpi_state: u8,
  tcpi_ca_state: u8,
  tcpi_retransmits: u8,
  tcpi_probes: u8,
  tcpi_backoff: u8,
  tcpi_options: u8,
  _wscale: u8,
  _app_limited: u8,
  tcpi_rto: u32,
  tcpi_ato: u32,
  tcpi_snd_mss: u32,
  tcpi_rcv_mss: u32,
  tcpi_unacked: u32,
  tcpi_sacked: u32,
  tcpi_lost: u32,
  tcpi_retrans: u32,
  tcpi_fackets: u32,
  tcpi_last_data_sent: u32,
  tcpi_last_ack_sent: u32,
  tcpi_last_data_recv: u32,
  tcpi_last_ack_recv: u32,
  tcpi_pmtu: u32,
  tcpi_rcv_ssthresh: u32,
  tcpi_rtt: u32,
  tcpi_rttvar: u32,
  tcpi_snd_ssthresh: u32,
  tcpi_snd_cwnd: u32,
  tcpi_advmss: u32,
  tcpi_reordering: u32,
  tcpi_rcv_rtt: u32,
  tcpi_rcv_space: u32,
  tcpi_total_retrans: u32,
  tcpi_pacing_rate: u64,
  tcpi_max_pacing_rate: u64,
  tcpi_bytes_acked: u64,
  tcpi_bytes_received: u64,
  tcpi_segs_out: u32,
  tcpi_segs_in: u32,
  tcpi_notsent_bytes: u32,
  tcpi_min_rtt: u32,
  tcpi_data_segs_in: u32,
  tcpi_data_segs_out: u32,
  tcpi_delivery_rate: u64,
  tcpi_busy_time: u64,
  tcpi_rwnd_limited: u64,
  tcpi_sndbuf_limited: u64,
  tcpi_delivered: u32,
  tcpi_delivered_ce: u32,
  tcpi_bytes_sent: u64,
  tcpi_bytes_retrans: u64,
  tcpi_dsack_dups: u32,
  tcpi_reord_seen: u32,
  tcpi_rcv_ooopack: u32,
  tcpi_snd_wnd: u32,
});
