import { EINVAL, ENOENT, EOPNOTSUPP } from "../../../abi/errno.ts";
import * as N from "../../../abi/netlink.ts";
import { NetlinkAttributes } from "../../../abi/netlink_message.ts";
import type { Task } from "../../kernel/task.ts";
import { type NetlinkRequest, NetlinkSocket } from "./netlink_socket.ts";

/** The controller's own number and name, and what it understands (linux/genetlink.h). */
const GENL_ID_CTRL = 0x10;
const GENL_HEADER = 4;
const CTRL_CMD_NEWFAMILY = 1;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_CMD_GETPOLICY = 10;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
const CTRL_ATTR_VERSION = 3;
const CTRL_ATTR_HDRSIZE = 4;
const CTRL_ATTR_MAXATTR = 5;
const CTRL_ATTR_OPS = 6;
const CTRL_ATTR_OP_ID = 1;
const CTRL_ATTR_OP_FLAGS = 2;
const CAN_DO_AND_DUMP = 4 | 8;
const NAME = "nlctrl";

/** A NETLINK_GENERIC socket: its controller, which tells of families, of which it is the only one. */
export class GenericSocket extends NetlinkSocket {
  constructor(t: Task, type: number, flags: number) {
    super(t, type, N.NETLINK_GENERIC, flags);
  }

  protected override isGet(type: number): boolean {
    return type === GENL_ID_CTRL;
  }

  protected override handle(q: NetlinkRequest): number {
    if (q.type !== GENL_ID_CTRL) return -ENOENT;
    if (q.body.length < GENL_HEADER) return -EINVAL;
    const [command] = q.body;
    if (command === CTRL_CMD_GETPOLICY || command !== CTRL_CMD_GETFAMILY) return -EOPNOTSUPP;
    if (!q.isDump) {
      const attributes = new NetlinkAttributes(q.body, GENL_HEADER);
      const name = attributes.text(CTRL_ATTR_FAMILY_NAME);
      const id = attributes.number(CTRL_ATTR_FAMILY_ID);
      if (name === null && id === 0) return -EINVAL;
      if (name !== null ? name !== NAME : id !== GENL_ID_CTRL) return -ENOENT;
    }
    const w = this.writer;
    w.begin(GENL_ID_CTRL, q.isDump ? N.NLM_F_MULTI : 0, q.sequence, q.port);
    w.u8(CTRL_CMD_NEWFAMILY, 2, 0, 0);
    w.text(CTRL_ATTR_FAMILY_NAME, NAME).attribute16(CTRL_ATTR_FAMILY_ID, GENL_ID_CTRL);
    w.attribute32(CTRL_ATTR_VERSION, 2).attribute32(CTRL_ATTR_HDRSIZE, 0);
    w.attribute32(CTRL_ATTR_MAXATTR, 10);
    const operations = w.nest(CTRL_ATTR_OPS);
    const first = w.nest(1);
    w.attribute32(CTRL_ATTR_OP_ID, CTRL_CMD_GETFAMILY);
    w.attribute32(CTRL_ATTR_OP_FLAGS, CAN_DO_AND_DUMP);
    w.endNest(first).endNest(operations).end();
    return 0;
  }
}
