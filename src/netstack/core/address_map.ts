import type { IpAddress } from "../wire/address.ts";

class Entry<V> {
  readonly key: IpAddress;
  value: V;
  next: Entry<V> | null;

  constructor(key: IpAddress, value: V, next: Entry<V> | null) {
    this.key = key;
    this.value = value;
    this.next = next;
  }
}

/** A table from addresses to values. `secret` keeps peers from choosing addresses that collide. */
export class AddressMap<V> {
  private buckets: (Entry<V> | null)[] = new Array<Entry<V> | null>(16).fill(null);
  private readonly secret: number;
  size = 0;

  constructor(secret: number) {
    this.secret = secret | 1;
  }

  private slot(a: IpAddress): number {
    let h = Math.imul(a.w3 ^ this.secret, 0x85ebca6b);
    if (!a.isV4) {
      h = Math.imul(h ^ (h >>> 15) ^ a.w2, 0xc2b2ae35);
      h = Math.imul(h ^ (h >>> 13) ^ a.w1, 0x27d4eb2f);
      h = Math.imul(h ^ (h >>> 16) ^ a.w0, this.secret);
    }
    return (h ^ (h >>> 15)) & (this.buckets.length - 1);
  }

  /** The value of `key`, or null. */
  get(key: IpAddress): V | null {
    let e = this.buckets[this.slot(key)];
    while (e !== null) {
      if (e.key.equals(key)) return e.value;
      e = e.next;
    }
    return null;
  }

  /** Sets the value of `key`. */
  set(key: IpAddress, value: V): void {
    let e = this.buckets[this.slot(key)];
    while (e !== null) {
      if (e.key.equals(key)) {
        e.value = value;
        return;
      }
      e = e.next;
    }
    if (this.size >= this.buckets.length) this.grow();
    const s = this.slot(key);
    this.buckets[s] = new Entry(key, value, this.buckets[s]);
    this.size++;
  }

  /** Removes `key`; whether it was there. */
  delete(key: IpAddress): boolean {
    const s = this.slot(key);
    let e = this.buckets[s];
    let before: Entry<V> | null = null;
    while (e !== null) {
      if (e.key.equals(key)) {
        if (before === null) this.buckets[s] = e.next;
        else before.next = e.next;
        this.size--;
        return true;
      }
      before = e;
      e = e.next;
    }
    return false;
  }

  /** All values. */
  values(): V[] {
    const all: V[] = [];
    for (let e of this.buckets) {
      for (; e !== null; e = e.next) all.push(e.value);
    }
    return all;
  }

  private grow(): void {
    const old = this.buckets;
    this.buckets = new Array<Entry<V> | null>(old.length * 2).fill(null);
    for (let e of old) {
      while (e !== null) {
        const next: Entry<V> | null = e.next;
        const s = this.slot(e.key);
        e.next = this.buckets[s];
        this.buckets[s] = e;
        e = next;
      }
    }
  }
}
