/** What users have, counted against RLIMIT_NPROC, RLIMIT_SIGPENDING and RLIMIT_MSGQUEUE. */

class UserAccount {
  tasks = 0;
  signals = 0;
  /** Bytes of POSIX message queues. */
  queueBytes = 0;
}

/** Counts by kernel uid. */
export class UserAccounts {
  readonly #users: Map<number, UserAccount> = new Map();

  /** Tasks of a real uid. */
  tasks(uid: number): number {
    return this.#users.get(uid)?.tasks ?? 0;
  }

  /** Signals queued by or for a real uid. */
  signals(uid: number): number {
    return this.#users.get(uid)?.signals ?? 0;
  }

  /** Changes the number of tasks of `uid`. */
  addTasks(uid: number, by: number): void {
    const user = this.#get(uid);
    user.tasks += by;
    this.#dropIfIdle(uid, user);
  }

  /** Changes the number of queued signals of `uid`. */
  addSignals(uid: number, by: number): void {
    const user = this.#get(uid);
    user.signals += by;
    this.#dropIfIdle(uid, user);
  }

  /** Bytes of POSIX message queues of a real uid. */
  queueBytes(uid: number): number {
    return this.#users.get(uid)?.queueBytes ?? 0;
  }

  /** Changes the bytes of POSIX message queues of `uid`. */
  addQueueBytes(uid: number, by: number): void {
    const user = this.#get(uid);
    user.queueBytes += by;
    this.#dropIfIdle(uid, user);
  }

  #get(uid: number): UserAccount {
    let user = this.#users.get(uid);
    if (user === undefined) {
      user = new UserAccount();
      this.#users.set(uid, user);
    }
    return user;
  }

  #dropIfIdle(uid: number, user: UserAccount): void {
    if (user.tasks === 0 && user.signals === 0 && user.queueBytes === 0) this.#users.delete(uid);
  }
}
