/** Randomness as a parameter, and keyed hashes drawn from it. */

import type { IpAddress } from "../wire/address.ts";

/** Where the stack's random numbers come from. */
export interface Random {
  /** Fills `dst` with random bytes. */
  fill(dst: Uint8Array): void;
}

/** Draws numbers from a {@link Random} through a small buffer. */
export class RandomNumbers {
  private readonly source: Random;
  private readonly words: Uint32Array<ArrayBuffer> = new Uint32Array(64);
  private readonly raw: Uint8Array<ArrayBuffer> = new Uint8Array(this.words.buffer);
  private next = 64;

  constructor(source: Random) {
    this.source = source;
  }

  /** An unsigned 32-bit number. */
  u32(): number {
    if (this.next === 64) {
      this.source.fill(this.raw);
      this.next = 0;
    }
    return this.words[this.next++];
  }

  /** An integer in `[0, n)`, n up to 2^32. */
  below(n: number): number {
    return Math.floor((this.u32() / 4294967296) * n);
  }

  /** A number in `[0, 1)`. */
  unit(): number {
    return this.u32() / 4294967296;
  }
}

/** A seeded generator (xorshift128) for tests and simulations; not for secrets. */
export class SeededRandom implements Random {
  private a: number;
  private b = 0x9e3779b9;
  private c = 0x243f6a88;
  private d = 0xb7e15162;

  constructor(seed: number) {
    this.a = (seed ^ 0x5bd1e995) >>> 0;
    for (let i = 0; i < 16; i++) this.u32();
  }

  /** An unsigned 32-bit number. */
  u32(): number {
    let t = this.d;
    const s = this.a;
    this.d = this.c;
    this.c = this.b;
    this.b = s;
    t ^= t << 11;
    t ^= t >>> 8;
    this.a = (t ^ s ^ (s >>> 19)) >>> 0;
    return this.a;
  }

  /** An integer in `[0, n)`. */
  below(n: number): number {
    return Math.floor((this.u32() / 4294967296) * n);
  }

  /** True with probability `p`. */
  chance(p: number): boolean {
    return this.u32() < p * 4294967296;
  }

  fill(dst: Uint8Array): void {
    for (let i = 0; i < dst.length; i++) dst[i] = this.u32();
  }
}

/** SipHash-2-4 (Aumasson, Bernstein 2012) over 32-bit words, with a key that never leaves it. */
export class SipHash {
  private readonly k: Uint32Array = new Uint32Array(4);
  private readonly v: Int32Array = new Int32Array(8);
  /** Low half of the last hash. */
  low = 0;
  /** High half of the last hash. */
  high = 0;

  constructor(random: RandomNumbers) {
    for (let i = 0; i < 4; i++) this.k[i] = random.u32();
  }

  /** Hashes `n` words of `m`; returns the low 32 bits, unsigned. */
  hash(m: Int32Array, n: number): number {
    const v = this.v;
    const k = this.k;
    v[0] = k[0] ^ 0x70736575;
    v[1] = k[1] ^ 0x736f6d65;
    v[2] = k[2] ^ 0x6e646f6d;
    v[3] = k[3] ^ 0x646f7261;
    v[4] = k[0] ^ 0x6e657261;
    v[5] = k[1] ^ 0x6c796765;
    v[6] = k[2] ^ 0x79746573;
    v[7] = k[3] ^ 0x74656462;
    let i = 0;
    for (; i + 1 < n; i += 2) this.absorb(m[i], m[i + 1]);
    this.absorb(i < n ? m[i] : 0, (n << 26) | 0);
    v[4] ^= 0xff;
    for (let r = 0; r < 4; r++) this.round();
    this.low = (v[0] ^ v[2] ^ v[4] ^ v[6]) >>> 0;
    this.high = (v[1] ^ v[3] ^ v[5] ^ v[7]) >>> 0;
    return this.low;
  }

  private absorb(low: number, high: number): void {
    const v = this.v;
    v[6] ^= low;
    v[7] ^= high;
    this.round();
    this.round();
    v[0] ^= low;
    v[1] ^= high;
  }

  private round(): void {
    this.add(0, 2);
    this.rotateXor(2, 13, 0);
    this.swap(0);
    this.add(4, 6);
    this.rotateXor(6, 16, 4);
    this.add(0, 6);
    this.rotateXor(6, 21, 0);
    this.add(4, 2);
    this.rotateXor(2, 17, 4);
    this.swap(4);
  }

  private add(a: number, b: number): void {
    const v = this.v;
    const low = (v[a] >>> 0) + (v[b] >>> 0);
    v[a] = low | 0;
    v[a + 1] = v[a + 1] + v[b + 1] + (low > 0xffffffff ? 1 : 0);
  }

  private rotateXor(x: number, n: number, y: number): void {
    const v = this.v;
    let low = v[x];
    let high = v[x + 1];
    if (n >= 32) {
      const t = low;
      low = high;
      high = t;
      n -= 32;
    }
    const l = (low << n) | (high >>> (32 - n));
    const h = (high << n) | (low >>> (32 - n));
    v[x] = l ^ v[y];
    v[x + 1] = h ^ v[y + 1];
  }

  private swap(x: number): void {
    const v = this.v;
    const t = v[x];
    v[x] = v[x + 1];
    v[x + 1] = t;
  }
}

/** Mixes the four-tuple of a connection with `key`; the hash of the connection tables. */
export function hashTuple(
  key: number,
  local: IpAddress,
  localPort: number,
  remote: IpAddress,
  remotePort: number,
): number {
  let h = key ^ ((localPort << 16) | remotePort);
  h = Math.imul(h ^ (h >>> 15) ^ local.w3, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13) ^ remote.w3, 0xc2b2ae35);
  if (!remote.isV4) {
    h = Math.imul(h ^ (h >>> 16) ^ remote.w2, 0x27d4eb2f);
    h = Math.imul(h ^ (h >>> 15) ^ remote.w1 ^ local.w2, 0x165667b1);
    h = Math.imul(h ^ (h >>> 13) ^ remote.w0 ^ local.w1, 0x9e3779b1);
  }
  return (h ^ (h >>> 16)) >>> 0;
}
