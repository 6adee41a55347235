/**
 * What a device does that has offloads, done here for one that has none: cutting large TCP
 * segments into packets and completing checksums.
 */

import { ChecksumState, type Packet, type PacketPool } from "../core/packet.ts";
import { get16, get32, set16, set32 } from "../wire/bytes.ts";
import { foldChecksum, pseudoHeaderSum, sumBytes, transportChecksum } from "../wire/checksum.ts";
import { ETH_P_IP } from "../wire/ethernet.ts";
import { IPPROTO_TCP, IPPROTO_UDP, sealIpv4 } from "../wire/ipv4.ts";
import { CWR, FIN, PSH } from "../wire/tcp.ts";

/** Where the checksum field is in a transport header, -1 if there is none to complete. */
function checksumOffset(upper: number): number {
  return upper === IPPROTO_TCP ? 16 : upper === IPPROTO_UDP ? 6 : upper === 58 ? 2 : -1;
}

/** Stores the sum of the pseudo header where the device expects it. */
export function leavePartialChecksum(packet: Packet, fieldOffset: number): void {
  const length = packet.end - packet.transportStart;
  const sum = pseudoHeaderSum(packet.src, packet.dst, packet.upper, length);
  set16(packet.bytes, packet.transportStart + fieldOffset, foldChecksum(sum) ^ 0xffff);
  packet.checksum = ChecksumState.Partial;
}

/** Completes a partial checksum. */
export function finishChecksum(packet: Packet): void {
  const offset = checksumOffset(packet.upper);
  packet.checksum = ChecksumState.Verified;
  if (offset < 0) return;
  // The field holds the folded sum of the pseudo header, so summing over it includes that.
  const sum = foldChecksum(sumBytes(packet.bytes, packet.transportStart, packet.end, 0));
  set16(
    packet.bytes,
    packet.transportStart + offset,
    sum === 0 && packet.upper === IPPROTO_UDP ? 0xffff : sum,
  );
}

/** Cuts a TCP packet of several segments into packets of one; takes ownership of it. */
export function segmentTcp(
  packet: Packet,
  pool: PacketPool,
  emit: (piece: Packet) => void,
): void {
  const b = packet.bytes;
  const network = packet.start;
  const transport = packet.transportStart;
  const headers = transport + ((b[transport + 12] >>> 4) << 2) - network;
  const size = packet.segmentSize;
  const total = packet.length - headers;
  const sequence = get32(b, transport + 4);
  const isV4 = packet.protocol === ETH_P_IP;
  const ident = isV4 ? get16(b, network + 4) : 0;
  for (let from = 0, i = 0; from < total; from += size, i++) {
    const n = Math.min(size, total - from);
    const piece = pool.get(headers + n);
    piece.copyMetadata(packet);
    piece.segmentSize = 0;
    piece.bytes.set(b.subarray(network, network + headers), piece.start);
    const dataAt = network + headers + from;
    piece.bytes.set(b.subarray(dataAt, dataAt + n), piece.start + headers);
    piece.end = piece.start + headers + n;
    piece.networkStart = piece.start;
    piece.transportStart = piece.start + transport - network;
    const t = piece.transportStart;
    set32(piece.bytes, t + 4, sequence + from);
    if (from + n < total) piece.bytes[t + 13] &= ~(FIN | PSH);
    if (i > 0) piece.bytes[t + 13] &= ~CWR;
    if (isV4) {
      set16(piece.bytes, piece.start + 2, headers + n);
      set16(piece.bytes, piece.start + 4, ident + i);
      sealIpv4(piece.bytes, piece.start);
    } else set16(piece.bytes, piece.start + 4, headers + n - 40);
    set16(piece.bytes, t + 16, 0);
    set16(
      piece.bytes,
      t + 16,
      transportChecksum(piece.bytes, t, piece.end, piece.src, piece.dst, IPPROTO_TCP),
    );
    piece.checksum = ChecksumState.Verified;
    emit(piece);
  }
  packet.release();
}
