/** Options of the level IPPROTO_TCP (tcp(7)). */

import { EINVAL, ENOENT, ENOPROTOOPT } from "../../../abi/errno.ts";
import { write64 } from "../../../abi/int64.ts";
import * as S from "../../../abi/socket.ts";
import { tcpInfo } from "../../../netstack/transport/tcp/info.ts";
import type { TcpEndpoint } from "../../../netstack/transport/tcp/endpoint.ts";
import type { SocketOptions } from "../options.ts";
import { int, LEVEL } from "./option_values.ts";

const SECOND = 1e9;
const MILLISECOND = 1e6;

/** getsockopt(2). */
export function getTcp(o: SocketOptions, e: TcpEndpoint, name: number): Uint8Array | number {
  const settings = e.ctx.settings;
  switch (name) {
    case S.TCP_NODELAY:
      return int(e.noDelay);
    case S.TCP_CORK:
      return int(e.cork);
    case S.TCP_MAXSEG:
      return int(e.segmentSize);
    case S.TCP_KEEPIDLE:
      return int((e.keepIdle || settings.tcpKeepAliveTime) / SECOND);
    case S.TCP_KEEPINTVL:
      return int((e.keepInterval || settings.tcpKeepAliveInterval) / SECOND);
    case S.TCP_KEEPCNT:
      return int(e.keepCount || settings.tcpKeepAliveProbes);
    case S.TCP_SYNCNT:
      return int(e.synCount || settings.tcpSynRetries);
    case S.TCP_LINGER2:
      return int(e.linger2 < 0 ? -1 : (e.linger2 || settings.tcpFinTimeout) / SECOND);
    case S.TCP_DEFER_ACCEPT:
      return int(e.deferAccept);
    case S.TCP_WINDOW_CLAMP:
      return int(e.windowClamp);
    case S.TCP_QUICKACK:
      return int(e.quickAckOption);
    case S.TCP_USER_TIMEOUT:
      return int(e.userTimeout / MILLISECOND);
    case S.TCP_NOTSENT_LOWAT:
      return int(e.notSentLowWater);
    case S.TCP_FASTOPEN:
      return int(e.fastOpenQueue);
    case S.TCP_FASTOPEN_CONNECT:
      return int(e.fastOpenConnect);
    case S.TCP_CONGESTION: {
      const bytes = new Uint8Array(16);
      const text = e.control.name;
      for (let i = 0; i < text.length && i < 15; i++) bytes[i] = text.charCodeAt(i);
      return bytes;
    }
    case S.TCP_INFO:
      return tcpInfoBytes(e);
    default:
      return o.values.has(S.IPPROTO_TCP * LEVEL + name)
        ? int(o.values.get(S.IPPROTO_TCP * LEVEL + name)!)
        : -ENOPROTOOPT;
  }
}

/** setsockopt(2). */
export function setTcp(
  o: SocketOptions,
  e: TcpEndpoint,
  name: number,
  number: number,
  value: Uint8Array,
): number {
  if (name === S.TCP_CONGESTION) {
    let text = "";
    for (const byte of value) {
      if (byte === 0) break;
      text += String.fromCharCode(byte);
    }
    return e.setCongestionControl(text) ? 0 : -ENOENT;
  }
  if (value.length < 4) return -EINVAL;
  switch (name) {
    case S.TCP_NODELAY:
      e.setNoDelay(number !== 0);
      return 0;
    case S.TCP_CORK:
      e.setCork(number !== 0);
      return 0;
    case S.TCP_MAXSEG:
      return e.setMaxSegment(number);
    case S.TCP_KEEPIDLE:
      if (number < 1 || number > 32767) return -EINVAL;
      e.setKeepIdle(number * SECOND);
      return 0;
    case S.TCP_KEEPINTVL:
      if (number < 1 || number > 32767) return -EINVAL;
      e.keepInterval = number * SECOND;
      return 0;
    case S.TCP_KEEPCNT:
      if (number < 1 || number > 127) return -EINVAL;
      e.keepCount = number;
      return 0;
    case S.TCP_SYNCNT:
      if (number < 1 || number > 127) return -EINVAL;
      e.synCount = number;
      return 0;
    case S.TCP_LINGER2:
      e.linger2 = number < 0 ? -1 : Math.min(number, 120) * SECOND;
      return 0;
    case S.TCP_DEFER_ACCEPT:
      e.deferAccept = Math.max(number, 0);
      return 0;
    case S.TCP_WINDOW_CLAMP:
      return e.setWindowClamp(number);
    case S.TCP_QUICKACK:
      e.setQuickAck(number !== 0);
      return 0;
    case S.TCP_USER_TIMEOUT:
      if (number < 0) return -EINVAL;
      e.userTimeout = number * MILLISECOND;
      return 0;
    case S.TCP_NOTSENT_LOWAT:
      e.notSentLowWater = number >>> 0;
      return 0;
    case S.TCP_FASTOPEN:
      if (number < 0) return -EINVAL;
      e.fastOpenQueue = number;
      return 0;
    case S.TCP_FASTOPEN_CONNECT:
      if (number !== 0 && number !== 1) return -EINVAL;
      e.fastOpenConnect = number === 1;
      return 0;
    case S.TCP_THIN_LINEAR_TIMEOUTS:
    case S.TCP_THIN_DUPACK:
    case S.TCP_INQ:
    case S.TCP_TX_DELAY:
      o.values.set(S.IPPROTO_TCP * LEVEL + name, number);
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

/** `struct tcp_info`, up to tcpi_snd_wnd. */
export function tcpInfoBytes(e: TcpEndpoint): Uint8Array {
  const i = tcpInfo(e);
  const bytes = new Uint8Array(232);
  const v = new DataView(bytes.buffer);
  bytes.set([i.state, i.caState, i.retransmits, i.probes, i.backoff, i.options]);
  bytes[6] = i.sndWscale | (i.rcvWscale << 4);
  [
    i.rto,
    i.ato,
    i.sndMss,
    i.rcvMss,
    i.unacked,
    i.sacked,
    i.lost,
    i.retrans,
    0,
    i.lastDataSent,
    0,
    i.lastDataRecv,
    i.lastAckRecv,
    i.pmtu,
    i.rcvSsthresh,
    i.rtt,
    i.rttvar,
    i.sndSsthresh,
    i.sndCwnd,
    i.advmss,
    i.reordering,
    0,
    i.rcvSpace,
    i.totalRetrans,
  ].forEach((n, k) => v.setUint32(8 + 4 * k, n, true));
  // Pacing rates stand at 104 and 112.
  write64(v, 112, Number.MAX_VALUE);
  write64(v, 120, i.bytesAcked);
  write64(v, 128, i.bytesReceived);
  v.setUint32(136, i.segsOut, true);
  v.setUint32(140, i.segsIn, true);
  v.setUint32(144, i.notSentBytes, true);
  v.setUint32(148, i.minRtt, true);
  v.setUint32(152, i.dataSegsIn, true);
  v.setUint32(156, i.dataSegsOut, true);
  v.setUint32(192, i.delivered, true);
  write64(v, 200, i.bytesSent);
  write64(v, 208, i.bytesRetrans);
  v.setUint32(216, i.dsackDups, true);
  v.setUint32(224, 0, true);
  v.setUint32(228, i.sndWnd, true);
  return bytes;
}
