import type { Kernel } from "../../kernel/kernel.ts";
import { Timer } from "../../kernel/timers.ts";
import { PageCache } from "../../mm/page_cache.ts";

const PAGE = 4096;

/** Drops pages when the run loop next comes by: in the middle of a read they may be in use. */
class TrimTimer extends Timer {
  private readonly budget: PageBudget;

  constructor(budget: PageBudget) {
    super();
    this.budget = budget;
  }

  override fire(): void {
    this.budget.trim();
  }
}

/**
 * Bounds what the sandbox keeps of host files. Pages that are clean and mapped nowhere can be read
 * again; the files opened first give theirs up first.
 */
export class PageBudget {
  private readonly kernel: Kernel;
  private readonly limit: number;
  private readonly timer: TrimTimer;
  /** Pages read since the last count, and those that were there then. */
  private estimate: number;

  /** `limit` is in pages; by default a quarter of the host's memory. */
  constructor(kernel: Kernel, limit = Math.floor(Deno.systemMemoryInfo().total / 4 / PAGE)) {
    this.kernel = kernel;
    this.limit = limit;
    this.timer = new TrimTimer(this);
    this.estimate = 0;
  }

  /** Counts pages that were read. */
  add(pages: number): void {
    this.estimate += pages;
    if (this.estimate <= this.limit || this.timer.slot >= 0) return;
    this.timer.deadline = this.kernel.timers.now();
    this.kernel.timers.add(this.timer);
  }

  /** Drops pages down to three quarters of the limit, if there are too many. */
  trim(): void {
    let total = 0;
    for (const r of this.kernel.frames.reclaimers) if (r instanceof PageCache) total += r.present;
    if (total > this.limit) {
      let excess = total - Math.floor(this.limit * 3 / 4);
      for (const r of this.kernel.frames.reclaimers) {
        if (excess <= 0) break;
        const freed = r.reclaim(excess);
        excess -= freed;
        total -= freed;
      }
    }
    this.estimate = total;
  }
}
