/** A queue of objects on an array; taking from the front costs no copy. */
export class Fifo<T> {
  private items: (T | undefined)[] = [];
  private head = 0;

  /** Count of items. */
  get length(): number {
    return this.items.length - this.head;
  }

  /** Appends an item. */
  push(item: T): void {
    this.items.push(item);
  }

  /** The oldest item without removing it. */
  peek(): T | undefined {
    return this.items[this.head];
  }

  /** The item `i` places after the oldest. */
  at(i: number): T | undefined {
    return this.items[this.head + i];
  }

  /** Removes and returns the oldest item. */
  shift(): T | undefined {
    if (this.head === this.items.length) return undefined;
    const item = this.items[this.head];
    this.items[this.head++] = undefined;
    if (this.head === this.items.length) {
      this.items.length = 0;
      this.head = 0;
    } else if (this.head >= 64 && this.head * 2 >= this.items.length) {
      this.items.splice(0, this.head);
      this.head = 0;
    }
    return item;
  }
}
