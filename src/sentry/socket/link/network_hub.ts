// hot: every use of a socket passes here.

/** What a network does when its turn comes: delivers what waits, and asks for its next turn. */
export interface HubMember {
  /** Whether it waits for its turn. */
  waiting: boolean;
  run(): void;
  /** Asks to be run from the kernel's timers, for what is not done in this turn. */
  runLater(): void;
}

/** Turns before the rest waits for the next round of the run loop. */
const MAX_TURNS = 64;

/**
 * The networks of one kernel. What one of them sends on a virtual link waits at the other's end; the hub gives each its
 * turn, one after the other, so that no network is entered while it is at work.
 */
export class NetworkHub {
  private readonly queue: HubMember[] = [];
  private active = false;

  /** Runs a network, and then those that it sent something to. */
  turn(member: HubMember): void {
    if (this.active) {
      this.add(member);
      return;
    }
    this.active = true;
    member.run();
    if (this.queue.length > 0) this.drain();
    this.active = false;
  }

  /** Something waits for a network. */
  add(member: HubMember): void {
    if (member.waiting) return;
    member.waiting = true;
    this.queue.push(member);
    if (!this.active) member.runLater();
  }

  private drain(): void {
    const { queue } = this;
    for (let i = 0; i < MAX_TURNS && i < queue.length; i++) {
      queue[i].waiting = false;
      queue[i].run();
    }
    const rest = queue.splice(0).slice(MAX_TURNS);
    for (const member of rest) {
      if (!member.waiting) continue;
      member.waiting = false;
      member.runLater();
    }
  }
}
